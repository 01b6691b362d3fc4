internal import Inference
internal import Wire

/// What the server's repository has, and what is loaded.
extension InferenceClient {
  /// - Parameter onlyReady: Leave out what is not ready.
  public func repositoryIndex(onlyReady: Bool = false, options: CallOptions = CallOptions()) async throws(ClientError)
    -> [ModelIndexEntry]
  {
    let answer = try await call(
      "RepositoryIndex", RepositoryIndexRequest(ready: onlyReady), RepositoryIndexResponse.self, options)
    return answer.models.map {
      ModelIndexEntry(name: $0.name, version: $0.version, state: $0.state, reason: $0.reason)
    }
  }

  /// Loads a model, or loads it anew, and returns when it is ready.
  ///
  /// - Parameter configuration: A configuration in JSON that takes the place of the one in the repository. Nil: none.
  /// - Throws: The server's reason if it can't be loaded; what was loaded before stays.
  public func load(_ model: String, configuration: String? = nil, options: CallOptions = CallOptions())
    async throws(ClientError)
  {
    var request = RepositoryModelLoadRequest(modelName: model)
    if let configuration { request.parameters["config"] = .string(configuration) }
    _ = try await call("RepositoryModelLoad", request, RepositoryModelLoadResponse.self, options)
  }

  /// Takes a model out of service. Requests that it has are still answered.
  public func unload(_ model: String, options: CallOptions = CallOptions()) async throws(ClientError) {
    let request = RepositoryModelUnloadRequest(modelName: model)
    _ = try await call("RepositoryModelUnload", request, RepositoryModelUnloadResponse.self, options)
  }
}
