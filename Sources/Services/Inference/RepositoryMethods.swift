internal import Control
internal import GRPC
internal import Inference
internal import Wire

/// RepositoryIndex, RepositoryModelLoad and RepositoryModelUnload.
extension MethodTable {
  mutating func addRepositoryMethods(_ state: ServerState) {
    add(inferenceService, "RepositoryIndex", messageMethod { (request: RepositoryIndexRequest) throws(InferenceError) in
      try checkUnnamed(request.repositoryName)
      let entries = try state.models.index(readyOnly: request.ready)
      return RepositoryIndexResponse(
        models: entries.map { entry in
          RepositoryIndexResponse.Entry(
            name: entry.name, version: entry.version.map { String($0) } ?? "", state: entry.state?.rawValue ?? "",
            reason: entry.reason)
        })
    })
    add(inferenceService, "RepositoryModelLoad", deferredMessageMethod { (request: RepositoryModelLoadRequest, answer) in
      do throws(InferenceError) {
        let name = try modelName(request.modelName, repository: request.repositoryName)
        state.models.load(name, parameters: request.parameters) { result in
          answer(result.map { RepositoryModelLoadResponse() })
        }
      } catch {
        answer(.failure(error))
      }
    })
    let unload = deferredMessageMethod { (request: RepositoryModelUnloadRequest, answer) in
      do throws(InferenceError) {
        let name = try modelName(request.modelName, repository: request.repositoryName)
        state.models.unload(name, parameters: request.parameters) { result in
          answer(result.map { RepositoryModelUnloadResponse() })
        }
      } catch {
        answer(.failure(error))
      }
    }
    add(inferenceService, "RepositoryModelUnload", unload)
  }
}

/// The model that is meant. KServe's dialect has the model's name where Triton's has the repository's.
private func modelName(_ name: String, repository: String) throws(InferenceError) -> String {
  if name.isEmpty, !repository.isEmpty { return repository }
  try checkUnnamed(repository)
  guard !name.isEmpty else { throw .invalidArgument("model_name is empty; expected the name of a model") }
  return name
}

private func checkUnnamed(_ repository: String) throws(InferenceError) {
  guard repository.isEmpty else {
    throw .unimplemented("repository_name is '\(repository)'; repositories have no names here, leave it empty")
  }
}
