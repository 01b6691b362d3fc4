package import GRPC
package import Inference
internal import Wire

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

  /// The same, saying when it is worth another try: as `google.rpc.RetryInfo`.
  ///
  /// - Parameter retryAfterNanoseconds: 0: nobody knows.
  package init(_ error: InferenceError, retryAfterNanoseconds: UInt64) {
    self.init(error)
    guard retryAfterNanoseconds > 0 else { return }
    // The whole text is in `grpc-message`; clients take some 8 KiB of headers.
    let text = error.message.utf8.count <= 512 ? error.message : ""
    details = encodedRetryDetail(code: code.rawValue, message: text, retryAfterNanoseconds: retryAfterNanoseconds)
  }
}

extension UnaryCall {
  /// Fails the call, and says when it is worth another try: in the status, and for the retries of gRPC's own libraries as
  /// `grpc-retry-pushback-ms` (gRFC A6, "Pushback").
  func fail(_ error: InferenceError, retryAfterNanoseconds: UInt64) {
    if retryAfterNanoseconds > 0 {
      let milliseconds = (retryAfterNanoseconds - 1) / 1_000_000 + 1
      addTrailingMetadata("grpc-retry-pushback-ms", "\(milliseconds)")
    }
    fail(GRPCStatus(error, retryAfterNanoseconds: retryAfterNanoseconds))
  }
}
