internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Serving

extension GatewayRoutes {
  /// Inference by the Open Inference Protocol's REST form. (Triton, "HTTP/REST and GRPC Protocol".)
  package mutating func addOpenInference(_ host: GatewayHost) {
    for path in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
      add(.post, "\(path)/infer", errors: .protocolError) { call in
        try await OpenInferenceRoutes.infer(
          InferenceCall(host: host, call: call, endpoint: call.parameter("model"), version: call.parameter("version")))
      }
    }
  }
}

private enum OpenInferenceRoutes {
  static func infer(_ inference: InferenceCall) async throws -> Response {
    let call = inference.call
    let request = try inference.makeRequest()
    try await inference.checkAccess()
    let body = try await call.readBody()
    let form = try read(inference, body, into: request)
    let outcome = try await inference.infer(request, body: body, form)
    switch outcome.result {
    case .success(let answer): return inference.response(answer, outcome)
    case .failure(let error):
      let status = HTTPResponse.Status(error.code)
      var headers = HTTPFields()
      headers[.retryAfter] = inference.retryAfter(outcome)
      if !outcome.deployment.isEmpty { headers[.modelDeployment] = outcome.deployment }
      return .json(status, ErrorForm.protocolError.body(status, error.message), headers)
    }
  }

  private static func read(
    _ inference: InferenceCall, _ body: ReceivedBody, into request: GatewayRequest
  ) throws(InferenceError) -> AnswerForm {
    guard let text = inference.call.header(.inferenceHeaderLength) else {
      return try OpenInferenceReader.read(body, into: request)
    }
    guard let length = Int(text), length >= 0 else {
      throw .invalidArgument("Inference-Header-Content-Length is '\(text.prefix(40))': expected a number of bytes")
    }
    if length > 0 { return try OpenInferenceReader.read(body, jsonByteCount: length, into: request) }
    // "Raw Binary Request": without JSON, the body is the one input, and all outputs come back as bytes.
    try ScoreReader.readRaw(body, signature: try inference.deployment().signature, into: request)
    return .openInference(binaryByDefault: true, binary: [])
  }
}
