extension Document {
  /// Reads one JSON text (RFC 8259). Whole numbers of 64 bits with a sign keep all their digits; a key that is written
  /// twice is an error.
  ///
  /// - Throws: `DocumentError` with the line and the column.
  package init(json: [UInt8], limits: DocumentLimits = DocumentLimits()) throws(DocumentError) {
    try limits.checkBytes(json.count)
    guard String(validating: json, as: UTF8.self) != nil else {
      throw DocumentError("not UTF-8", line: YAMLReader.lineOfInvalidByte(json))
    }
    var reader = JSONReader(bytes: json, limits: limits)
    self = try reader.document()
  }

  package init(json: String, limits: DocumentLimits = DocumentLimits()) throws(DocumentError) {
    try self.init(json: Array(json.utf8), limits: limits)
  }
}

/// A reader of JSON that goes down one call for each level, of which there are at most `maxDepth`.
internal struct JSONReader {
  private let bytes: [UInt8]
  private let limits: DocumentLimits
  private var place = 0
  private var values = 0

  init(bytes: [UInt8], limits: DocumentLimits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func document() throws(DocumentError) -> Document {
    let value = try value(depth: 0)
    skipSpace()
    guard place == bytes.count else { throw fault("expected the end, got \(here)") }
    return value
  }

  private mutating func value(depth: Int) throws(DocumentError) -> Document {
    values += 1
    guard values <= limits.maxValues else {
      throw fault("it has more values than maxValues, which is \(limits.maxValues)")
    }
    skipSpace()
    switch next {
    case UInt8(ascii: "{"): return .object(try object(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try array(depth: depth + 1))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", is: .bool(true))
    case UInt8(ascii: "f"): return try word("false", is: .bool(false))
    case UInt8(ascii: "n"): return try word("null", is: .null)
    case .some(0x30...0x39), UInt8(ascii: "-"): return try number()
    default: throw fault("expected a value, got \(here)")
    }
  }

  private mutating func object(depth: Int) throws(DocumentError) -> Document.Object {
    try enter(depth)
    var object = Document.Object()
    skipSpace()
    if take("}") { return object }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw fault("expected a key in double quotes, got \(here)") }
      let start = place
      let key = try string()
      guard object[key] == nil else { throw fault("the key '\(key)' is given twice", at: start) }
      skipSpace()
      guard take(":") else { throw fault("expected ':', got \(here)") }
      object[key] = try value(depth: depth)
      skipSpace()
      if take("}") { return object }
      guard take(",") else { throw fault("expected ',' or '}', got \(here)") }
    }
  }

  private mutating func array(depth: Int) throws(DocumentError) -> [Document] {
    try enter(depth)
    var elements: [Document] = []
    skipSpace()
    if take("]") { return elements }
    while true {
      elements.append(try value(depth: depth))
      skipSpace()
      if take("]") { return elements }
      guard take(",") else { throw fault("expected ',' or ']', got \(here)") }
    }
  }

  private mutating func enter(_ depth: Int) throws(DocumentError) {
    guard depth <= limits.maxDepth else {
      throw fault("it is nested deeper than maxDepth, which is \(limits.maxDepth)")
    }
    place += 1
  }

  private mutating func number() throws(DocumentError) -> Document {
    let start = place
    _ = take("-")
    // RFC 8259 §6: "Leading zeros are not allowed."
    let startOfDigits = place
    var isWhole = true
    try digits()
    if bytes[startOfDigits] == UInt8(ascii: "0") && place > startOfDigits + 1 {
      throw fault("a number starts with 0", at: start)
    }
    if take(".") {
      isWhole = false
      try digits()
    }
    if take("e") || take("E") {
      isWhole = false
      if !take("+") { _ = take("-") }
      try digits()
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    if isWhole, let value = Int(text) { return .int(value) }
    guard let value = Double(text), value.isFinite else {
      throw fault("\(text.prefix(40)) is beyond the numbers of 64 bits", at: start)
    }
    return .double(value)
  }

  private mutating func digits() throws(DocumentError) {
    let start = place
    while let next, next >= 0x30 && next <= 0x39 { place += 1 }
    guard place > start else { throw fault("expected a digit, got \(here)") }
  }

  private mutating func word(_ word: String, is value: Document) throws(DocumentError) -> Document {
    guard bytes[place...].starts(with: word.utf8) else { throw fault("expected a value, got \(here)") }
    place += word.utf8.count
    return value
  }

  // MARK: - Strings

  private mutating func string() throws(DocumentError) -> String {
    let start = place
    place += 1
    var text: [UInt8] = []
    while let byte = next {
      place += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw fault("a string has a control character without an escape", at: place - 1)
      default: text.append(byte)
      }
    }
    throw fault("a string has no end", at: start)
  }

  private mutating func escape(into text: inout [UInt8]) throws(DocumentError) {
    let start = place - 1
    guard let byte = next else { return }  // The caller finds the end.
    place += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"):
      var code = try hexadecimal()
      if code & 0xFC00 == 0xD800, take("\\"), take("u") {
        let low = try hexadecimal()
        guard low & 0xFC00 == 0xDC00 else { throw fault("half a surrogate pair", at: start) }
        code = 0x10000 + (code & 0x3FF) << 10 + (low & 0x3FF)
      }
      guard let scalar = Unicode.Scalar(code) else { throw fault("half a surrogate pair", at: start) }
      text.append(contentsOf: String(Character(scalar)).utf8)
    default: throw fault("an escape that JSON doesn't have", at: start)
    }
  }

  private mutating func hexadecimal() throws(DocumentError) -> UInt32 {
    let digits = bytes[place..<min(place + 4, bytes.count)]
    guard digits.count == 4, let text = String(validating: digits, as: UTF8.self), text.allSatisfy(\.isHexDigit),
      let code = UInt32(text, radix: 16)
    else { throw fault("expected four hexadecimal digits after \\u") }
    place += 4
    return code
  }

  // MARK: - Places

  private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    place += 1
    return true
  }

  private mutating func skipSpace() {
    while let next, next == 0x20 || next == 0x0A || next == 0x0D || next == 0x09 { place += 1 }
  }

  /// What is at the place, for messages.
  private var here: String {
    guard place < bytes.count else { return "the end" }
    return "'\(String(decoding: bytes[place...].prefix(16).prefix { $0 >= 0x20 }, as: UTF8.self))'"
  }

  private func fault(_ message: String, at place: Int? = nil) -> DocumentError {
    let before = bytes[..<(place ?? self.place)]
    let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
    // A column is a character, which has one byte that doesn't continue another.
    let column = before[start...].count { $0 & 0xC0 != 0x80 } + 1
    return DocumentError("not JSON: \(message)", line: before.count { $0 == 0x0A } + 1, column: column)
  }
}
