internal import HTTP2
internal import Inference

/// What services look at where a request has it: header fields, and what its connection says. Most have none, and then
/// nobody searches.
package struct NotableFields: OptionSet, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let authorization = NotableFields(rawValue: 1 << 0)
  /// `azureml-model-deployment`
  package static let pin = NotableFields(rawValue: 1 << 1)
  /// `apus-routing-key`
  package static let routingKey = NotableFields(rawValue: 1 << 2)
  /// `x-request-id`
  package static let requestID = NotableFields(rawValue: 1 << 3)
  /// `x-ms-client-request-id`
  package static let clientRequestID = NotableFields(rawValue: 1 << 4)
  /// The connection came in by a private address.
  package static let privateAddress = NotableFields(rawValue: 1 << 5)
  /// The connection's client has a certificate by which it is known.
  package static let certificate = NotableFields(rawValue: 1 << 6)
  /// The connection came in by an address of the control plane.
  package static let controlAddress = NotableFields(rawValue: 1 << 7)
}

/// The header fields of a request that gRPC itself looks at. Views into the stream's headers.
struct RequestHead {
  private var method: UnsafeRawBufferPointer?
  private var contentType: UnsafeRawBufferPointer?
  private(set) var path = UnsafeRawBufferPointer(start: nil, count: 0)
  private(set) var timeout: UnsafeRawBufferPointer?
  private(set) var encoding: UnsafeRawBufferPointer?
  private(set) var acceptEncoding: UnsafeRawBufferPointer?
  private(set) var notable: NotableFields = []

  /// Told apart by length first: most fields are of no interest here.
  mutating func read(_ headers: borrowing HeaderBlock) {
    var cursor = 0
    while let field = headers.next(&cursor) {
      switch field.name.count {
      case 5 where field.name.equals(":path"): path = field.value
      case 7 where field.name.equals(":method"): method = field.value
      case 12 where field.name.equals("content-type"): contentType = field.value
      case 12 where field.name.equals("grpc-timeout"): timeout = field.value
      case 12 where field.name.equals("x-request-id"): notable.insert(.requestID)
      case 13 where field.name.equals("grpc-encoding"): encoding = field.value
      case 13 where field.name.equals("authorization"): notable.insert(.authorization)
      case 16 where field.name.equals("apus-routing-key"): notable.insert(.routingKey)
      case 22 where field.name.equals("x-ms-client-request-id"): notable.insert(.clientRequestID)
      case 24 where field.name.equals("azureml-model-deployment"): notable.insert(.pin)
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
