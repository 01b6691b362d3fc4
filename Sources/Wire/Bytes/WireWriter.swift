/// Writes tags and values into memory that is known to be large enough.
struct WireWriter {
  private(set) var at: UnsafeMutableRawPointer

  init(at start: UnsafeMutableRawPointer) { at = start }

  mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      at.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, as: UInt8.self)
      at += 1
      rest >>= 7
    }
    at.storeBytes(of: UInt8(truncatingIfNeeded: rest), as: UInt8.self)
    at += 1
  }

  /// The head of a length-delimited field whose number is below 16.
  mutating func lengthDelimited(_ number: UInt8, count: Int) {
    at.storeBytes(of: number << 3 | WireType.lengthDelimited, as: UInt8.self)
    at += 1
    varint(UInt64(count))
  }

  mutating func bytes(_ bytes: UnsafeRawBufferPointer) {
    if let start = bytes.baseAddress { at.copyMemory(from: start, byteCount: bytes.count) }
    at += bytes.count
  }

  /// A string field whose number is below 16; nothing if it is empty, as proto3 wants.
  mutating func string(_ number: UInt8, _ text: UnsafeRawBufferPointer) {
    guard text.count > 0 else { return }
    lengthDelimited(number, count: text.count)
    bytes(text)
  }

  /// Bytes of such a field.
  static func stringSize(_ text: UnsafeRawBufferPointer) -> Int { text.count > 0 ? lengthDelimitedSize(text.count) : 0 }

  /// Bytes that a length-delimited field of `count` bytes takes, if its number is below 16.
  static func lengthDelimitedSize(_ count: Int) -> Int { headSize(count) + count }

  /// Bytes of such a field in front of its contents.
  static func headSize(_ count: Int) -> Int { 1 + varintSize(UInt64(count)) }

  static func varintSize(_ value: UInt64) -> Int { max(1, (64 - value.leadingZeroBitCount + 6) / 7) }
}
