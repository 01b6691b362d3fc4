internal import HTTP2
internal import Inference

/// The header fields of an answer that gRPC itself looks at. Views into the stream's headers.
struct ResponseHead {
  private(set) var status = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var contentType: UnsafeRawBufferPointer?
  private(set) var encoding: UnsafeRawBufferPointer?
  /// `grpc-status` is there: the headers are the whole answer (gRPC over HTTP2, "Responses", Trailers-Only).
  private(set) var isTrailersOnly = false

  /// Told apart by length first: most fields are of no interest here.
  init(_ headers: borrowing HeaderBlock) {
    var cursor = 0
    while let field = headers.next(&cursor) {
      switch field.name.count {
      case 7 where field.name.equals(":status"): status = field.value
      case 11 where field.name.equals("grpc-status"): isTrailersOnly = true
      case 12 where field.name.equals("content-type"): contentType = field.value
      case 13 where field.name.equals("grpc-encoding"): encoding = field.value
      default: break
      }
    }
  }

  var isGRPC: Bool { status.equals("200") && (contentType?.begins(with: "application/grpc") ?? false) }

  var httpStatus: Int { Int(String(decoding: status, as: UTF8.self)) ?? 0 }
}
