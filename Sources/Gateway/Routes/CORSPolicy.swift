internal import HTTPTypes

/// Which pages of other origins may use the gateway from a browser. Off unless origins are named.
///
/// Source: WHATWG Fetch, "CORS protocol".
package struct CORSPolicy: Hashable, Sendable {
  /// Such as `https://example.com`; `*` alone: all.
  package var allowedOrigins: [String] = []
  /// Methods that pages may use; empty: those of the route.
  package var allowedMethods: [String] = []
  /// Headers that pages may send besides the simple ones; empty: those that they ask for.
  package var allowedHeaders: [String] = []
  /// Headers of answers that pages may read.
  package var exposedHeaders = [
    "azureml-model-deployment", "inference-header-content-length", "ms-azureml-model-error-reason",
    "ms-azureml-model-error-statuscode", "retry-after", "x-ms-client-request-id", "x-ms-run-fn-exec-ms", "x-request-id",
  ]
  /// How long a browser may remember a preflight's answer.
  package var maxAge = Duration.seconds(600)

  package init() {}

  private func allows(_ origin: String) -> Bool { allowedOrigins.contains("*") || allowedOrigins.contains(origin) }

  /// Adds to an answer what lets the page that asked read it.
  func apply(to response: inout HTTPFields, origin: String?) {
    guard !allowedOrigins.isEmpty else { return }
    response[values: .vary].append("Origin")
    guard let origin, allows(origin) else { return }
    response[.accessControlAllowOrigin] = allowedOrigins.contains("*") ? "*" : origin
    response[.accessControlExposeHeaders] = exposedHeaders.joined(separator: ", ")
  }

  /// The further headers of a preflight's answer, if the origin may ask at all.
  func preflight(_ request: HTTPFields, methods: String) -> HTTPFields {
    guard let origin = request[.origin], allows(origin), request[.accessControlRequestMethod] != nil else { return [:] }
    var answer = HTTPFields()
    answer[.accessControlAllowMethods] = allowedMethods.isEmpty ? methods : allowedMethods.joined(separator: ", ")
    answer[.accessControlMaxAge] = "\(maxAge.components.seconds)"
    let headers = allowedHeaders.isEmpty ? request[.accessControlRequestHeaders] : allowedHeaders.joined(separator: ", ")
    if let headers { answer[.accessControlAllowHeaders] = headers }
    return answer
  }
}
