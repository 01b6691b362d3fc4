internal import Inference
internal import Wire

/// The Open Inference Protocol with Triton's model repository and statistics, as Swift calls: any server that speaks
/// it.
///
/// ```swift
/// let client = try InferenceClient("127.0.0.1:8001")
/// let input = Tensor(name: "bytes", features, shape: [1, 2048])
/// let answer = try client.infer(InferRequest(model: "magika", inputs: [input]))
/// ```
///
/// Blocks, one call at a time; see `Channel`.
public final class InferenceClient {
  public let channel: Channel
  /// Sent with every call.
  public var metadata = Metadata()
  /// For every call, from its start to its answer. Nil: for ever.
  public var timeout: Duration?

  public init(_ channel: Channel) { self.channel = channel }

  /// - Throws: As `Channel.init`.
  public convenience init(_ address: String, options: ChannelOptions = ChannelOptions()) throws(ClientError) {
    self.init(try Channel(address, options: options))
  }

  // MARK: Server

  /// Whether the server answers.
  public func serverLive() throws(ClientError) -> Bool {
    try call("ServerLive", ServerLiveRequest(), ServerLiveResponse.self).live
  }

  /// Whether the server would serve requests now.
  public func serverReady() throws(ClientError) -> Bool {
    try call("ServerReady", ServerReadyRequest(), ServerReadyResponse.self).ready
  }

  public func serverMetadata() throws(ClientError) -> ServerMetadata {
    let answer = try call("ServerMetadata", ServerMetadataRequest(), ServerMetadataResponse.self)
    return ServerMetadata(name: answer.name, version: answer.version, extensions: answer.extensions)
  }

  /// gRPC's health check, which probes and load balancers ask.
  ///
  /// - Parameter service: Empty: the server as a whole.
  /// - Returns: Whether the service is serving.
  /// - Throws: `.notFound` for a service that the server does not know.
  public func health(of service: String = "") throws(ClientError) -> Bool {
    let path = "/grpc.health.v1.Health/Check"
    return try call(path: path, HealthCheckRequest(service: service), HealthCheckResponse.self).status == .serving
  }

  // MARK: Models

  /// - Parameter version: Empty: the server chooses.
  public func modelReady(_ model: String, version: String = "") throws(ClientError) -> Bool {
    try call("ModelReady", ModelReadyRequest(name: model, version: version), ModelReadyResponse.self).ready
  }

  /// - Parameter version: Empty: the server chooses.
  /// - Throws: `.notFound` for a model that the server does not have, `.unavailable` for one that is not ready.
  public func modelMetadata(_ model: String, version: String = "") throws(ClientError) -> ModelMetadata {
    let request = ModelMetadataRequest(name: model, version: version)
    return ModelMetadata(try call("ModelMetadata", request, ModelMetadataResponse.self))
  }

  /// How the model is served: its configuration, completed by what the server decided.
  ///
  /// - Parameter version: Empty: the server chooses.
  public func modelConfiguration(
    _ model: String, version: String = ""
  ) throws(ClientError) -> ModelConfiguration {
    let answer = try call("ModelConfig", ModelConfigRequest(name: model, version: version), ModelConfigResponse.self)
    do throws(InferenceError) {
      return ModelConfiguration(try answer.config.configuration().configuration)
    } catch {
      throw ClientError(.client, .internal, "the answer can't be read: \(error.message)")
    }
  }

  /// - Parameter model: Empty: all models.
  public func modelStatistics(
    _ model: String = "", version: String = ""
  ) throws(ClientError) -> [ModelStatistics] {
    let request = ModelStatisticsRequest(name: model, version: version)
    return try call("ModelStatistics", request, ModelStatisticsResponse.self).models.map(ModelStatistics.init)
  }

  /// Runs a model.
  ///
  /// - Throws: `.invalidArgument` for tensors that do not suit the model, `.notFound` for an unknown model,
  ///   `.unavailable` for one that is not ready or has too much to do.
  public func infer(_ request: InferRequest) throws(ClientError) -> InferResponse {
    InferResponse(try call("ModelInfer", request.wire, ModelInferResponse.self))
  }

  // MARK: Repository

  /// - Parameter onlyReady: Leave out what is not ready.
  public func repositoryIndex(onlyReady: Bool = false) throws(ClientError) -> [ModelIndexEntry] {
    let answer = try call("RepositoryIndex", RepositoryIndexRequest(ready: onlyReady), RepositoryIndexResponse.self)
    return answer.models.map {
      ModelIndexEntry(name: $0.name, version: $0.version, state: $0.state, reason: $0.reason)
    }
  }

  /// Loads a model, or loads it anew, and returns when it is ready.
  ///
  /// - Parameter configuration: A configuration in JSON that takes the place of the one in the repository. Nil: none.
  /// - Throws: The server's reason if it can't be loaded; what was loaded before stays.
  public func load(_ model: String, configuration: String? = nil) throws(ClientError) {
    var request = RepositoryModelLoadRequest(modelName: model)
    if let configuration { request.parameters["config"] = .string(configuration) }
    _ = try call("RepositoryModelLoad", request, RepositoryModelLoadResponse.self)
  }

  /// Takes a model out of service. Requests that it has are still answered.
  public func unload(_ model: String) throws(ClientError) {
    let request = RepositoryModelUnloadRequest(modelName: model)
    _ = try call("RepositoryModelUnload", request, RepositoryModelUnloadResponse.self)
  }

  // MARK: Inside

  func call<Request: WireMessage, Response: WireMessage>(
    _ method: String, _ request: Request, _ response: Response.Type
  ) throws(ClientError) -> Response {
    try call(path: "/inference.GRPCInferenceService/\(method)", request, response)
  }

  private func call<Request: WireMessage, Response: WireMessage>(
    path: String, _ request: Request, _ response: Response.Type
  ) throws(ClientError) -> Response {
    let reply = try channel.call(path, request.encoded(), metadata: metadata, timeout: timeout)
    do throws(InferenceError) {
      return try Response(decoding: reply.message)
    } catch {
      throw ClientError(.client, .internal, "the answer can't be read: \(error.message)")
    }
  }
}
