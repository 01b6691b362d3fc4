package import GRPC
package import Inference

extension GRPCStatus {
  /// The one place where an inference error becomes a gRPC status. Source: Triton's mapping, with gRPC's own codes for
  /// deadlines and limits.
  package init(_ error: InferenceError) {
    let code: GRPCStatus.Code =
      switch error.code {
      case .invalidArgument: .invalidArgument
      case .notFound: .notFound
      case .unavailable: .unavailable
      case .resourceExhausted: .resourceExhausted
      case .deadlineExceeded: .deadlineExceeded
      case .cancelled: .cancelled
      case .unimplemented: .unimplemented
      case .alreadyExists: .alreadyExists
      case .failedPrecondition: .failedPrecondition
      case .aborted: .aborted
      case .unauthenticated: .unauthenticated
      case .permissionDenied: .permissionDenied
      case .internal: .internal
      }
    self.init(code, error.message)
  }
}
