internal import Control
internal import GRPC
internal import Inference
internal import Wire

/// LogSettings.
extension MethodTable {
  mutating func addLogSettings(_ state: ServerState) {
    add(inferenceService, "LogSettings", messageMethod { (request: LogSettingsRequest) throws(InferenceError) in
      try state.logSettings.change(request.settings)
      return LogSettingsResponse(settings: state.logSettings.all)
    })
  }
}
