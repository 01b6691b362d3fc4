internal import Control
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// ModelReady, ModelMetadata and ModelConfig, for those who may score.
extension MethodTable {
  mutating func addModelMethods(_ state: ServerState, _ door: ServingDoor, _ desk: VerificationDesk) {
    let ready = EndpointMethod(door, desk, state, of: \.name) { (request: ModelReadyRequest, _) throws(InferenceError) in
      try state.models.checkReady(request.name, version: request.version)
      return ModelReadyResponse(ready: true)
    }
    let metadata = EndpointMethod(door, desk, state, of: \.name) { (request: ModelMetadataRequest, _) throws(InferenceError) in
      let answer = try state.models.metadata(request.name, version: request.version)
      return ModelMetadataResponse(
        name: answer.name, versions: answer.versions, platform: answer.platform,
        inputs: answer.inputs, outputs: answer.outputs)
    }
    let configuration = EndpointMethod(door, desk, state, of: \.name) { (request: ModelConfigRequest, _) throws(InferenceError) in
      let configuration = try state.models.configuration(request.name, version: request.version)
      let metadata = try state.models.metadata(request.name, version: request.version)
      return ModelConfigResponse(
        config: ModelConfig(
          configuration,
          signature: ModelSignature(
            inputs: metadata.inputs, outputs: metadata.outputs, isBatchable: (configuration.maxBatchSize ?? 0) > 0)))
    }
    add(inferenceService, "ModelReady", ready)
    add(inferenceService, "ModelMetadata", metadata)
    add(inferenceService, "ModelConfig", configuration)
  }
}
