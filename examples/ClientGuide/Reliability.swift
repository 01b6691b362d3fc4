internal import ApusClient

func reliable() async throws {
  // snippet.retries
  var options = InferenceClient.Options()
  options.timeout = .seconds(2)
  options.retry.maxAttempts = 4
  options.balancing = .leastOutstanding
  let client = try InferenceClient(["a.example:8001", "b.example:8001"], options: options)
  // snippet.end

  let request = InferRequest(model: "m", inputs: [])
  // snippet.hedging
  let careful = CallOptions(
    timeout: .milliseconds(200), isIdempotent: true, hedging: HedgingPolicy(delay: .milliseconds(30)))
  let answer = try await client.infer(request, options: careful)
  // snippet.end
  _ = answer

  // snippet.errors
  do throws(ClientError) {
    _ = try await client.infer(request)
  } catch {
    if error.code == .unavailable, !error.mayHaveRun {
      // Nothing happened: the same call can be made elsewhere.
    }
    print(error.origin, error.code, error.message, error.details.map(\.typeURL))
  }
  // snippet.end
}

func secured(_ fetch: @escaping @Sendable () async throws -> String) throws -> InferenceClient {
  // snippet.credentials
  var options = InferenceClient.Options()
  options.tls = TLSOptions()
  options.tls?.caFile = "/etc/ssl/inference-ca.pem"
  options.credentials = .bearer(
    TokenProvider(refreshAhead: .seconds(60)) {
      AccessToken(try await fetch(), lifetime: .seconds(3600))
    })
  return try InferenceClient("inference.example:8001", options: options)
  // snippet.end
}

// snippet.interceptor
struct RequestNames: CallInterceptor {
  let name: String

  func started(_ call: inout CallHead) throws(ClientError) {
    call.metadata.append("x-request-name", name)
  }

  func ended(_ call: CallHead, _ result: CallResult) {
    print(call.method, result.code, result.duration, "after", result.attempts)
  }
}
// snippet.end
