import ApusClient
import GRPC
import HTTP2
import Inference
import Testing
import Threads
import Transport

/// Retries, hedges, credentials and interceptors, over the wire.
@Suite(.timeLimit(.minutes(2))) struct PolicyCallTests {
  private let busy = GRPCStatus(.unavailable, "busy")

  @Test func `a server's failure is not retried unless the call is idempotent`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    server.script.steps.withLock { $0 = [.init(status: busy)] }
    let error = await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Script", [1]) }
    #expect(error?.code == .unavailable)
    #expect(error?.mayHaveRun == true)
    #expect(server.script.callCount == 1)
    server.script.steps.withLock { $0 = [.init(status: busy), .init(status: busy)] }
    let reply = try await client.call("/test.Echo/Script", [2], options: CallOptions(isIdempotent: true))
    #expect(reply.message == [2])
    #expect(server.script.callCount == 4)
    #expect(client.metrics.retries == 2)
  }

  @Test func `a server that says when to come back is asked again, whatever the call`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let pushback = EchoServer.Script.Step(
      status: GRPCStatus(.resourceExhausted, "later"), trailers: [("grpc-retry-pushback-ms", "2")])
    server.script.steps.withLock { $0 = [pushback] }
    #expect(try await client.call("/test.Echo/Script", [3]).message == [3])
    let never = EchoServer.Script.Step(status: busy, trailers: [("grpc-retry-pushback-ms", "-1")])
    server.script.steps.withLock { $0 = [never] }
    await #expect(throws: ClientError.self) {
      try await client.call("/test.Echo/Script", [3], options: CallOptions(isIdempotent: true))
    }
    #expect(server.script.callCount == 3)
  }

  @Test func `a slow call is sent a second time, the first answer wins, and the other call is cancelled`() async throws
  {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let options = CallOptions(isIdempotent: true, hedging: HedgingPolicy(delay: .milliseconds(5)))
    #expect(try await client.call("/test.Echo/Hold", [4], options: options).message == [4])
    #expect(client.metrics.hedges == 1)
    await waitUntil { server.script.cancelledCount == 1 }
    #expect(client.metrics.callsFinished == [.ok: 1])
  }

  @Test func `a hedge whose call is answered meanwhile is cancelled`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let options = CallOptions(isIdempotent: true, hedging: HedgingPolicy(delay: .milliseconds(5)))
    #expect(try await client.call("/test.Echo/FirstWins", [4], options: options).message == [4])
    await waitUntil { server.script.cancelledCount == 1 }
    #expect(client.metrics.openConnections == 1)
  }

  /// Each server takes one call, so that the hedged call's two attempts, having failed, find no room: the call waits
  /// once, and leaves nothing behind that takes the room later.
  @Test func `a hedged call whose attempts all fail waits for a connection once`() async throws {
    let servers = try (0..<2).map { _ in try EchoServer(limits: { $0.http2.maxConcurrentStreams = 1 }) }
    var options = InferenceClient.Options()
    options.backoff.initial = .seconds(100)
    let client = try InferenceClient(servers.map(\.address), options: options)
    while client.metrics.openConnections < 2 { _ = try await client.call("/test.Echo/Echo", []) }
    var hedging = HedgingPolicy(delay: .milliseconds(5))
    hedging.maxAttempts = 4
    let hedged = Task { [hedging] in
      try await client.call("/test.Echo/Wait", [], options: CallOptions(isIdempotent: true, hedging: hedging))
    }
    await waitUntil { servers.allSatisfy { $0.waiting.count == 1 } }
    servers[0].stop()
    await waitUntil { client.metrics.openConnections == 1 }
    servers[1].waiting.answerAll(.failure(busy))
    await waitUntil { servers[1].waiting.count == 1 }
    servers[1].waiting.answerAll()
    #expect(try await hedged.value.message == [])
    _ = try await client.call("/test.Echo/Echo", [], options: CallOptions(timeout: .seconds(20)))
    #expect(servers[1].waiting.count == 0)
  }

  @Test func `a call that is not idempotent is not hedged`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let options = CallOptions(timeout: .milliseconds(40), hedging: HedgingPolicy(delay: .milliseconds(1)))
    let error = await #expect(throws: ClientError.self) {
      try await client.call("/test.Echo/Hold", [4], options: options)
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(server.script.callCount == 1)
  }

  private func shown(_ client: InferenceClient, _ options: CallOptions = CallOptions()) async throws -> [String] {
    String(decoding: try await client.call("/test.Echo/Show", [1], options: options).message, as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  @Test func `credentials are not sent in the clear unless that is allowed`() async throws {
    let server = try EchoServer()
    var options = InferenceClient.Options()
    options.credentials = .apiKey("k")
    let error = #expect(throws: ClientError.self) { try InferenceClient(server.address, options: options) }
    #expect(error?.message.hasPrefix("credentials would travel in the clear") == true)
    options.credentials?.allowsPlaintext = true
    #expect(try await shown(InferenceClient(server.address, options: options)).contains("x-api-key: k"))
    options.credentials = .bearer("t")
    options.credentials?.allowsPlaintext = true
    #expect(try await shown(InferenceClient(server.address, options: options)).contains("authorization: Bearer t"))
  }

  @Test func `a token is fetched once for many calls, and again when the server refuses it`() async throws {
    let server = try EchoServer()
    let fetched = Locked(0)
    var options = InferenceClient.Options()
    options.credentials = .bearer(
      TokenProvider {
        let number = fetched.withLock { count in
          count += 1
          return count
        }
        return AccessToken("t\(number)", lifetime: .seconds(3600))
      })
    options.credentials?.allowsPlaintext = true
    let client = try InferenceClient(server.address, options: options)
    try await withThrowingTaskGroup { group in
      for _ in 0..<50 {
        group.addTask {
          let lines = try await shown(client)
          #expect(lines.contains("authorization: Bearer t1"))
        }
      }
      try await group.waitForAll()
    }
    server.script.steps.withLock { $0 = [.init(status: GRPCStatus(.unauthenticated, "expired"))] }
    await #expect(throws: ClientError.self) { try await client.call("/test.Echo/Script", []) }
    #expect(try await shown(client).contains("authorization: Bearer t2"))
  }

  @Test func `a provider that fails, fails the call before anything is sent`() async throws {
    struct NoToken: Error {}
    var options = InferenceClient.Options()
    options.credentials = .bearer(TokenProvider { throw NoToken() })
    options.credentials?.allowsPlaintext = true
    let client = try InferenceClient("127.0.0.1:1", options: options)
    let error = await #expect(throws: ClientError.self) { try await client.serverLive() }
    #expect(error?.code == .unauthenticated)
    #expect(error?.message.contains("NoToken") == true)
  }

  @Test func `a trace goes along from the task or from the options`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let trace = TraceContext(traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", traceState: "a=1")!
    let lines = try await TraceContext.$current.withValue(trace) { try await shown(client) }
    #expect(lines.contains("traceparent: \(trace.traceParent)") && lines.contains("tracestate: a=1"))
    #expect(try await shown(client, CallOptions(traceContext: trace)).contains("traceparent: \(trace.traceParent)"))
    let untraced = try await shown(client)
    #expect(!untraced.contains { $0.hasPrefix("traceparent") })
  }

  private final class Recorder: CallInterceptor {
    let name: String
    let log: Locked<[String]>
    init(_ name: String, _ log: Locked<[String]>) {
      self.name = name
      self.log = log
    }

    func started(_ call: inout CallHead) throws(ClientError) {
      log.withLock { $0.append("\(name) starts \(call.method)") }
      if call.metadata["x-stop"] == name { throw ClientError(.client, .permissionDenied, "stopped") }
      call.metadata.append("x-test", name)
    }

    func ended(_ call: CallHead, _ result: CallResult) {
      log.withLock { $0.append("\(name) sees \(result.code) after \(result.attempts)") }
    }
  }

  @Test func `interceptors see calls in order, change metadata, and see the outcome in reverse`() async throws {
    let server = try EchoServer()
    let log = Locked<[String]>([])
    var options = InferenceClient.Options()
    options.interceptors = [Recorder("a", log), Recorder("b", log)]
    let client = try InferenceClient(server.address, options: options)
    #expect(try await shown(client).contains("x-test: a"))
    #expect(
      log.withLock { $0 } == [
        "a starts /test.Echo/Show", "b starts /test.Echo/Show", "b sees OK after 1", "a sees OK after 1",
      ])
    log.withLock { $0 = [] }
    let error = await #expect(throws: ClientError.self) {
      try await client.call("/test.Echo/Show", [], options: CallOptions(metadata: ["x-stop": "b"]))
    }
    #expect(error?.message == "stopped")
    #expect(
      log.withLock { $0 } == [
        "a starts /test.Echo/Show", "b starts /test.Echo/Show", "a sees PERMISSION_DENIED after 0",
      ])
  }

  @Test func `requests are compressed when asked for`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let lines = try await shown(client, CallOptions(compression: .gzip))
    #expect(lines.contains("compressed") && lines.contains("grpc-encoding: gzip"))
    #expect(try await shown(client).contains("compressed") == false)
  }

  @Test func `the server is told of the deadline, and of none where it is switched off`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    let limited = try await shown(client)
    #expect(limited.contains { $0.hasPrefix("grpc-timeout: ") })
    let unlimited = try await shown(client, CallOptions(timeout: .unlimited))
    #expect(!unlimited.contains { $0.hasPrefix("grpc-timeout") })
  }

  @Test(arguments: [(":path", "x"), ("grpc-timeout", "1S"), ("x y", "1"), ("", "1"), ("x", "a\nb"), ("x", "ü")])
  func `metadata that is no header field is refused`(name: String, value: String) async throws {
    let client = try InferenceClient("127.0.0.1:1")
    var metadata = Metadata()
    metadata.append(name, value)
    let error = await #expect(throws: ClientError.self) {
      try await client.call("/test.Echo/Echo", [], options: CallOptions(metadata: metadata))
    }
    #expect(error?.code == .invalidArgument)
  }

  @Test func `tasks on the client's own loop make calls, also many at once`() async throws {
    let server = try EchoServer()
    let client = try InferenceClient(server.address)
    try await withTaskExecutorPreference(client.executors[0]) {
      try await withThrowingTaskGroup { group in
        for number in 0..<100 as Range<UInt8> {
          group.addTask {
            for _ in 0..<10 { try await expectEcho(of: [number], client) }
          }
        }
        try await group.waitForAll()
      }
    }
    #expect(client.metrics.callsFinished == [.ok: 1000])
    await client.close()
  }

  @Test func `tasks on the loop of a closed client go on elsewhere`() async throws {
    let client = try InferenceClient("127.0.0.1:1")
    let executor = client.executors[0]
    await client.close()
    let sum = await withTaskExecutorPreference(executor) { await Task { 1 + 1 }.value }
    #expect(sum == 2)
  }
}
