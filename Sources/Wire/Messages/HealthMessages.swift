internal import CProtos
internal import Inference

/// Asks for the health of one service, now or from now on.
package struct HealthCheckRequest: CMessage, Hashable {
  /// Empty: the server as a whole.
  package var service: String

  package init(service: String = "") { self.service = service }

  static var initialize: (UnsafeMutablePointer<Grpc__Health__V1__HealthCheckRequest>?) -> Void {
    grpc__health__v1__health_check_request__init
  }
  init(_ c: Grpc__Health__V1__HealthCheckRequest) { service = string(c.service) }
  func fill(_ c: inout Grpc__Health__V1__HealthCheckRequest, _ builder: MessageBuilder) {
    c.service = builder.string(service)
  }
}

package struct HealthCheckResponse: CMessage, Hashable {
  package enum ServingStatus: UInt32, Hashable, Sendable {
    case unknown = 0
    case serving = 1
    case notServing = 2
    /// Only from Watch: the service is not registered, yet.
    case serviceUnknown = 3
  }

  package var status: ServingStatus

  package init(status: ServingStatus) { self.status = status }

  static var initialize: (UnsafeMutablePointer<Grpc__Health__V1__HealthCheckResponse>?) -> Void {
    grpc__health__v1__health_check_response__init
  }
  init(_ c: Grpc__Health__V1__HealthCheckResponse) { status = ServingStatus(rawValue: c.status.rawValue) ?? .unknown }
  func fill(_ c: inout Grpc__Health__V1__HealthCheckResponse, _ builder: MessageBuilder) {
    c.status = Grpc__Health__V1__HealthCheckResponse__ServingStatus(rawValue: status.rawValue)
  }
}

/// Asks for the health of every service.
package struct HealthListRequest: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Grpc__Health__V1__HealthListRequest>?) -> Void {
    grpc__health__v1__health_list_request__init
  }
  init(_ c: Grpc__Health__V1__HealthListRequest) {}
  func fill(_ c: inout Grpc__Health__V1__HealthListRequest, _ builder: MessageBuilder) {}
}

package struct HealthListResponse: CMessage, Hashable {
  package var statuses: [String: HealthCheckResponse]

  package init(statuses: [String: HealthCheckResponse]) { self.statuses = statuses }

  static var initialize: (UnsafeMutablePointer<Grpc__Health__V1__HealthListResponse>?) -> Void {
    grpc__health__v1__health_list_response__init
  }
  init(_ c: Grpc__Health__V1__HealthListResponse) throws(InferenceError) {
    statuses = try dictionary(c.statuses, c.n_statuses) { entry throws(InferenceError) in
      (string(entry.key), try optional(entry.value) ?? HealthCheckResponse(status: .unknown))
    }
  }
  func fill(_ c: inout Grpc__Health__V1__HealthListResponse, _ builder: MessageBuilder) {
    c.n_statuses = statuses.count
    c.statuses = builder.entries(statuses, grpc__health__v1__health_list_response__statuses_entry__init) {
      ($0.key, $0.value) = ($1, builder.message($2))
    }
  }
}
