internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Serving

extension GatewayRoutes {
  /// Scoring of endpoints in the forms that Azure ML's and other servers' clients send, and their descriptions.
  package mutating func addScoring(_ host: GatewayHost) {
    add(.post, "/endpoints/{endpoint}/score", errors: .message) { call in
      try await ScoreRoutes.score(InferenceCall(host: host, call: call, endpoint: call.parameter("endpoint")))
    }
    for path in ["/endpoints/{endpoint}/swagger.json", "/v2/models/{endpoint}/swagger.json"] {
      add(.get, path, errors: .message) { call in
        try await ScoreRoutes.describe(InferenceCall(host: host, call: call, endpoint: call.parameter("endpoint")))
      }
    }
  }
}

private enum ScoreRoutes {
  static let contentTypes = ["application/json", "application/octet-stream"]

  static func score(_ inference: InferenceCall) async throws -> Response {
    let call = inference.call
    let isBinary = try isBinary(call)
    let request = try inference.makeRequest()
    try await inference.checkAccess()
    let body = try await call.readBody()
    let form = try read(inference, body, isBinary: isBinary, into: request)
    let outcome = try await inference.infer(request, body: body, form)
    var response: Response
    switch outcome.result {
    case .success(let answer): response = inference.response(answer, outcome)
    case .failure(let error): response = failure(error, inference, outcome)
    }
    response.headers[.runTime] = milliseconds(outcome.servedNanoseconds)
    return response
  }

  /// Where the model itself failed, its own status goes into a header, and the reason stays in the body.
  private static func failure(
    _ error: InferenceError, _ inference: InferenceCall, _ outcome: GatewayDoor.Outcome<OpenInferenceWriter.Answer>
  ) -> Response {
    var status = HTTPResponse.Status(error.code)
    var headers = HTTPFields()
    if outcome.wasAccepted, error.code == .internal {
      status = .failedDependency
      headers[.modelErrorStatus] = "500"
      headers[.modelErrorReason] = "model_error"
    }
    headers[.retryAfter] = inference.retryAfter(outcome)
    if !outcome.deployment.isEmpty { headers[.modelDeployment] = outcome.deployment }
    return .json(status, ErrorForm.message.body(status, error.message), headers)
  }

  /// - Throws: `HTTPFailure` 415 for a type that no model takes.
  private static func isBinary(_ call: GatewayCall) throws -> Bool {
    let type = call.contentType
    if type == "application/octet-stream" { return true }
    // A body without a type is JSON as often as not; one with a wrong type gets an error that says so.
    if type.isEmpty || type == "application/json" || type.hasSuffix("+json") || type == "text/json" { return false }
    throw HTTPFailure(
      .unsupportedMediaType, "Content-Type is '\(type.prefix(100))': expected \(contentTypes.joined(separator: " or "))",
      headers: [.acceptPost: contentTypes.joined(separator: ", ")])
  }

  private static func read(
    _ inference: InferenceCall, _ body: ReceivedBody, isBinary: Bool, into request: GatewayRequest
  ) throws(InferenceError) -> AnswerForm {
    if let text = inference.call.header(.inferenceHeaderLength) {
      guard let length = Int(text), length > 0 else {
        throw .invalidArgument(
          "Inference-Header-Content-Length is '\(text.prefix(40))': expected a number of bytes, 1 or more")
      }
      return try OpenInferenceReader.read(body, jsonByteCount: length, into: request)
    }
    let signature = try inference.deployment().signature
    guard isBinary else { return try ScoreReader.read(body, signature: signature, into: request) }
    try ScoreReader.readRaw(body, signature: signature, into: request)
    let wantsBytes = inference.call.header(.accept)?.contains("application/octet-stream") ?? false
    return .openInference(binaryByDefault: wantsBytes, binary: [])
  }

  /// With three decimals.
  private static func milliseconds(_ nanoseconds: UInt64) -> String {
    let microseconds = nanoseconds / 1000
    let fraction = String(microseconds % 1000)
    return "\(microseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
  }

  static func describe(_ inference: InferenceCall) async throws -> Response {
    try await inference.checkAccess()
    let word = inference.call.queryValue("version")
    guard let version = OpenAPIVersion(word: word) else {
      throw HTTPFailure(.notFound, "version is '\((word ?? "").prefix(40))': expected 2, 3 or 3.1")
    }
    let deployment = try inference.deployment()
    let description = EndpointDescription(
      endpoint: inference.endpoint, version: deployment.version, signature: deployment.signature)
    return .json(.ok, description.document(version).bytes)
  }
}

extension HTTPResponse.Status {
  static let failedDependency = HTTPResponse.Status(code: 424, reasonPhrase: "Failed Dependency")
}

extension HTTPField.Name {
  static let acceptPost = Self("accept-post")!
}
