internal import ApusClient
internal import Threads

/// A client whose calls the load test's own thread waits for: between measurements there is nothing else to do.
struct WaitingClient {
  let client: InferenceClient
  /// Sent with every call.
  var metadata = Metadata()

  var options: CallOptions { CallOptions(metadata: metadata) }

  /// Blocks until a call has its outcome. Not for Swift's thread pool.
  func wait<Value: Sendable>(
    _ call: @escaping @Sendable (InferenceClient, CallOptions) async throws -> Value
  ) throws -> Value {
    let outcome = Locked<Result<Value, any Error>?>(nil)
    let latch = Latch(count: 1)
    Task { [client, options] in
      let result: Result<Value, any Error>
      do { result = .success(try await call(client, options)) } catch { result = .failure(error) }
      outcome.withLock { $0 = result }
      latch.countDown()
    }
    latch.wait()
    guard let result = outcome.withLock({ $0 }) else { preconditionFailure("a call without an outcome. This is a bug.") }
    return try result.get()
  }
}
