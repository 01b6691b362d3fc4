package import GRPC
internal import HTTP2

/// How a call ended.
package struct CallOutcome {
  package enum Origin: Sendable {
    /// The server said so.
    case server
    /// The answer was not to be used, for a reason that this side found.
    case client
    /// The connection was lost, or did not take the call.
    case connection
    case deadline
    case cancelled
  }

  package var status: GRPCStatus
  package var origin: Origin
  /// False where the server has surely not processed the call: it never left, was refused, or came after the last that
  /// the server took before it went away (RFC 9113 §8.7).
  package var mayHaveRun: Bool
}

extension GRPCStatus.Code {
  /// What an answer means that is not gRPC's. Source: gRPC, http-grpc-status-mapping.md.
  init(httpStatus: Int) {
    switch httpStatus {
    case 400: self = .internal
    case 401: self = .unauthenticated
    case 403: self = .permissionDenied
    case 404: self = .unimplemented
    case 429, 502, 503, 504: self = .unavailable
    default: self = .unknown
    }
  }

  /// What a RST_STREAM means. Source: gRPC over HTTP2, "Errors".
  init(resetCode: UInt32) {
    switch HTTP2ErrorCode(rawValue: resetCode) {
    case .refusedStream: self = .unavailable
    case .cancel: self = .cancelled
    case .enhanceYourCalm: self = .resourceExhausted
    case .inadequateSecurity: self = .permissionDenied
    case .noError, .protocolError, .internalError, .flowControlError, .settingsTimeout, .frameSizeError,
      .compressionError, .connectError:
      self = .internal
    case .streamClosed, .http11Required, nil: self = .unknown
    }
  }
}

extension GRPCStatus {
  /// Reads `grpc-status` and what goes with it. Nil if the field is not there.
  init?(in block: borrowing HeaderBlock) {
    guard let number = block.value(of: "grpc-status") else { return nil }
    if number.count == 1, number[0] == UInt8(ascii: "0") {
      // A message beside OK is of no use, and seldom there.
      self = .ok
      return
    }
    let code = Int(String(decoding: number, as: UTF8.self)).flatMap { Code(rawValue: $0) } ?? .unknown
    let details = block.value(of: "grpc-status-details-bin").flatMap { base64Decoded($0) }
    self.init(code, block.value(of: "grpc-message").map { percentDecoded($0) } ?? "", details: details ?? [])
  }
}
