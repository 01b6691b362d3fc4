internal import Control
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// ModelReady, ModelMetadata and ModelConfig, for those who may score.
extension MethodTable {
  mutating func addModelMethods(_ state: ServerState, _ door: ServingDoor, _ desk: VerificationDesk) {
    add(inferenceService, "ModelReady", EndpointMethod(door, desk, of: \.name) { (request: ModelReadyRequest) throws(InferenceError) in
      do throws(InferenceError) {
        try state.models.checkReady(request.name, version: request.version)
      } catch {
        throw state.whileStarting(error)
      }
      return ModelReadyResponse(ready: true)
    })
    add(inferenceService, "ModelMetadata", EndpointMethod(door, desk, of: \.name) { (request: ModelMetadataRequest) throws(InferenceError) in
      let answer = try state.models.metadata(request.name, version: request.version)
      return ModelMetadataResponse(
        name: answer.name, versions: answer.versions, platform: answer.platform,
        inputs: answer.inputs, outputs: answer.outputs)
    })
    add(inferenceService, "ModelConfig", EndpointMethod(door, desk, of: \.name) { (request: ModelConfigRequest) throws(InferenceError) in
      let configuration = try state.models.configuration(request.name, version: request.version)
      let metadata = try state.models.metadata(request.name, version: request.version)
      return ModelConfigResponse(
        config: ModelConfig(
          configuration,
          signature: ModelSignature(
            inputs: metadata.inputs, outputs: metadata.outputs, isBatchable: (configuration.maxBatchSize ?? 0) > 0)))
    })
  }
}
