internal import Inference

/// A place in a JSON text that moves forward: one value is read after the other, and no tree is made of them.
///
/// Source: RFC 8259. Beyond it, the words `NaN`, `Infinity` and `-Infinity` are numbers, as Python's `json` and Triton
/// write them; only floating-point tensors take them. The bytes belong to the caller, and must outlive the scanner and
/// the strings that it lends.
struct JSONScanner {
  /// Lists and objects within each other, at most.
  static let maxDepth = 64

  let bytes: UnsafeRawBufferPointer
  var offset = 0

  init(_ bytes: UnsafeRawBufferPointer, offset: Int = 0) {
    self.bytes = bytes
    self.offset = offset
  }

  /// The first byte that is not space, or 0 at the end. Does not take it.
  @inline(__always)
  mutating func next() -> UInt8 {
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte > 0x20 { return byte }
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte == 0 ? 1 : byte }
      offset &+= 1
    }
    return 0
  }

  /// Takes `byte` if it comes next.
  @inline(__always)
  mutating func take(_ byte: Character.ASCII) -> Bool {
    guard next() == byte.value else { return false }
    offset &+= 1
    return true
  }

  mutating func expect(_ byte: Character.ASCII, _ expectation: String) throws(JSONFault) {
    guard take(byte) else { throw fault(expectation) }
  }

  /// Nothing may follow the value.
  mutating func expectEnd() throws(JSONFault) {
    guard next() == 0 else { throw fault("the end of the text") }
  }

  /// The fault of something else being here than `expectation`.
  mutating func fault(_ expectation: String) -> JSONFault {
    JSONFault("expected \(expectation), got \(describeNext())", at: offset)
  }

  // MARK: - Lists and objects

  /// Calls `body` in front of each element of a list. `body` takes the element.
  mutating func list(
    _ body: (inout JSONScanner, Int) throws(JSONFault) -> Void
  ) throws(JSONFault) {
    try expect("[", "a list")
    if take("]") { return }
    var index = 0
    while true {
      do throws(JSONFault) { try body(&self, index) } catch { throw error.inside(index: index) }
      index += 1
      if take("]") { return }
      try expect(",", "',' or ']'")
    }
  }

  /// Calls `body` in front of each member's value. `body` takes the value.
  mutating func object(
    _ body: (inout JSONScanner, JSONString) throws(JSONFault) -> Void
  ) throws(JSONFault) {
    try expect("{", "an object")
    if take("}") { return }
    while true {
      guard next() == UInt8(ascii: "\"") else { throw fault("a name in quotes") }
      let name = try string()
      try expect(":", "':'")
      do throws(JSONFault) { try body(&self, name) } catch { throw error.inside(name.quotable) }
      if take("}") { return }
      try expect(",", "',' or '}'")
    }
  }

  /// Goes past one value of any kind, checking its grammar.
  ///
  /// - Returns: Where it begins.
  @discardableResult
  mutating func skipValue(depth: Int = 0) throws(JSONFault) -> Int {
    let first = next()
    let start = offset
    switch first {
    case UInt8(ascii: "["):
      try checkDepth(depth)
      try list { scanner, _ throws(JSONFault) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "{"):
      try checkDepth(depth)
      try object { scanner, _ throws(JSONFault) in try scanner.skipValue(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      if !takeWord("-Infinity") { _ = try number() }
    default:
      guard takeWord("true") || takeWord("false") || takeWord("null") || takeWord("NaN") || takeWord("Infinity") else {
        throw fault("a value")
      }
    }
    return start
  }

  func checkDepth(_ depth: Int) throws(JSONFault) {
    guard depth < JSONScanner.maxDepth else {
      throw JSONFault("nested deeper than the limit of \(JSONScanner.maxDepth)", at: offset)
    }
  }

  // MARK: - Strings and words

  /// A string. Escapes are checked, and undone only when it is asked for its content.
  mutating func string() throws(JSONFault) -> JSONString {
    guard next() == UInt8(ascii: "\"") else { throw fault("a string") }
    let start = offset + 1
    var position = start
    var hasEscapes = false
    var isASCII = true
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<position])
        if !isASCII, String(validating: raw, as: UTF8.self) == nil {
          throw JSONFault("the string is not UTF-8", at: start)
        }
        offset = position + 1
        return JSONString(raw: raw, hasEscapes: hasEscapes)
      }
      if byte < 0x20 { throw JSONFault("a control character in a string; write it as \\u00\(hex(byte))", at: position) }
      if byte >= 0x80 { isASCII = false }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        position = try endOfEscape(at: position)
      } else {
        position &+= 1
      }
    }
    throw JSONFault("the string is not closed", at: start - 1)
  }

  private func endOfEscape(at start: Int) throws(JSONFault) -> Int {
    guard start + 1 < bytes.count else { throw JSONFault("the string is not closed", at: start) }
    switch bytes[start + 1] {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return start + 2
    case UInt8(ascii: "u"):
      guard let unit = JSONString.codeUnit(in: bytes, at: start + 2) else {
        throw JSONFault("\\u without four hexadecimal digits", at: start)
      }
      guard unit & 0xF800 == 0xD800 else { return start + 6 }
      // RFC 8259, section 7: beyond the basic plane a character is "a 12-character sequence, encoding the UTF-16
      // surrogate pair". Half of a pair has no UTF-8.
      guard unit < 0xDC00, start + 7 < bytes.count, bytes[start + 6] == UInt8(ascii: "\\"),
        bytes[start + 7] == UInt8(ascii: "u"), let low = JSONString.codeUnit(in: bytes, at: start + 8),
        low & 0xFC00 == 0xDC00
      else { throw JSONFault("half of a surrogate pair", at: start) }
      return start + 12
    default: throw JSONFault("an escape that JSON does not have", at: start)
    }
  }

  /// Takes a word such as `true`, if it comes next and ends there.
  mutating func takeWord(_ word: StaticString) -> Bool {
    _ = next()
    let end = offset + word.utf8CodeUnitCount
    guard end <= bytes.count, UnsafeRawBufferPointer(rebasing: bytes[offset..<end]).equals(word) else { return false }
    if end < bytes.count, JSONScanner.isWord(bytes[end]) { return false }
    offset = end
    return true
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
      || byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
  }

  private func hex(_ byte: UInt8) -> String { byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16) }

  // MARK: - What an error says

  /// What comes next, in a few words: its kind, and a short value as it stands.
  mutating func describeNext() -> String {
    let mostBytes = 24
    switch next() {
    case 0: return "the end of the text"
    case UInt8(ascii: "["): return "a list"
    case UInt8(ascii: "{"): return "an object"
    case UInt8(ascii: "\""):
      var copy = self
      guard let text = try? copy.string() else { return "a string that is not one" }
      return text.raw.count <= mostBytes ? "\"\(String(decoding: text.raw, as: UTF8.self))\"" : "a string"
    case let byte where JSONScanner.isWord(byte) || byte == UInt8(ascii: "-"):
      var end = offset
      while end < bytes.count, end - offset <= mostBytes,
        JSONScanner.isWord(bytes[end]) || "+-.".utf8.contains(bytes[end])
      { end += 1 }
      return end - offset > mostBytes ? "something longer" : String(decoding: bytes[offset..<end], as: UTF8.self)
    case let byte where byte > 0x20 && byte < 0x7F: return "'\(Character(UnicodeScalar(byte)))'"
    case let byte: return "the byte 0x\(hex(byte == 1 && bytes[offset] == 0 ? 0 : byte))"
    }
  }
}

extension Character {
  /// One ASCII character, written as a literal at the call.
  struct ASCII: ExpressibleByUnicodeScalarLiteral {
    let value: UInt8
    @inline(__always)
    init(unicodeScalarLiteral scalar: Unicode.Scalar) { value = UInt8(truncatingIfNeeded: scalar.value) }
  }
}
