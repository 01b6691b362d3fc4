internal import CProtobufC

/// A value of a field that is not a message, as read from text.
enum ScalarValue {
  case integer(magnitude: UInt64, isNegative: Bool)
  case double(Double)
  case bool(Bool)
  case string([UInt8])
}

/// A message's wire form under construction from text: keeps to its schema, and knows what has been set.
///
/// Values that a parser was given are written even if they are the default, so that `max_batch_size: 0` and its absence
/// stay apart.
struct MessageDraft {
  let schema: MessageSchema
  private(set) var bytes: [UInt8] = []
  private var seen: Set<UInt32> = []
  private var chosen: [UInt32: String] = [:]

  init(_ schema: MessageSchema) { self.schema = schema }

  /// Notes that a field is being set. Answers what is wrong with that, if something is.
  mutating func begin(_ field: FieldSchema) -> String? {
    if field.isRepeated { return nil }
    guard seen.insert(field.number).inserted else { return "is set twice" }
    guard let oneof = field.oneof else { return nil }
    if let other = chosen[oneof] { return "excludes \(other), which is set too" }
    chosen[oneof] = field.name
    return nil
  }

  /// Adds one value; false if the field can't hold it.
  mutating func append(_ value: ScalarValue, to field: FieldSchema) -> Bool {
    switch (field.type, value) {
    case (PROTOBUF_C_TYPE_INT32, .integer(let magnitude, let isNegative)):
      guard let number = signed(magnitude, isNegative), Int32(exactly: number) != nil else { return false }
      appendVarint(UInt64(bitPattern: number), field)
    case (PROTOBUF_C_TYPE_INT64, .integer(let magnitude, let isNegative)):
      guard let number = signed(magnitude, isNegative) else { return false }
      appendVarint(UInt64(bitPattern: number), field)
    case (PROTOBUF_C_TYPE_UINT32, .integer(let magnitude, let isNegative)):
      guard !isNegative || magnitude == 0, magnitude <= UInt32.max else { return false }
      appendVarint(magnitude, field)
    case (PROTOBUF_C_TYPE_UINT64, .integer(let magnitude, let isNegative)):
      guard !isNegative || magnitude == 0 else { return false }
      appendVarint(magnitude, field)
    case (PROTOBUF_C_TYPE_ENUM, .integer(let magnitude, let isNegative)):
      guard
        let number = signed(magnitude, isNegative).flatMap(Int32.init(exactly:)),
        field.enumeration?.name(of: number) != nil
      else { return false }
      appendVarint(UInt64(bitPattern: Int64(number)), field)
    case (PROTOBUF_C_TYPE_BOOL, .bool(let truth)):
      appendVarint(truth ? 1 : 0, field)
    case (PROTOBUF_C_TYPE_BOOL, .integer(let magnitude, false)) where magnitude <= 1:
      appendVarint(magnitude, field)
    case (PROTOBUF_C_TYPE_FLOAT, .double(let number)):
      appendTag(field)
      withUnsafeBytes(of: Float(number).bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    case (PROTOBUF_C_TYPE_DOUBLE, .double(let number)):
      appendTag(field)
      withUnsafeBytes(of: number.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    case (PROTOBUF_C_TYPE_FLOAT, .integer(let magnitude, let isNegative)),
      (PROTOBUF_C_TYPE_DOUBLE, .integer(let magnitude, let isNegative)):
      return append(.double(isNegative ? -Double(magnitude) : Double(magnitude)), to: field)
    case (PROTOBUF_C_TYPE_STRING, .string(let text)):
      guard text.withUnsafeBytes({ textFault(in: $0) }) == nil else { return false }
      appendLengthDelimited(text, field)
    default:
      return false
    }
    return true
  }

  /// Adds a nested message in its wire form.
  mutating func append(message: [UInt8], to field: FieldSchema) { appendLengthDelimited(message, field) }

  /// What a field takes, for error messages.
  static func expectation(of field: FieldSchema) -> String {
    switch field.type {
    case PROTOBUF_C_TYPE_INT32: "a whole number from \(Int32.min) to \(Int32.max)"
    case PROTOBUF_C_TYPE_INT64: "a whole number from \(Int64.min) to \(Int64.max)"
    case PROTOBUF_C_TYPE_UINT32: "a whole number from 0 to \(UInt32.max)"
    case PROTOBUF_C_TYPE_UINT64: "a whole number from 0 to \(UInt64.max)"
    case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_DOUBLE: "a number"
    case PROTOBUF_C_TYPE_BOOL: "true or false"
    case PROTOBUF_C_TYPE_STRING: "a string of UTF-8 without NUL"
    case PROTOBUF_C_TYPE_ENUM: "one of \(field.enumeration!.names.joined(separator: ", "))"
    case PROTOBUF_C_TYPE_MESSAGE: "a message"
    default: "something that no configuration holds"
    }
  }

  private func signed(_ magnitude: UInt64, _ isNegative: Bool) -> Int64? {
    if !isNegative { return Int64(exactly: magnitude) }
    return magnitude <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
  }

  private mutating func appendVarint(_ value: UInt64, _ field: FieldSchema) {
    appendTag(field)
    appendVarint(value)
  }

  private mutating func appendLengthDelimited(_ payload: [UInt8], _ field: FieldSchema) {
    appendTag(field)
    appendVarint(UInt64(payload.count))
    bytes += payload
  }

  private mutating func appendTag(_ field: FieldSchema) {
    appendVarint(UInt64(field.number) << 3 | UInt64(field.wireType))
  }

  private mutating func appendVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
