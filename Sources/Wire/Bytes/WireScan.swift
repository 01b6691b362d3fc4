internal import CProtobufC
internal import Inference

/// A look over a message's wire bytes before protobuf-c unpacks them, for what protobuf-c lets through: strings that
/// are not UTF-8 or hold a NUL, and messages that need many times their own size in memory. What protobuf-c refuses
/// without saying why is refused here with the field's path.
///
/// It allocates nothing unless it finds a fault. It goes as deep as the schema does, and no message of the schema
/// contains itself, so the bytes can't make it go deeper.
struct WireScan {
  /// The least that protobuf-c will allocate for what was scanned so far.
  private(set) var neededBytes = 0
  /// Why the scan failed, and in which field; set exactly if it did.
  private(set) var fault: Fault?

  struct Fault {
    var path: String
    var problem: String

    func error(in message: String) -> InferenceError {
      .invalidArgument("\(path.isEmpty ? message : path) \(problem)")
    }
  }

  /// protobuf-c's notes on one field while it unpacks: its `ScannedMember`.
  private static let bytesPerField = 32

  /// Scans a whole message; false if there is a fault.
  mutating func scanMessage(_ bytes: UnsafeRawBufferPointer, _ schema: MessageSchema) -> Bool {
    var reader = WireReader(bytes)
    while !reader.isAtEnd {
      let start = reader.at
      guard scanField(&reader, schema) else {
        locate(start, in: bytes, schema)
        return false
      }
    }
    return true
  }

  /// Scans one field from its tag to its end; false if there is a fault, whose path then begins below the field.
  @inline(__always)
  mutating func scanField(_ reader: inout WireReader, _ schema: MessageSchema) -> Bool {
    guard let tag = reader.tag() else { return fail("has a malformed tag") }
    return scanValue(&reader, number: tag.number, wireType: tag.wireType, schema)
  }

  /// Scans the value behind a tag.
  mutating func scanValue(
    _ reader: inout WireReader, number: UInt32, wireType: UInt8, _ schema: MessageSchema
  ) -> Bool {
    neededBytes &+= WireScan.bytesPerField
    guard let field = schema.field(numbered: number) else { return skipUnknown(&reader, wireType) }

    if wireType == WireType.lengthDelimited {
      guard let bytes = reader.lengthDelimited() else { return fail("is cut short") }
      return scanLengthDelimited(bytes, field)
    }
    guard wireType == field.wireType else { return fail("has wire type \(wireType); expected \(field.wireType)") }
    if field.isRepeated { neededBytes &+= 8 }
    return reader.skipValue(wireType) || fail("is cut short")
  }

  @inline(__always)
  private mutating func scanLengthDelimited(_ bytes: UnsafeRawBufferPointer, _ field: FieldSchema) -> Bool {
    switch field.type {
    case PROTOBUF_C_TYPE_STRING:
      neededBytes &+= bytes.count &+ 16
      guard let fault = textFault(in: bytes) else { return true }
      return fail(fault == .holdsNUL ? "contains a NUL character" : "is not valid UTF-8")
    case PROTOBUF_C_TYPE_MESSAGE:
      let schema = MessageSchema(
        field.descriptor.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self))
      neededBytes &+= Int(schema.descriptor.pointee.sizeof_message) &+ 8
      return scanMessage(bytes, schema)
    case PROTOBUF_C_TYPE_BYTES:
      neededBytes &+= bytes.count &+ 16
      return true
    default:
      guard field.isRepeated else { return fail("has wire type 2; expected \(field.wireType)") }
      return scanPacked(bytes, field)
    }
  }

  /// Numbers one after the other, without tags.
  private mutating func scanPacked(_ bytes: UnsafeRawBufferPointer, _ field: FieldSchema) -> Bool {
    neededBytes &+= bytes.count
    switch field.wireType {
    case WireType.fixed32:
      return bytes.count % 4 == 0 || fail("has \(bytes.count) packed bytes; expected a multiple of 4")
    case WireType.fixed64:
      return bytes.count % 8 == 0 || fail("has \(bytes.count) packed bytes; expected a multiple of 8")
    default:
      if field.type == PROTOBUF_C_TYPE_BOOL {
        return bytes.allSatisfy { $0 <= 1 } || fail("has a packed value that is neither true nor false")
      }
      var reader = WireReader(bytes)
      while !reader.isAtEnd {
        guard reader.varint() != nil else { return fail("has a malformed packed number") }
      }
      return true
    }
  }

  /// Fields of a later schema are allowed, but protobuf-c keeps a copy of each.
  private mutating func skipUnknown(_ reader: inout WireReader, _ wireType: UInt8) -> Bool {
    let start = reader.at
    guard reader.skipValue(wireType) else { return fail("is cut short, or holds a group") }
    neededBytes &+= MemoryLayout<ProtobufCMessageUnknownField>.stride &+ (reader.at - start)
    return true
  }

  @inline(never)
  mutating func fail(_ problem: @autoclosure () -> String) -> Bool {
    fault = Fault(path: "", problem: problem())
    return false
  }

  /// Puts the field at `start` in front of the fault's path, with its index if it is one of several.
  @inline(never)
  mutating func locate(_ start: UnsafeRawPointer, in bytes: UnsafeRawBufferPointer, _ schema: MessageSchema) {
    var reader = WireReader(from: start, to: bytes.baseAddress! + bytes.count)
    guard let number = reader.tag()?.number else { return }
    var step = schema.field(numbered: number)?.name ?? "field \(number)"
    if schema.field(numbered: number)?.isRepeated == true {
      var index = 0
      var before = WireReader(from: bytes.baseAddress!, to: start)
      while let tag = before.tag(), before.skipValue(tag.wireType) {
        if tag.number == number { index += 1 }
      }
      step += "[\(index)]"
    }
    guard var fault else { return }
    fault.path = fault.path.isEmpty ? step : "\(step).\(fault.path)"
    self.fault = fault
  }
}
