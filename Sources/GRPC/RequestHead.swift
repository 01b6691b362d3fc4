internal import HTTP2
internal import Inference

/// The header fields of a request that gRPC itself looks at. Views into the stream's headers.
struct RequestHead {
  private var method: UnsafeRawBufferPointer?
  private var contentType: UnsafeRawBufferPointer?
  private(set) var path = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var timeout: UnsafeRawBufferPointer?
  private(set) var encoding: UnsafeRawBufferPointer?
  private(set) var acceptEncoding: UnsafeRawBufferPointer?

  /// Told apart by length first: most fields are of no interest here.
  mutating func read(_ headers: borrowing HeaderBlock) {
    var cursor = 0
    while let field = headers.next(&cursor) {
      switch field.name.count {
      case 5 where field.name.equals(":path"): path = field.value
      case 7 where field.name.equals(":method"): method = field.value
      case 12 where field.name.equals("content-type"): contentType = field.value
      case 12 where field.name.equals("grpc-timeout"): timeout = field.value
      case 13 where field.name.equals("grpc-encoding"): encoding = field.value
      case 20 where field.name.equals("grpc-accept-encoding"): acceptEncoding = field.value
      default: break
      }
    }
  }

  /// Why a request is not a gRPC call.
  enum Refusal {
    case method
    case contentType

    var headers: PreparedHeaders {
      switch self {
      case .method: Self.methodHeaders
      case .contentType: Self.contentTypeHeaders
      }
    }

    var text: StaticString {
      switch self {
      case .method: "This port speaks gRPC: every request is a POST.\n"
      case .contentType: "This port speaks gRPC: the content-type is application/grpc.\n"
      }
    }

    private static let methodHeaders = PreparedHeaders([
      (":status", "405"), ("allow", "POST"), ("content-type", "text/plain; charset=utf-8"),
    ])
    private static let contentTypeHeaders = PreparedHeaders([
      (":status", "415"), ("content-type", "text/plain; charset=utf-8"),
    ])
  }

  var isHead: Bool { method?.equals("HEAD") ?? false }

  var refusal: Refusal? {
    guard let method, method.equals("POST") else { return .method }
    // gRPC over HTTP2: "application/grpc" [("+proto" / "+json" / {custom})]; only protobuf is spoken here.
    guard let contentType, contentType.begins(with: "application/grpc") else { return .contentType }
    if contentType.count == 16 || contentType[16] == UInt8(ascii: ";") { return nil }
    return contentType.begins(with: "application/grpc+proto") ? nil : .contentType
  }
}
