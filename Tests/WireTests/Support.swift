import Inference
import Wire

/// A request with its arena, and the room around it that a call would give.
final class Call {
  let arena: UnsafeMutablePointer<Arena>
  let request: RequestPointer
  private let mailbox = ReplyMailbox(wakeDescriptor: -1)
  private var message: UnsafeMutableRawBufferPointer?

  init(limitBytes: Int = 1 << 20) {
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(limitBytes: limitBytes))
    request = .allocate(capacity: 1)
    request.initialize(to: InferenceRequest(arena: arena, replyTo: Unmanaged.passUnretained(mailbox)))
  }

  deinit {
    request.deinitialize(count: 1)
    request.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
    message?.deallocate()
  }

  /// Decodes a message that lies at the very end of its memory.
  func decode(_ bytes: [UInt8]) throws(InferenceError) {
    message?.deallocate()
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    copy.copyBytes(from: bytes)
    message = copy
    try decodeModelInferRequest(message: UnsafeRawBufferPointer(copy), into: request)
  }

  /// Where the message lies.
  var messageRange: Range<UInt> {
    let start = UInt(bitPattern: message?.baseAddress)
    return start..<start + UInt(message?.count ?? 0)
  }

  /// What decoding is refused with; nil if it is not.
  func refusal(of bytes: [UInt8]) -> InferenceError? {
    do throws(InferenceError) {
      try decode(bytes)
      return nil
    } catch {
      return error
    }
  }
}

/// What decoding is refused with; nil if it is not.
func refusal(of bytes: [UInt8]) -> InferenceError? { Call().refusal(of: bytes) }

func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

func text(_ value: RequestParameter.Value) -> String {
  switch value {
  case .unset: "unset"
  case .bool(let value): "bool \(value)"
  case .int64(let value): "int64 \(value)"
  case .uint64(let value): "uint64 \(value)"
  case .double(let value): "double \(value)"
  case .string(let value): "string \(text(value))"
  }
}

// MARK: - Wire bytes by hand

func varint(_ value: UInt64) -> [UInt8] {
  value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F) | 0x80] + varint(value >> 7)
}

/// A varint field.
func field(_ number: UInt64, _ value: Int64) -> [UInt8] { varint(number << 3) + varint(UInt64(bitPattern: value)) }

/// A length-delimited field.
func field(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
  varint(number << 3 | 2) + varint(UInt64(payload.count)) + payload
}

func field(_ number: UInt64, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

/// A map entry.
func entry(_ number: UInt64, _ key: String, _ value: [UInt8]?) -> [UInt8] {
  field(number, field(1, key) + (value.map { field(2, $0) } ?? []))
}

/// `ModelInferRequest.InferInputTensor` in its place.
func input(_ name: String, _ datatype: String, _ shape: [Int64], _ more: [UInt8] = []) -> [UInt8] {
  let packed = shape.flatMap { varint(UInt64(bitPattern: $0)) }
  return field(5, field(1, name) + field(2, datatype) + field(3, packed) + more)
}

/// `contents` of an input.
func contents(_ fields: [UInt8]) -> [UInt8] { field(5, fields) }

func raw(_ bytes: [UInt8]) -> [UInt8] { field(7, bytes) }

func hex(_ text: String) -> [UInt8] {
  let digits = Array(text.utf8)
  return stride(from: 0, to: digits.count, by: 2).map {
    UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
  }
}

/// A generator with a seed, so that a failure can be repeated (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
