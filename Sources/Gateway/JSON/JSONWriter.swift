internal import Inference

/// A JSON text that grows at its end: values go straight to bytes.
///
/// Floating-point numbers get the fewest digits that read back as the same number. NaN and the infinities, which JSON
/// does not have, are written as Python's `json` and Triton write them: `NaN`, `Infinity`, `-Infinity`.
struct JSONWriter {
  private(set) var bytes: [UInt8] = []

  init(reserving byteCount: Int = 256) { bytes.reserveCapacity(byteCount) }

  @inline(__always)
  mutating func byte(_ byte: Character.ASCII) { bytes.append(byte.value) }

  mutating func raw(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

  /// A string, which has to be UTF-8.
  mutating func string(_ content: UnsafeRawBufferPointer) {
    bytes.append(UInt8(ascii: "\""))
    var unwritten = 0
    for position in 0..<content.count {
      let byte = content[position]
      guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
      bytes.append(contentsOf: content[unwritten..<position])
      unwritten = position + 1
      escape(byte)
    }
    bytes.append(contentsOf: content[unwritten...])
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func string(_ content: String) {
    var content = content
    content.withUTF8 { string(UnsafeRawBufferPointer($0)) }
  }

  private mutating func escape(_ byte: UInt8) {
    bytes.append(UInt8(ascii: "\\"))
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
    case 0x08: bytes.append(UInt8(ascii: "b"))
    case 0x09: bytes.append(UInt8(ascii: "t"))
    case 0x0A: bytes.append(UInt8(ascii: "n"))
    case 0x0C: bytes.append(UInt8(ascii: "f"))
    case 0x0D: bytes.append(UInt8(ascii: "r"))
    default:
      let digits = Array("0123456789abcdef".utf8)
      raw("u00")
      bytes.append(digits[Int(byte >> 4)])
      bytes.append(digits[Int(byte & 15)])
    }
  }

  // MARK: - Numbers

  mutating func bool(_ value: Bool) {
    if value { raw("true") } else { raw("false") }
  }

  mutating func integer<Integer: FixedWidthInteger>(_ value: Integer) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    var rest = UInt64(value.magnitude)
    if rest < 10 { return bytes.append(UInt8(ascii: "0") + UInt8(rest)) }
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
      var first = 20
      while rest > 0 {
        first -= 1
        digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[first...]))
    }
  }

  mutating func number(_ value: Float) {
    guard value.isFinite else { return unwritten(isNaN: value.isNaN, isNegative: value < 0) }
    var text = value.description
    text.withUTF8 { bytes.append(contentsOf: $0) }
  }

  mutating func number(_ value: Double) {
    guard value.isFinite else { return unwritten(isNaN: value.isNaN, isNegative: value < 0) }
    var text = value.description
    text.withUTF8 { bytes.append(contentsOf: $0) }
  }

  private mutating func unwritten(isNaN: Bool, isNegative: Bool) {
    if isNaN { raw("NaN") } else if isNegative { raw("-Infinity") } else { raw("Infinity") }
  }
}
