package import Access
package import Documents

/// One thing asked of the control plane, whichever door it came in by.
package struct ControlRequest: Sendable {
  package enum Method: String, Sendable, CaseIterable {
    case get = "GET"
    case put = "PUT"
    case patch = "PATCH"
    case post = "POST"
    case delete = "DELETE"
  }

  package var method: Method
  /// What follows the workspace in the address, decoded: `["onlineEndpoints", "churn"]`.
  package var path: [String]
  package var query: [String: String]
  package var body: Document?
  /// The revision that the caller has seen: the change is refused if there is another by now.
  package var ifMatch: String?
  /// `*`: only if there is none yet.
  package var ifNoneMatch: String?
  /// Who asks; nil on the few paths that need no one.
  package var principal: Principal?
  /// Where the caller reached this server, such as `https://apus.example:8443`, for the addresses in the answer.
  package var baseAddress: String
  /// The address of scoring, where it is another.
  package var scoringAddress: String
  /// That of endpoints without public network access; nil: the same.
  package var privateScoringAddress: String?

  package init(
    method: Method, path: [String], query: [String: String] = [:], body: Document? = nil, ifMatch: String? = nil,
    ifNoneMatch: String? = nil, principal: Principal?, baseAddress: String, scoringAddress: String,
    privateScoringAddress: String? = nil
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.body = body
    self.ifMatch = ifMatch
    self.ifNoneMatch = ifNoneMatch
    self.principal = principal
    self.baseAddress = baseAddress
    self.scoringAddress = scoringAddress
    self.privateScoringAddress = privateScoringAddress
  }
}

/// What the control plane answers.
package struct ControlResponse: Sendable {
  /// As HTTP has it: 200, 201 and 202, or 204 without a body.
  package var status: Int
  package var body: Document?
  /// The resource's revision, sent as `ETag`.
  package var etag: String?
  /// The operation that goes on, sent as `Azure-AsyncOperation` and `Location`.
  package var operation: String?
  /// How soon it is worth asking again.
  package var retryAfterSeconds: Int?
  /// What was taken and has no effect here, in sentences.
  package var warnings: [String]

  package init(
    status: Int, body: Document? = nil, etag: String? = nil, operation: String? = nil, retryAfterSeconds: Int? = nil,
    warnings: [String] = []
  ) {
    self.status = status
    self.body = body
    self.etag = etag
    self.operation = operation
    self.retryAfterSeconds = retryAfterSeconds
    self.warnings = warnings
  }
}
