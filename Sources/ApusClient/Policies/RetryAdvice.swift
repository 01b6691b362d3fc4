internal import GRPC
internal import Inference

/// What a server said about sending a failed call again.
package enum RetryAdvice: Sendable, Hashable {
  case never
  /// Nanoseconds from the failure on.
  case after(UInt64)

  /// Reads `grpc-retry-pushback-ms`, or else a `google.rpc.RetryInfo` in `grpc-status-details-bin`. Nil: nothing was
  /// said.
  ///
  /// A pushback that is no number, or below zero, means never (gRPC A6, "Pushback").
  package init?(_ trailers: Metadata) {
    if let pushback = trailers["grpc-retry-pushback-ms"] {
      guard let milliseconds = Int64(pushback), milliseconds >= 0 else {
        self = .never
        return
      }
      self = .after(
        UInt64(milliseconds).multipliedReportingOverflow(by: 1_000_000).overflow
          ? .max : UInt64(milliseconds) * 1_000_000)
      return
    }
    guard let details = trailers.bytes(of: "grpc-status-details-bin") else { return nil }
    for detail in StatusDetail.all(in: details) where detail.typeURL.hasSuffix("/google.rpc.RetryInfo") {
      if let delay = retryDelay(detail.value) {
        self = .after(delay)
        return
      }
    }
    return nil
  }
}

/// The delay of a google.rpc.RetryInfo in nanoseconds; nil if it has none or is malformed.
///
/// Source: googleapis, google/rpc/error_details.proto (retry_delay = 1) and google/protobuf/duration.proto.
private func retryDelay(_ message: ArraySlice<UInt8>) -> UInt64? {
  var fields = ProtobufFields(message)
  while let field = fields.next() {
    guard field.number == 1, case .bytes(let duration) = field.value else { continue }
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0
    var parts = ProtobufFields(duration)
    while let part = parts.next() {
      guard case .number(let value) = part.value else { continue }
      if part.number == 1 { seconds = Int64(bitPattern: value) }
      if part.number == 2 { nanoseconds = Int64(bitPattern: value) }
    }
    guard !parts.isMalformed else { return nil }
    return (Duration.seconds(seconds) + .nanoseconds(nanoseconds)).wholeNanoseconds
  }
  return nil
}
