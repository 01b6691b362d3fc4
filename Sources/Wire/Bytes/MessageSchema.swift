internal import CProtobufC

/// A message's descriptor, as protoc-c wrote it.
///
/// `@unchecked Sendable`, because descriptors are constants of the program: nobody writes them, and they are never
/// freed.
struct MessageSchema: @unchecked Sendable {
  let descriptor: UnsafePointer<ProtobufCMessageDescriptor>

  init(_ descriptor: UnsafePointer<ProtobufCMessageDescriptor>) { self.descriptor = descriptor }

  /// Reads the descriptor from a message, since a C constant has no address in Swift.
  init<C>(of initialize: (UnsafeMutablePointer<C>?) -> Void) {
    self.descriptor = withUnsafeTemporaryAllocation(of: C.self, capacity: 1) { room in
      initialize(room.baseAddress)
      return UnsafeRawPointer(room.baseAddress!).load(as: ProtobufCMessage.self).descriptor
    }
  }

  var name: String { String(cString: descriptor.pointee.name) }
  var shortName: String { String(cString: descriptor.pointee.short_name) }
  var fieldCount: Int { Int(descriptor.pointee.n_fields) }

  func field(at index: Int) -> FieldSchema { FieldSchema(descriptor.pointee.fields + index) }

  /// The field of this number, if there is one. Fields are sorted by number and mostly without gaps, so the first guess
  /// is usually right.
  @inline(__always)
  func field(numbered number: UInt32) -> FieldSchema? {
    let guess = Int(number) &- 1
    if guess < Int(descriptor.pointee.n_fields), descriptor.pointee.fields[guess].id == number {
      return FieldSchema(descriptor.pointee.fields + guess)
    }
    return protobuf_c_message_descriptor_get_field(descriptor, number).map { FieldSchema($0) }
  }

  func field(named name: String) -> FieldSchema? {
    protobuf_c_message_descriptor_get_field_by_name(descriptor, name).map { FieldSchema($0) }
  }

  /// Whether this is what protoc makes of a `map<key, value>`: a message `…Entry` of a `key` and a `value`.
  var isMapEntry: Bool {
    fieldCount == 2 && shortName.hasSuffix("Entry") && field(at: 0).name == "key" && field(at: 1).name == "value"
  }
}

/// One field's descriptor.
struct FieldSchema: @unchecked Sendable {
  let descriptor: UnsafePointer<ProtobufCFieldDescriptor>

  init(_ descriptor: UnsafePointer<ProtobufCFieldDescriptor>) { self.descriptor = descriptor }

  var name: String { String(cString: descriptor.pointee.name) }
  var number: UInt32 { descriptor.pointee.id }
  var type: ProtobufCType { descriptor.pointee.type }
  var isRepeated: Bool { descriptor.pointee.label == PROTOBUF_C_LABEL_REPEATED }

  /// The same for all fields of a oneof, and nil outside one.
  var oneof: UInt32? {
    descriptor.pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0 ? descriptor.pointee.quantifier_offset : nil
  }

  /// The message's schema where `type` is MESSAGE.
  var message: MessageSchema? {
    guard type == PROTOBUF_C_TYPE_MESSAGE else { return nil }
    return MessageSchema(descriptor.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self))
  }

  /// The enumeration where `type` is ENUM.
  var enumeration: EnumSchema? {
    guard type == PROTOBUF_C_TYPE_ENUM else { return nil }
    return EnumSchema(
      descriptor: descriptor.pointee.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self))
  }

  /// How one value of it travels, unpacked.
  @inline(__always)
  var wireType: UInt8 {
    switch type {
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: WireType.lengthDelimited
    case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32: WireType.fixed32
    case PROTOBUF_C_TYPE_DOUBLE, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64: WireType.fixed64
    default: WireType.varint
    }
  }
}

/// An enumeration's descriptor.
struct EnumSchema {
  let descriptor: UnsafePointer<ProtobufCEnumDescriptor>

  var names: [String] {
    (0..<Int(descriptor.pointee.n_values)).map { String(cString: descriptor.pointee.values[$0].name) }
  }

  func value(named name: String) -> Int32? {
    protobuf_c_enum_descriptor_get_value_by_name(descriptor, name)?.pointee.value
  }

  func name(of value: Int32) -> String? {
    protobuf_c_enum_descriptor_get_value(descriptor, value).map { String(cString: $0.pointee.name) }
  }
}
