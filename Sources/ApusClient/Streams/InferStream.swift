internal import Inference
internal import Wire

/// A stream of inferences: send requests on it and read answers from it, at the same time if need be.
///
/// ```swift
/// let stream = try await client.inferStream()
/// for request in requests { try await stream.send(request) }
/// stream.finish()
/// for try await answer in stream { use(try answer.get()) }
/// ```
/// `send` waits while the server takes less than is sent, and the server is held back while answers are not read. The
/// stream ends with the server's status, its deadline, `cancel()`, the cancellation of a task that reads or sends, or
/// when nobody holds it any more.
public final class InferStream: AsyncSequence, Sendable {
  /// One answer of a stream, or why one request has none; the stream goes on either way.
  public struct Element: Sendable {
    /// With a failure it has no outputs, and names the request that failed as far as the server does.
    public let response: InferResponse
    /// In the server's words. Nil: it succeeded.
    public let failure: String?

    /// - Throws: The failure.
    public func get() throws(ClientError) -> InferResponse {
      guard let failure else { return response }
      throw ClientError(.server, .unknown, failure)
    }
  }

  private let core: ClientCore
  private let loop: ClientLoop
  private let flow = StreamFlow()
  private let operation: StreamOperation
  private let priority: UInt64?

  init(
    core: ClientCore, loop: ClientLoop, _ prepared: PreparedStream, priority: UInt64?
  ) {
    self.core = core
    self.loop = loop
    self.priority = priority
    let interceptors = core.settings.options.interceptors
    operation = StreamOperation(.streamInfer, prepared.options, flow: flow) { [flow] error in
      if interceptors.isEmpty { return }
      let result = CallResult(
        error: error, metadata: flow.metadata, trailers: flow.trailers,
        duration: prepared.start.durationUntilNow, attempts: 1)
      for interceptor in interceptors.reversed() { interceptor.ended(prepared.head, result) }
    }
    loop.submit(operation)
  }

  deinit { cancel() }

  /// Sends a request, and waits while too much of what was sent before has not left.
  ///
  /// - Throws: How the stream ended, if it has.
  public func send(_ request: InferRequest) async throws(ClientError) {
    let message = OutgoingRequest(request, priority: priority)
    let result = await withTaskCancellationHandler {
      do throws(ClientError) {
        try await flow.send(message.byteCount) { loop.submit(StreamCommand(.send(message), operation)) }
        return Result<Void, ClientError>.success(())
      } catch {
        return .failure(error)
      }
    } onCancel: {
      cancel()
    }
    try result.get()
  }

  /// Says that nothing more is sent. The server answers what it has, and ends the stream.
  public func finish() {
    if flow.finish() { loop.submit(StreamCommand(.finish, operation)) }
  }

  /// Ends the stream here and at the server. Without effect once it has ended.
  public func cancel() { loop.execute { [operation] _ in operation.cancel() } }

  /// What the server sent before its first answer; empty until then.
  public var metadata: Metadata { flow.metadata }
  /// What the server sent with its status; empty until then.
  public var trailers: Metadata { flow.trailers }

  /// Reads the answers, in the order in which the server sent them. One task at a time may read.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let stream: InferStream

    /// - Throws: The status that the stream ended with, unless it is OK.
    public mutating func next() async throws(ClientError) -> Element? { try await stream.next() }

    public mutating func next(isolation actor: isolated (any Actor)?) async throws(ClientError) -> Element? {
      try await stream.next()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

  private func next() async throws(ClientError) -> Element? {
    let next = await withTaskCancellationHandler {
      await flow.next()
    } onCancel: {
      cancel()
    }
    switch next {
    case .end(let result):
      try result.get()
      return nil
    case .answer(let message, let mustResume):
      if mustResume { loop.submit(StreamCommand(.readOn, operation)) }
      return try Element(message)
    }
  }
}

extension InferStream.Element {
  init(_ message: ReceivedMessage) throws(ClientError) {
    guard let scanned = ScannedStreamResponse(message.bytes) else {
      throw ClientError(unreadable: .invalidArgument("ModelStreamInferResponse is malformed"))
    }
    failure = scanned.errorMessage.isEmpty ? nil : scanned.errorMessage
    if let bytes = scanned.response {
      response = try InferResponse(bytes, in: message)
    } else {
      response = InferResponse(model: "", version: "", id: "", outputs: [])
    }
  }
}
