internal import Control
internal import GRPC
internal import Inference
internal import Wire

/// ServerLive, ServerReady and ServerMetadata.
extension MethodTable {
  mutating func addServerMethods(_ state: ServerState) {
    add(inferenceService, "ServerLive", messageMethod { (_: ServerLiveRequest) throws(InferenceError) in
      try state.checkRunning()
      return ServerLiveResponse(live: true)
    })
    add(inferenceService, "ServerReady", messageMethod { (_: ServerReadyRequest) throws(InferenceError) in
      try state.checkRunning()
      return ServerReadyResponse(ready: state.models.isServerReady)
    })
    add(inferenceService, "ServerMetadata", messageMethod { (_: ServerMetadataRequest) throws(InferenceError) in
      ServerMetadataResponse(name: "apus", version: state.version, extensions: extensions)
    })
  }
}

/// What of Triton's extensions this server speaks. Clients look here before they use one, so only what works is named.
private let extensions = [
  "classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics",
]
