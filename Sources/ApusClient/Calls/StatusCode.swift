/// How a call ended, as a number that every gRPC implementation shares.
///
/// Source: gRPC, "Status codes and their use in gRPC" (statuscodes.md).
public enum StatusCode: Int, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  case ok = 0
  case cancelled = 1
  case unknown = 2
  case invalidArgument = 3
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  case resourceExhausted = 8
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  case `internal` = 13
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16

  /// As gRPC spells it, such as `INVALID_ARGUMENT`.
  public var description: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }

  /// What an answer without `grpc-status` means: something between here and the server spoke plain HTTP.
  ///
  /// Source: gRPC, "HTTP to gRPC Status Code Mapping" (http-grpc-status-mapping.md).
  init(httpStatus: Int) {
    self =
      switch httpStatus {
      case 400: .internal
      case 401: .unauthenticated
      case 403: .permissionDenied
      case 404: .unimplemented
      case 429, 502, 503, 504: .unavailable
      default: .unknown
      }
  }

  /// What a reset of the call's stream means, by the number in RST_STREAM.
  ///
  /// Source: gRPC over HTTP2, "Errors".
  init(resetCode: UInt32) {
    self =
      switch resetCode {
      case 0x7: .unavailable  // REFUSED_STREAM
      case 0x8: .cancelled  // CANCEL
      case 0xb: .resourceExhausted  // ENHANCE_YOUR_CALM
      case 0xc: .permissionDenied  // INADEQUATE_SECURITY
      default: .internal
      }
  }
}
