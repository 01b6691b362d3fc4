internal import Inference

/// Cuts protobuf's text format into tokens.
///
/// Source: Protocol Buffers, "Text Format Language Specification", "Lexical Elements".
struct TextFormatLexer {
  enum Token: Hashable {
    case identifier(String)
    case integer(UInt64)
    case double(Double)
    case string([UInt8])
    /// One of `{}<>[]:,;-`.
    case symbol(UInt8)
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

  /// Moves to the next token.
  mutating func advance() throws(InferenceError) {
    skipBlanks()
    offset = at
    guard at < bytes.count else { return token = .end }
    let character = bytes[at]
    switch character {
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      token = .string(try string(quote: character))
    case _ where character.isLetter:
      token = .identifier(word { $0.isLetter || $0.isDigit })
    case _ where character.isDigit || character == UInt8(ascii: "."):
      token = try number()
    case _ where "{}<>[]:,;-".utf8.contains(character):
      at += 1
      token = .symbol(character)
    default:
      throw source.error(at: at, path: "", "unexpected character '\(String(decoding: [character], as: UTF8.self))'")
    }
  }

  /// Moves past a symbol, if it is there.
  mutating func take(_ symbol: Character) throws(InferenceError) -> Bool {
    guard token == .symbol(symbol.asciiValue!) else { return false }
    try advance()
    return true
  }

  /// The token as an error message shows it.
  var description: String {
    switch token {
    case .end: "the end of the text"
    case .string: "a string"
    default: "'\(String(decoding: bytes[offset..<at], as: UTF8.self))'"
    }
  }

  private mutating func skipBlanks() {
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "#") {
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
      } else if bytes[at] == 0x20 || (0x09...0x0D).contains(bytes[at]) {
        at += 1
      } else {
        return
      }
    }
  }

  private mutating func word(_ belongs: (UInt8) -> Bool) -> String {
    let start = at
    while at < bytes.count, belongs(bytes[at]) { at += 1 }
    return String(decoding: bytes[start..<at], as: UTF8.self)
  }

  /// Decimal, octal (`017`) or hexadecimal (`0x1f`) integers, and floats such as `.5`, `1e-3` or `2f`.
  private mutating func number() throws(InferenceError) -> Token {
    let isHex = bytes[at...].starts(with: "0x".utf8) || bytes[at...].starts(with: "0X".utf8)
    var previous: UInt8 = 0
    let text = word { character in
      defer { previous = character }
      if character.isLetter || character.isDigit || character == UInt8(ascii: ".") { return true }
      let isSign = character == UInt8(ascii: "-") || character == UInt8(ascii: "+")
      return isSign && !isHex && (previous | 0x20) == UInt8(ascii: "e")
    }
    if isHex, let value = UInt64(text.dropFirst(2), radix: 16) { return .integer(value) }
    let isWhole = text.utf8.allSatisfy(\.isDigit)
    let isOctal = isWhole && text.utf8.count > 1 && text.hasPrefix("0")
    if isWhole, let value = UInt64(text, radix: isOctal ? 8 : 10) { return .integer(value) }
    let digits = text.hasSuffix("f") || text.hasSuffix("F") ? text.dropLast() : text[...]
    guard !isHex, !isOctal, let value = Double(digits) else {
      throw source.error(at: offset, path: "", "'\(text)' is not a number")
    }
    return .double(value)
  }

  private mutating func string(quote: UInt8) throws(InferenceError) -> [UInt8] {
    at += 1
    var text: [UInt8] = []
    while true {
      guard at < bytes.count, bytes[at] != UInt8(ascii: "\n") else {
        throw source.error(at: offset, path: "", "this string does not end on its line")
      }
      let character = bytes[at]
      at += 1
      if character == quote { return text }
      if character == UInt8(ascii: "\\") { text += try escape() } else { text.append(character) }
    }
  }

  /// What follows a backslash.
  private mutating func escape() throws(InferenceError) -> [UInt8] {
    guard at < bytes.count else { throw source.error(at: at, path: "", "the text ends within an escape") }
    let start = at - 1
    let letter = bytes[at]
    at += 1
    if let index = Array("abfnrtv\\'\"?".utf8).firstIndex(of: letter) {
      return [Array<UInt8>([7, 8, 12, 10, 13, 9, 11, 0x5C, 0x27, 0x22, 0x3F])[index]]
    }
    switch letter {
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      at -= 1
      if let byte = UInt8(digits(atMost: 3) { (0x30...0x37).contains($0) }, radix: 8) { return [byte] }
    case UInt8(ascii: "x"), UInt8(ascii: "X"):
      if let byte = UInt8(digits(atMost: 2, \.isHexDigit), radix: 16) { return [byte] }
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      let length = letter == UInt8(ascii: "u") ? 4 : 8
      let text = digits(atMost: length, \.isHexDigit)
      if text.utf8.count == length, let scalar = UInt32(text, radix: 16).flatMap(Unicode.Scalar.init) {
        return Array(String(scalar).utf8)
      }
    default:
      break
    }
    throw source.error(at: start, path: "", "no such escape: '\\\(String(decoding: [letter], as: UTF8.self))'")
  }

  private mutating func digits(atMost limit: Int, _ belongs: (UInt8) -> Bool) -> String {
    var left = limit
    return word { character in
      defer { left -= 1 }
      return left > 0 && belongs(character)
    }
  }
}

extension UInt8 {
  /// A to Z, a to z and underscore.
  fileprivate var isLetter: Bool { (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self) || self == 0x5F }
  fileprivate var isDigit: Bool { (0x30...0x39).contains(self) }
  fileprivate var isHexDigit: Bool { isDigit || (0x41...0x46).contains(self) || (0x61...0x66).contains(self) }
}
