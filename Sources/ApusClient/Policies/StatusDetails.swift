/// Something that a server says about a failure to programs: an entry of `google.rpc.Status.details`.
public struct StatusDetail: Sendable, Hashable {
  /// Such as `type.googleapis.com/google.rpc.RetryInfo`.
  public var typeURL: String
  /// The message of that type, in protobuf's wire form.
  public var bytes: [UInt8]

  var value: ArraySlice<UInt8> { bytes[...] }

  /// The details in a serialised `google.rpc.Status`; those before a malformed part.
  ///
  /// Source: googleapis, google/rpc/status.proto (details = 3) and google/protobuf/any.proto.
  package static func all(in status: [UInt8]) -> [StatusDetail] {
    var details: [StatusDetail] = []
    var fields = ProtobufFields(status[...])
    while let field = fields.next() {
      guard field.number == 3, case .bytes(let any) = field.value else { continue }
      var detail = StatusDetail(typeURL: "", bytes: [])
      var parts = ProtobufFields(any)
      while let part = parts.next() {
        guard case .bytes(let value) = part.value else { continue }
        if part.number == 1 { detail.typeURL = String(decoding: value, as: UTF8.self) }
        if part.number == 2 { detail.bytes = Array(value) }
      }
      if !parts.isMalformed { details.append(detail) }
    }
    return details
  }
}

/// The fields of a small protobuf message, one after the other. Unknown ones are the caller's to skip.
struct ProtobufFields {
  enum Value {
    case number(UInt64)
    case bytes(ArraySlice<UInt8>)
  }

  private var rest: ArraySlice<UInt8>
  private(set) var isMalformed = false

  init(_ message: ArraySlice<UInt8>) { rest = message }

  /// Nil at the end, and where the message is malformed.
  mutating func next() -> (number: UInt64, value: Value)? {
    guard !rest.isEmpty, !isMalformed else { return nil }
    guard let tag = varint(), tag >= 8, let value = value(ofType: tag & 7) else {
      isMalformed = true
      return nil
    }
    return (tag >> 3, value)
  }

  private mutating func value(ofType type: UInt64) -> Value? {
    switch type {
    case 0: return varint().map { .number($0) }
    case 1: return take(8).map { .bytes($0) }
    case 2: return varint().flatMap { Int(exactly: $0) }.flatMap { take($0) }.map { .bytes($0) }
    case 5: return take(4).map { .bytes($0) }
    default: return nil
    }
  }

  private mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = rest.popFirst() else { return nil }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }
}
