internal import Inference

/// Cuts JSON into tokens. Source: RFC 8259.
struct JSONLexer {
  enum Token: Hashable {
    case string(String)
    /// As written.
    case number(String)
    /// `true`, `false` or `null`.
    case word(String)
    /// One of `{}[]:,`.
    case symbol(Character)
    case end
  }

  let source: SourceText
  private(set) var token = Token.end
  /// Where the token begins.
  private(set) var offset = 0
  private var at = 0

  /// Stands at the first token.
  init(_ source: SourceText) throws(InferenceError) {
    self.source = source
    try advance()
  }

  private var bytes: [UInt8] { source.bytes }

  mutating func advance() throws(InferenceError) {
    while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
    offset = at
    guard at < bytes.count else { return token = .end }
    let character = Character(Unicode.Scalar(bytes[at]))
    if character == "\"" {
      token = .string(try string())
    } else if "{}[]:,".contains(character) {
      at += 1
      token = .symbol(character)
    } else {
      let start = at
      while at < bytes.count, isWordCharacter(bytes[at]) { at += 1 }
      let text = String(decoding: bytes[start..<at], as: UTF8.self)
      if ["true", "false", "null"].contains(text) {
        token = .word(text)
      } else if ScalarValue(number: text) != nil, Double(text) != nil {
        token = .number(text)
      } else {
        throw source.error(at: start, path: "", "'\(text.isEmpty ? String(character) : text)' is not JSON")
      }
    }
  }

  /// Moves past this token, if it is there.
  mutating func take(_ wanted: Token) throws(InferenceError) -> Bool {
    guard token == wanted else { return false }
    try advance()
    return true
  }

  /// The token as an error message shows it.
  var description: String {
    switch token {
    case .end: "the end of the text"
    default: "'\(String(decoding: bytes[offset..<at], as: UTF8.self))'"
    }
  }

  private func isWordCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
    default: false
    }
  }

  private mutating func string() throws(InferenceError) -> String {
    at += 1
    var text: [UInt8] = []
    while true {
      guard at < bytes.count, bytes[at] >= 0x20 else {
        throw source.error(at: offset, path: "", "this string does not end, or holds a control character")
      }
      let byte = bytes[at]
      at += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
      if byte == UInt8(ascii: "\\") { text += try escape() } else { text.append(byte) }
    }
  }

  /// What follows a backslash.
  private mutating func escape() throws(InferenceError) -> [UInt8] {
    guard at < bytes.count else { throw source.error(at: at, path: "", "the text ends within an escape") }
    let letter = bytes[at]
    at += 1
    if letter == UInt8(ascii: "u") { return Array(String(try unicodeEscape()).utf8) }
    guard let index = Array("\"\\/bfnrt".utf8).firstIndex(of: letter) else {
      throw source.error(at: at - 2, path: "", "no such escape: '\\\(String(decoding: [letter], as: UTF8.self))'")
    }
    return [Array<UInt8>([0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9])[index]]
  }

  /// Four hexadecimal digits, or two times four for a surrogate pair.
  private mutating func unicodeEscape() throws(InferenceError) -> Unicode.Scalar {
    let start = at - 2
    if let first = codeUnit() {
      if let scalar = Unicode.Scalar(first) { return scalar }
      if bytes[at...].starts(with: "\\u".utf8) {
        at += 2
        if let second = codeUnit(), UTF16.isLeadSurrogate(first), UTF16.isTrailSurrogate(second) {
          return UTF16.decode(UTF16.EncodedScalar([first, second]))
        }
      }
    }
    throw source.error(at: start, path: "", "this \\u escape is not a character")
  }

  private mutating func codeUnit() -> UInt16? {
    guard bytes.count - at >= 4 else { return nil }
    defer { at += 4 }
    return UInt16(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
  }
}
