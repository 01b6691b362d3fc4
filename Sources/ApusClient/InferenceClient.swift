internal import Inference
internal import Wire

/// The Open Inference Protocol with Triton's model repository and statistics, as Swift calls: any server that speaks
/// it.
///
/// ```swift
/// let client = try InferenceClient("127.0.0.1:8001")
/// let input = Tensor(name: "bytes", features, shape: [1, 2048])
/// let answer = try await client.infer(InferRequest(model: "magika", inputs: [input]))
/// ```
///
/// One client serves all tasks of a program: calls from anywhere share its connections, which are made with the first
/// call and made again when they are lost. Every call has a deadline, and ends with the task that waits for it. A
/// client that nobody holds any more closes itself; `close(grace:)` waits for calls.
public final class InferenceClient: Sendable {
  /// As given.
  public let addresses: [String]
  let core: ClientCore

  /// Checks the address and reads the certificates; nothing is connected yet.
  ///
  /// - Parameter address: `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (this machine) or `unix:PATH`. Calls are spread over all
  ///   addresses of a host.
  /// - Throws: `.invalidArgument` for an address that is none of the forms, a file that can't be used, or options that
  ///   contradict each other.
  public convenience init(_ address: String, options: Options = Options()) throws(ClientError) {
    try self.init([address], options: options)
  }

  /// A client of several servers that have the same models: calls are spread over those that can be reached.
  public convenience init(_ addresses: [String], options: Options = Options()) throws(ClientError) {
    try self.init(addresses, options: options, resolver: NameResolver())
  }

  package init(_ addresses: [String], options: Options, resolver: NameResolver) throws(ClientError) {
    core = try ClientCore(addresses, options, resolver: resolver)
    self.addresses = addresses
  }

  /// Takes no new calls, lets those that run finish, and closes the connections.
  ///
  /// - Parameter grace: Calls that still run after it are cancelled.
  public func close(grace: Duration = .seconds(5)) async { await core.close(grace: grace) }

  /// What the client has done so far.
  public var metrics: ClientMetrics { core.metrics }

  /// One for each event loop: see `LoopExecutor`.
  public var executors: [LoopExecutor] { core.loops.map(\.executor) }

  // MARK: Inference

  /// Runs a model.
  ///
  /// The inputs are sent from where they lie, and the outputs are used where they were received: a response keeps the
  /// memory of its message until the last of its tensors is let go.
  ///
  /// - Throws: `.invalidArgument` for tensors that do not suit the model, `.notFound` for an unknown model,
  ///   `.unavailable` for one that is not ready or has too much to do, `.deadlineExceeded`, `.cancelled`.
  public func infer(
    _ request: InferRequest, options: CallOptions = CallOptions()
  ) async throws(ClientError) -> InferResponse {
    let operation = try await unary(.infer, OutgoingRequest(request, priority: options.priority), options)
    return try InferResponse(try operation.message())
  }

  /// Opens a stream of inferences: requests go out as they are made, and answers come back as the server makes them.
  ///
  /// - Throws: What fails it before anything is sent; later failures come out of the stream.
  public func inferStream(options: CallOptions = CallOptions()) async throws(ClientError) -> InferStream {
    try core.checkOpen()
    let prepared = try await prepare(.streamInfer, options)
    return InferStream(core: core, loop: core.chooseLoop(), prepared, priority: options.priority)
  }

  // MARK: Any method

  /// What a call of any method brought back.
  public struct Reply: Sendable, Hashable {
    public var message: [UInt8]
    /// Sent before the message.
    public var metadata: Metadata
    /// Sent after it.
    public var trailers: Metadata
  }

  /// Calls a unary method of any service with a message in its wire form.
  ///
  /// - Parameter path: `/package.Service/Method`.
  public func call(
    _ path: String, _ message: [UInt8], options: CallOptions = CallOptions()
  ) async throws(ClientError) -> Reply {
    guard path.hasPrefix("/"), path.dropFirst().contains("/") else {
      throw ClientError(.client, .invalidArgument, "'\(path)' is no method; expected /package.Service/Method")
    }
    let method = ClientMethod(path: path, isStream: false)
    let operation = try await unary(method, OutgoingRequest(message), options, keepsMetadata: true)
    let received = try operation.message()
    return Reply(message: Array(received.bytes), metadata: operation.metadata, trailers: operation.trailers)
  }

  // MARK: Inside

  func call<Request: WireMessage, Response: WireMessage>(
    _ method: String, _ request: Request, _ response: Response.Type, _ options: CallOptions
  ) async throws(ClientError) -> Response {
    try await call(path: "/inference.GRPCInferenceService/\(method)", request, response, options)
  }

  func call<Request: WireMessage, Response: WireMessage>(
    path: String, _ request: Request, _ response: Response.Type, _ options: CallOptions
  ) async throws(ClientError) -> Response {
    let method = ClientMethod(path: path, isStream: false)
    let received = try await unary(method, OutgoingRequest(request.encoded()), options).message()
    do throws(InferenceError) {
      return try Response(decoding: received.bytes)
    } catch {
      throw ClientError(unreadable: error)
    }
  }

  private func unary(
    _ method: ClientMethod, _ request: OutgoingRequest, _ options: CallOptions, keepsMetadata: Bool = false
  ) async throws(ClientError) -> UnaryOperation {
    try core.checkOpen()
    if core.settings.isPlain {
      let operation = UnaryOperation(method, request, try plainOptions(method, options, keepsMetadata: keepsMetadata))
      await core.run(operation)
      return operation
    }
    return try await dressedUnary(method, request, options, keepsMetadata: keepsMetadata)
  }
}

extension UnaryOperation {
  /// What came back, after the call.
  func message() throws(ClientError) -> ReceivedMessage {
    guard let result else { throw ClientError(.client, .unknown, "the call has no outcome. This is a bug.") }
    return try result.get()
  }
}
