internal import CProtobufC
internal import CProtos
internal import Inference

/// A ModelInferRequest's bytes in two: the tensors' raw contents, which stay where they are, and the rest, which
/// protobuf-c unpacks. Both have been scanned.
///
/// ```
/// message  [ model_name | inputs[0] | inputs[1] | raw_input_contents[0] | raw_input_contents[1] ]
///            └────────────── rest ────────────┘   └─────────────────── raw ───────────────────┘
/// ```
///
/// The rest is copied only where the two are mixed, which no known client does.
struct SplitInferRequest {
  private(set) var rest: UnsafeRawBufferPointer
  var raw: RawContents
  /// The least memory that unpacking the rest takes.
  private(set) var neededBytes: Int

  static let schema = MessageSchema(of: inference__model_infer_request__init)

  init(_ message: UnsafeRawBufferPointer, in arena: UnsafeMutablePointer<Arena>) throws(InferenceError) {
    let schema = SplitInferRequest.schema
    var scan = WireScan()
    var reader = WireReader(message)
    let start = reader.at
    var rawCount = 0
    var rawBytes = 0
    var firstRaw = reader.end
    var isMixed = false
    while !reader.isAtEnd {
      let fieldStart = reader.at
      guard let tag = reader.tag() else {
        throw InferenceError.invalidArgument("ModelInferRequest has a malformed tag")
      }
      if tag.number == RawContents.fieldNumber, tag.wireType == WireType.lengthDelimited {
        guard reader.lengthDelimited() != nil else {
          throw InferenceError.invalidArgument("raw_input_contents[\(rawCount)] is cut short")
        }
        if rawCount == 0 { firstRaw = fieldStart }
        rawCount &+= 1
        rawBytes &+= reader.at - fieldStart
      } else {
        guard scan.scanValue(&reader, number: tag.number, wireType: tag.wireType, schema) else {
          scan.locate(fieldStart, in: message, schema)
          throw scan.fault!.error(in: schema.shortName)
        }
        if rawCount > 0 { isMixed = true }
      }
    }

    raw = RawContents(count: rawCount, reader: WireReader(from: firstRaw, to: reader.end))
    rest = UnsafeRawBufferPointer(start: start, count: firstRaw - start)
    neededBytes = scan.neededBytes
    if isMixed { rest = try SplitInferRequest.join(message, restBytes: message.count - rawBytes, in: arena) }
  }

  /// Copies everything but the raw contents together.
  @inline(never)
  private static func join(
    _ message: UnsafeRawBufferPointer, restBytes: Int, in arena: UnsafeMutablePointer<Arena>
  ) throws(InferenceError) -> UnsafeRawBufferPointer {
    guard let room = arena.pointee.allocate(byteCount: restBytes) else { throw outOfMemory(schema, arena) }
    var reader = WireReader(message)
    var end = room
    while true {
      let start = reader.at
      guard let tag = reader.tag(), reader.skipValue(tag.wireType) else { break }
      if tag.number == RawContents.fieldNumber, tag.wireType == WireType.lengthDelimited { continue }
      end.copyMemory(from: start, byteCount: reader.at - start)
      end += reader.at - start
    }
    return UnsafeRawBufferPointer(start: room, count: end - room)
  }
}

/// The entries of `raw_input_contents`, one after the other.
struct RawContents {
  static let fieldNumber: UInt32 = 7

  let count: Int
  fileprivate var reader: WireReader

  /// The next entry. Ask `count` times at most.
  mutating func next() -> UnsafeRawBufferPointer {
    while let tag = reader.tag() {
      if tag.number == RawContents.fieldNumber, let entry = reader.lengthDelimited() { return entry }
      guard reader.skipValue(tag.wireType) else { break }
    }
    return UnsafeRawBufferPointer(start: nil, count: 0)
  }
}
