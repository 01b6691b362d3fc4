internal import CProtobufC
internal import Inference

/// Reads protobuf's JSON into a message's wire form.
///
/// Names may be `snake_case` or `lowerCamelCase`, 64-bit numbers may be strings, enumerations go by name or number, and
/// `null` leaves a field unset. Source: Protocol Buffers, "ProtoJSON Format". `bytes` fields are not read: no
/// configuration has any.
struct JSONParser {
  private var lexer: JSONLexer

  /// The wire form of `text`, an object of this schema.
  ///
  /// - Throws: `.invalidArgument` with line, column, the field's path and what is wrong.
  static func wireForm(of text: String, _ schema: MessageSchema) throws(InferenceError) -> [UInt8] {
    var parser = JSONParser(lexer: try JSONLexer(SourceText(text)))
    let bytes = try parser.message(schema, path: "")
    guard parser.lexer.token == .end else {
      throw parser.error("", "expected the end of the text, found \(parser.lexer.description)")
    }
    return bytes
  }

  private mutating func message(_ schema: MessageSchema, path: String) throws(InferenceError) -> [UInt8] {
    var draft = MessageDraft(schema)
    try members(path: path) { parser, name, offset throws(InferenceError) in
      guard let field = schema.field(namedInJSON: name) else {
        throw parser.lexer.source.error(at: offset, path: path, schema.unknownField(name))
      }
      let fieldPath = path.isEmpty ? field.name : "\(path).\(field.name)"
      if try parser.lexer.take(.word("null")) { return }
      if let problem = draft.begin(field) {
        throw parser.lexer.source.error(at: offset, path: fieldPath, problem)
      }
      try parser.values(of: field, into: &draft, path: fieldPath)
    }
    return draft.bytes
  }

  private mutating func values(
    of field: FieldSchema, into draft: inout MessageDraft, path: String
  ) throws(InferenceError) {
    guard field.isRepeated else { return try value(of: field, into: &draft, path: path) }
    if let entry = field.message, entry.isMapEntry { return try map(entry, field, into: &draft, path: path) }
    guard try lexer.take(.symbol("[")) else { throw error(path, "expected '[', found \(lexer.description)") }
    if try lexer.take(.symbol("]")) { return }
    var count = 0
    while true {
      try value(of: field, into: &draft, path: "\(path)[\(count)]")
      count += 1
      if try lexer.take(.symbol("]")) { return }
      guard try lexer.take(.symbol(",")) else { throw error(path, "expected ',' or ']', found \(lexer.description)") }
    }
  }

  /// An object in the place of a map: each member is an entry.
  private mutating func map(
    _ entry: MessageSchema, _ field: FieldSchema, into draft: inout MessageDraft, path: String
  ) throws(InferenceError) {
    try members(path: path) { parser, name, offset throws(InferenceError) in
      var entryDraft = MessageDraft(entry)
      let key = entry.field(at: 0)
      guard entryDraft.append(ScalarValue(json: name, for: key), to: key) else {
        throw parser.lexer.source.error(
          at: offset, path: path, "expected \(MessageDraft.expectation(of: key)) as a key, found '\(name)'")
      }
      try parser.value(of: entry.field(at: 1), into: &entryDraft, path: "\(path)['\(name)']")
      draft.append(message: entryDraft.bytes, to: field)
    }
  }

  /// The members of an object; `read` is called in front of each value.
  private mutating func members(
    path: String, _ read: (inout JSONParser, String, Int) throws(InferenceError) -> Void
  ) throws(InferenceError) {
    guard try lexer.take(.symbol("{")) else { throw error(path, "expected '{', found \(lexer.description)") }
    if try lexer.take(.symbol("}")) { return }
    while true {
      guard case .string(let name) = lexer.token else {
        throw error(path, "expected a name in quotes, found \(lexer.description)")
      }
      let offset = lexer.offset
      try lexer.advance()
      guard try lexer.take(.symbol(":")) else { throw error(path, "expected ':', found \(lexer.description)") }
      try read(&self, name, offset)
      if try lexer.take(.symbol("}")) { return }
      guard try lexer.take(.symbol(",")) else { throw error(path, "expected ',' or '}', found \(lexer.description)") }
    }
  }

  private mutating func value(
    of field: FieldSchema, into draft: inout MessageDraft, path: String
  ) throws(InferenceError) {
    if let schema = field.message {
      draft.append(message: try message(schema, path: path), to: field)
      return
    }
    let scalar: ScalarValue
    switch lexer.token {
    case .string(let text): scalar = ScalarValue(json: text, for: field)
    case .number(let text): scalar = ScalarValue(number: text) ?? .string([])
    case .word("true"): scalar = .bool(true)
    case .word("false"): scalar = .bool(false)
    default: throw error(path, "expected \(MessageDraft.expectation(of: field)), found \(lexer.description)")
    }
    guard draft.append(scalar, to: field) else {
      if case .string(let text) = lexer.token, field.enumeration != nil { throw error(path, field.unknownValue(text)) }
      throw error(path, "expected \(MessageDraft.expectation(of: field)), found \(lexer.description)")
    }
    try lexer.advance()
  }

  private func error(_ path: String, _ problem: String) -> InferenceError {
    lexer.source.error(at: lexer.offset, path: path, problem)
  }
}

extension MessageSchema {
  /// The field of this name as the schema spells it, or in lowerCamelCase.
  func field(namedInJSON name: String) -> FieldSchema? {
    if let field = field(named: name) { return field }
    var snake = ""
    for character in name {
      if character.isUppercase { snake += "_" }
      snake += character.lowercased()
    }
    return field(named: snake)
  }
}

extension ScalarValue {
  /// What a JSON string means for a field: text, a value's name, or a number in quotes. A string that the field can't
  /// hold stays one, and is refused where it is put in.
  init(json text: String, for field: FieldSchema) {
    self = .string(Array(text.utf8))
    switch field.type {
    case PROTOBUF_C_TYPE_STRING: break
    case PROTOBUF_C_TYPE_ENUM:
      if let value = field.enumeration?.value(named: text) {
        self = .integer(magnitude: UInt64(value.magnitude), isNegative: value < 0)
      }
    case PROTOBUF_C_TYPE_BOOL:
      // Only as the key of a map.
      if text == "true" || text == "false" { self = .bool(text == "true") }
    case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_DOUBLE:
      switch text {
      case "NaN": self = .double(.nan)
      case "Infinity": self = .double(.infinity)
      case "-Infinity": self = .double(-.infinity)
      default: self = ScalarValue(number: text) ?? self
      }
    default:
      self = ScalarValue(number: text) ?? self
    }
  }

  /// A number; whole ones may be written like `1e3` or `2.0`.
  init?(number text: String) {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text[...]
    guard digits.first?.isNumber == true, let number = Double(digits) else { return nil }
    if let magnitude = UInt64(digits) ?? UInt64(exactly: number) {
      self = .integer(magnitude: magnitude, isNegative: isNegative)
    } else {
      self = .double(isNegative ? -number : number)
    }
  }
}
