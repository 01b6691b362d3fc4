internal import Inference

/// A string as it stands in a JSON text, between its quotes and with its escapes, which are known to be right.
struct JSONString {
  let raw: UnsafeRawBufferPointer
  let hasEscapes: Bool

  /// Most bytes that the content takes: undoing escapes never makes a string longer.
  var maxByteCount: Int { raw.count }

  /// Whether the content is that of a literal without escapes.
  func equals(_ literal: StaticString) -> Bool {
    if !hasEscapes { return raw.equals(literal) }
    return decoded().withUnsafeBytes { $0.equals(literal) }
  }

  /// The content as text. For what is not on the hot path.
  var text: String { String(decoding: decoded(), as: UTF8.self) }

  /// A name as an error may repeat it: a client chooses what it sends, and not how long the answer gets.
  var quotable: String {
    let text = text
    return text.utf8.count <= 100 ? text : text.prefix(25) + "…"
  }

  /// The content.
  func decoded() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: raw.count) { buffer, count in
      count = decode(to: UnsafeMutableRawPointer(buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: 16)!))
    }
  }

  /// Writes the content, at most `maxByteCount` bytes.
  ///
  /// - Returns: How many bytes it has.
  func decode(to start: UnsafeMutableRawPointer) -> Int {
    guard let base = raw.baseAddress, raw.count > 0 else { return 0 }
    guard hasEscapes else {
      start.copyMemory(from: base, byteCount: raw.count)
      return raw.count
    }
    var end = start
    var position = 0
    while position < raw.count {
      let byte = raw[position]
      guard byte == UInt8(ascii: "\\") else {
        end.storeBytes(of: byte, as: UInt8.self)
        end += 1
        position += 1
        continue
      }
      position = decodeEscape(at: position, to: &end)
    }
    return end - start
  }

  private func decodeEscape(at start: Int, to end: inout UnsafeMutableRawPointer) -> Int {
    let character: UInt8
    switch raw[start + 1] {
    case UInt8(ascii: "b"): character = 0x08
    case UInt8(ascii: "f"): character = 0x0C
    case UInt8(ascii: "n"): character = 0x0A
    case UInt8(ascii: "r"): character = 0x0D
    case UInt8(ascii: "t"): character = 0x09
    case UInt8(ascii: "u"):
      var next = start + 6
      var scalar = UInt32(JSONString.codeUnit(in: raw, at: start + 2) ?? 0)
      if scalar & 0xFC00 == 0xD800 {
        let low = UInt32(JSONString.codeUnit(in: raw, at: start + 8) ?? 0)
        scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
        next = start + 12
      }
      for unit in UTF8.encode(Unicode.Scalar(scalar) ?? "\u{FFFD}")! {
        end.storeBytes(of: unit, as: UInt8.self)
        end += 1
      }
      return next
    case let other: character = other
    }
    end.storeBytes(of: character, as: UInt8.self)
    end += 1
    return start + 2
  }

  /// The number that four hexadecimal digits stand for, or nil.
  static func codeUnit(in bytes: UnsafeRawBufferPointer, at start: Int) -> UInt16? {
    guard start + 4 <= bytes.count else { return nil }
    var unit: UInt16 = 0
    for position in start..<start + 4 {
      let digit: UInt8
      switch bytes[position] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[position] - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[position] - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[position] - UInt8(ascii: "A") + 10
      default: return nil
      }
      unit = unit << 4 | UInt16(digit)
    }
    return unit
  }
}
