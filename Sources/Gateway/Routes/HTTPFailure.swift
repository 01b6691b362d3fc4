package import HTTPTypes
package import Inference

/// A request that ends with a status of HTTP's own, such as 413 or 415.
package struct HTTPFailure: Error, Sendable {
  package var status: HTTPResponse.Status
  package var message: String
  package var headers: HTTPFields

  package init(_ status: HTTPResponse.Status, _ message: String, headers: HTTPFields = [:]) {
    self.status = status
    self.message = message
    self.headers = headers
  }
}

extension HTTPResponse.Status {
  /// The one place where an inference error becomes an HTTP status.
  package init(_ code: InferenceError.Code) {
    switch code {
    case .invalidArgument: self = .badRequest
    case .unauthenticated: self = .unauthorized
    case .permissionDenied: self = .forbidden
    case .notFound: self = .notFound
    case .deadlineExceeded: self = .requestTimeout
    case .alreadyExists, .aborted, .failedPrecondition: self = .conflict
    case .resourceExhausted: self = .tooManyRequests
    // 499, as nginx logs a client that went away. Nobody reads it.
    case .cancelled: self = HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request")
    case .unimplemented: self = .notImplemented
    case .unavailable: self = .serviceUnavailable
    case .internal: self = .internalServerError
    }
  }
}

/// The shape of a route's error bodies.
package enum ErrorForm: Hashable, Sendable {
  /// `{"error": "…"}`: the Open Inference Protocol.
  case protocolError
  /// `{"message": "…"}`: scoring, as Azure ML's inference server has it.
  case message
  /// `{"error": {"code", "message", "details"}}`: the control plane, as Azure Resource Manager has it.
  case resource

  package func body(_ status: HTTPResponse.Status, _ message: String) -> [UInt8] {
    var writer = JSONWriter()
    switch self {
    case .protocolError:
      writer.raw("{\"error\":")
      writer.string(message)
      writer.byte("}")
    case .message:
      writer.raw("{\"message\":")
      writer.string(message)
      writer.byte("}")
    case .resource:
      writer.raw("{\"error\":{\"code\":")
      writer.string(status.reasonPhrase.filter { $0 != " " && $0 != "-" })
      writer.raw(",\"message\":")
      writer.string(message)
      writer.raw(",\"details\":[]}}")
    }
    return writer.bytes
  }
}

extension HTTPField.Name {
  static let requestID = Self("x-request-id")!
  static let clientRequestID = Self("x-ms-client-request-id")!
  static let runTime = Self("x-ms-run-fn-exec-ms")!
  static let modelDeployment = Self("azureml-model-deployment")!
  static let modelErrorStatus = Self("ms-azureml-model-error-statuscode")!
  static let modelErrorReason = Self("ms-azureml-model-error-reason")!
  static let routingKey = Self("apus-routing-key")!
  static let timeout = Self("x-request-timeout-ms")!
  static let inferenceHeaderLength = Self("inference-header-content-length")!
}
