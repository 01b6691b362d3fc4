internal import Control
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// ServerLive, ServerReady and ServerMetadata.
extension MethodTable {
  mutating func addServerMethods(_ state: ServerState, _ door: ServingDoor) {
    add(inferenceService, "ServerLive", messageMethod { (_: ServerLiveRequest) throws(InferenceError) in
      try state.checkRunning()
      return ServerLiveResponse(live: true)
    })
    add(inferenceService, "ServerReady", messageMethod { (_: ServerReadyRequest) throws(InferenceError) in
      try state.checkRunning()
      return ServerReadyResponse(ready: state.models.isServerReady)
    })
    let metadata = messageMethod { (_: ServerMetadataRequest, call: UnaryCall) throws(InferenceError) in
      var all = extensions
      if let sharedMemory = door.sharedMemory, sharedMemory.admits(isPrivate: call.isPrivate) {
        all.append("system_shared_memory")
      }
      return ServerMetadataResponse(name: "apus", version: state.version, extensions: all)
    }
    add(inferenceService, "ServerMetadata", metadata)
  }
}

/// What of Triton's extensions this server always speaks. Clients look here before they use one, so only what works is
/// named.
private let extensions = [
  "classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics", "logging",
]
