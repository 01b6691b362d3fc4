internal import GRPC
internal import HTTP2

/// Named values that travel with a call beside its message: HTTP/2 header fields.
///
/// Names are lower-case. A name that ends in `-bin` carries any bytes, in base64 on the wire; the others carry
/// printable ASCII. One name may come several times.
public struct Metadata: Sendable, Hashable, ExpressibleByDictionaryLiteral {
  public struct Field: Sendable, Hashable {
    public var name: String
    /// As on the wire.
    public var value: String
  }

  public private(set) var fields: [Field] = []

  public init() {}

  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { append(name, value) }
  }

  public mutating func append(_ name: String, _ value: String) {
    fields.append(Field(name: name.lowercased(), value: value))
  }

  /// - Precondition: The name ends in `-bin`.
  public mutating func append(_ name: String, bytes: [UInt8]) {
    precondition(name.hasSuffix("-bin"), "metadata '\(name)' carries bytes, so its name must end in -bin")
    append(name, String(decoding: base64Encoded(bytes), as: UTF8.self))
  }

  /// The first value of that name.
  public subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  /// The first value of that name, which ends in `-bin`. Nil if there is none or it is not base64.
  public func bytes(of name: String) -> [UInt8]? { self[name].flatMap { base64Decoded($0.utf8) } }

  /// Copies a received block, without HTTP/2's own fields.
  init(_ block: borrowing HeaderBlock) {
    var cursor = 0
    while let field = block.next(&cursor) {
      if field.name.first == UInt8(ascii: ":") { continue }
      append(String(decoding: field.name, as: UTF8.self), String(decoding: field.value, as: UTF8.self))
    }
  }
}

extension Metadata {
  /// A block with these fields; the caller frees it.
  func block() -> HeaderBlock {
    var block = HeaderBlock()
    for field in fields { block.append(name: field.name, value: field.value) }
    return block
  }

  /// What the application sent: the fields without gRPC's own.
  var withoutStatus: Metadata {
    var rest = Metadata()
    for field in fields where field.name != "grpc-status" && field.name != "grpc-message" {
      rest.append(field.name, field.value)
    }
    return rest
  }
}
