/// The encoding of a value on the wire: the low three bits of its tag.
///
/// Source: Protocol Buffers, "Encoding", "Message Structure". Groups (3 and 4) are not spoken here.
enum WireType {
  static let varint: UInt8 = 0
  static let fixed64: UInt8 = 1
  static let lengthDelimited: UInt8 = 2
  static let fixed32: UInt8 = 5
}

/// Reads tags and values from one message's bytes, never past their end.
///
/// Each read answers nil or false where the bytes end too early or are no such thing; what was read up to there is then
/// meaningless.
struct WireReader {
  private(set) var at: UnsafeRawPointer
  let end: UnsafeRawPointer

  init(_ bytes: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; any will do, since nothing is read from it.
    at = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 8)!
    end = at + bytes.count
  }

  init(from start: UnsafeRawPointer, to end: UnsafeRawPointer) {
    at = start
    self.end = end
  }

  var isAtEnd: Bool { at >= end }

  /// A field's number and wire type. Numbers are 1 to 2²⁹ - 1, and a tag takes five bytes at most.
  @inline(__always)
  mutating func tag() -> (number: UInt32, wireType: UInt8)? {
    guard at < end else { return nil }
    let first = at.load(as: UInt8.self)
    if first < 0x80 {
      at += 1
      return first < 8 ? nil : (UInt32(first >> 3), first & 7)
    }
    let start = at
    guard let value = varint(), value <= UInt32.max, value >= 8, at - start <= 5 else { return nil }
    return (UInt32(value >> 3), UInt8(value & 7))
  }

  /// At most ten bytes; bits past the 64th are lost, as in every implementation.
  @inline(__always)
  mutating func varint() -> UInt64? {
    guard at < end else { return nil }
    let first = at.load(as: UInt8.self)
    if first < 0x80 {
      at += 1
      return UInt64(first)
    }
    return longVarint()
  }

  private mutating func longVarint() -> UInt64? {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while at < end, shift < 70 {
      let byte = at.load(as: UInt8.self)
      at += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    return nil
  }

  /// A length, and that many bytes.
  @inline(__always)
  mutating func lengthDelimited() -> UnsafeRawBufferPointer? {
    guard let length = varint(), length <= UInt64(end - at) else { return nil }
    let bytes = UnsafeRawBufferPointer(start: at, count: Int(length))
    at += Int(length)
    return bytes
  }

  /// Moves past `count` bytes.
  @inline(__always)
  mutating func skip(_ count: Int) -> Bool {
    guard end - at >= count else { return false }
    at += count
    return true
  }

  /// Moves past a value of any known wire type.
  @inline(__always)
  mutating func skipValue(_ wireType: UInt8) -> Bool {
    switch wireType {
    case WireType.varint: varint() != nil
    case WireType.lengthDelimited: lengthDelimited() != nil
    case WireType.fixed32: skip(4)
    case WireType.fixed64: skip(8)
    default: false
    }
  }
}
