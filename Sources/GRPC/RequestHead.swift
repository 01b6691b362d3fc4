internal import HTTP2

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
      case 5 where field.name.elementsEqual(":path".utf8): path = field.value
      case 7 where field.name.elementsEqual(":method".utf8): method = field.value
      case 12 where field.name.elementsEqual("content-type".utf8): contentType = field.value
      case 12 where field.name.elementsEqual("grpc-timeout".utf8): timeout = field.value
      case 13 where field.name.elementsEqual("grpc-encoding".utf8): encoding = field.value
      case 20 where field.name.elementsEqual("grpc-accept-encoding".utf8): acceptEncoding = field.value
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

  var refusal: Refusal? {
    guard let method, method.elementsEqual("POST".utf8) else { return .method }
    // gRPC over HTTP2: "application/grpc" [("+proto" / "+json" / {custom})]; only protobuf is spoken here.
    guard let contentType, contentType.starts(with: "application/grpc".utf8) else { return .contentType }
    let rest = contentType.dropFirst(16)
    let isProtobuf = rest.isEmpty || rest.starts(with: "+proto".utf8) || rest.first == UInt8(ascii: ";")
    return isProtobuf ? nil : .contentType
  }
}
