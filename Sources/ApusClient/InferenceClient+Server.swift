internal import Inference
internal import Wire

/// What the server says of itself and its models.
extension InferenceClient {
  // MARK: Server

  /// Whether the server answers.
  public func serverLive(options: CallOptions = CallOptions()) async throws(ClientError) -> Bool {
    try await call("ServerLive", ServerLiveRequest(), ServerLiveResponse.self, options).live
  }

  /// Whether the server would serve requests now.
  public func serverReady(options: CallOptions = CallOptions()) async throws(ClientError) -> Bool {
    try await call("ServerReady", ServerReadyRequest(), ServerReadyResponse.self, options).ready
  }

  public func serverMetadata(options: CallOptions = CallOptions()) async throws(ClientError) -> ServerMetadata {
    let answer = try await call("ServerMetadata", ServerMetadataRequest(), ServerMetadataResponse.self, options)
    return ServerMetadata(name: answer.name, version: answer.version, extensions: answer.extensions)
  }

  /// gRPC's health check, which probes and load balancers ask.
  ///
  /// - Parameter service: Empty: the server as a whole.
  /// - Returns: Whether the service is serving.
  /// - Throws: `.notFound` for a service that the server does not know.
  public func health(of service: String = "", options: CallOptions = CallOptions()) async throws(ClientError) -> Bool {
    let path = "/grpc.health.v1.Health/Check"
    return try await call(path: path, HealthCheckRequest(service: service), HealthCheckResponse.self, options).status
      == .serving
  }

  // MARK: Models

  /// - Parameter version: Empty: the server chooses.
  public func modelReady(_ model: String, version: String = "", options: CallOptions = CallOptions())
    async throws(ClientError) -> Bool
  {
    try await call("ModelReady", ModelReadyRequest(name: model, version: version), ModelReadyResponse.self, options)
      .ready
  }

  /// - Parameter version: Empty: the server chooses.
  /// - Throws: `.notFound` for a model that the server does not have, `.unavailable` for one that is not ready.
  public func modelMetadata(_ model: String, version: String = "", options: CallOptions = CallOptions())
    async throws(ClientError) -> ModelMetadata
  {
    let request = ModelMetadataRequest(name: model, version: version)
    return ModelMetadata(try await call("ModelMetadata", request, ModelMetadataResponse.self, options))
  }

  /// How the model is served: its configuration, completed by what the server decided.
  ///
  /// - Parameter version: Empty: the server chooses.
  public func modelConfiguration(
    _ model: String, version: String = "", options: CallOptions = CallOptions()
  ) async throws(ClientError) -> ModelConfiguration {
    let answer = try await call(
      "ModelConfig", ModelConfigRequest(name: model, version: version), ModelConfigResponse.self, options)
    do throws(InferenceError) {
      return ModelConfiguration(try answer.config.configuration().configuration)
    } catch {
      throw ClientError(.client, .internal, "the answer can't be read: \(error.message)")
    }
  }

  /// - Parameter model: Empty: all models.
  public func modelStatistics(
    _ model: String = "", version: String = "", options: CallOptions = CallOptions()
  ) async throws(ClientError) -> [ModelStatistics] {
    let request = ModelStatisticsRequest(name: model, version: version)
    return try await call("ModelStatistics", request, ModelStatisticsResponse.self, options).models.map(
      ModelStatistics.init)
  }
}
