internal import CProtobufC
internal import Inference

/// Reads protobuf's text format, as in `config.pbtxt`, into a message's wire form.
///
/// Source: Protocol Buffers, "Text Format Language Specification". Extensions and `Any` are not read: no configuration
/// has them. It goes as deep as the schema, and no message of the schema contains itself.
struct TextFormatParser {
  private var lexer: TextFormatLexer

  /// The wire form of `text`, a message of this schema.
  ///
  /// - Throws: `.invalidArgument` with line, column, the field's path and what is wrong.
  static func wireForm(of text: String, _ schema: MessageSchema) throws(InferenceError) -> [UInt8] {
    var parser = TextFormatParser(lexer: try TextFormatLexer(SourceText(text)))
    return try parser.fields(of: schema, until: nil, path: "")
  }

  /// Fields up to a closing bracket, which is taken, or up to the end of the text.
  private mutating func fields(
    of schema: MessageSchema, until close: Character?, path: String
  ) throws(InferenceError) -> [UInt8] {
    var draft = MessageDraft(schema)
    var counts: [UInt32: Int] = [:]
    while true {
      if let close, try lexer.take(close) { return draft.bytes }
      if close == nil, lexer.token == .end { return draft.bytes }
      guard case .identifier(let name) = lexer.token else {
        throw error(path, "expected a field\(close.map { " or '\($0)'" } ?? ""), found \(lexer.description)")
      }
      guard let field = schema.field(named: name) else { throw error(path, schema.unknownField(name)) }
      let fieldPath = path.isEmpty ? name : "\(path).\(name)"
      if let problem = draft.begin(field) { throw error(fieldPath, problem) }
      try lexer.advance()
      try values(of: field, into: &draft, path: fieldPath, count: &counts[field.number, default: 0])
      // A field may be followed by one comma or semicolon.
      if try !lexer.take(",") { _ = try lexer.take(";") }
    }
  }

  /// What follows a field's name: `: value`, `: [value, …]`, `{ … }` or `< … >`.
  private mutating func values(
    of field: FieldSchema, into draft: inout MessageDraft, path: String, count: inout Int
  ) throws(InferenceError) {
    let hasColon = try lexer.take(":")
    if !hasColon, field.message == nil { throw error(path, "expected ':', found \(lexer.description)") }
    guard try lexer.take("[") else {
      try value(of: field, into: &draft, path: field.isRepeated ? "\(path)[\(count)]" : path)
      count += 1
      return
    }
    guard field.isRepeated else { throw error(path, "has one value; a list is for repeated fields") }
    if try lexer.take("]") { return }
    while true {
      try value(of: field, into: &draft, path: "\(path)[\(count)]")
      count += 1
      if try lexer.take("]") { return }
      guard try lexer.take(",") else { throw error(path, "expected ',' or ']', found \(lexer.description)") }
    }
  }

  private mutating func value(
    of field: FieldSchema, into draft: inout MessageDraft, path: String
  ) throws(InferenceError) {
    if let schema = field.message {
      let close: Character
      if try lexer.take("{") {
        close = "}"
      } else if try lexer.take("<") {
        close = ">"
      } else {
        throw error(path, "expected '{', found \(lexer.description)")
      }
      draft.append(message: try fields(of: schema, until: close, path: path), to: field)
      return
    }

    let offset = lexer.offset
    let found = lexer.description
    let scalar = try scalar(of: field, path: path)
    guard draft.append(scalar, to: field) else {
      throw lexer.source.error(
        at: offset, path: path, "expected \(MessageDraft.expectation(of: field)), found \(found)")
    }
  }

  /// Reads a value by its look; whether the field can hold it is the draft's to say.
  private mutating func scalar(of field: FieldSchema, path: String) throws(InferenceError) -> ScalarValue {
    let isNegative = try lexer.take("-")
    let token = lexer.token
    switch token {
    case .integer(let magnitude):
      try lexer.advance()
      return .integer(magnitude: magnitude, isNegative: isNegative)
    case .double(let number):
      try lexer.advance()
      return .double(isNegative ? -number : number)
    case .string where !isNegative:
      return try adjacentStrings()
    case .identifier(let name):
      guard let value = namedValue(name, of: field, isNegative: isNegative) else {
        throw error(
          path,
          field.enumeration != nil
            ? field.unknownValue(name) : "expected \(MessageDraft.expectation(of: field)), found '\(name)'")
      }
      try lexer.advance()
      return value
    default:
      throw error(path, "expected \(MessageDraft.expectation(of: field)), found \(lexer.description)")
    }
  }

  /// Strings that follow one another are one.
  private mutating func adjacentStrings() throws(InferenceError) -> ScalarValue {
    var text: [UInt8] = []
    while case .string(let part) = lexer.token {
      text += part
      try lexer.advance()
    }
    return .string(text)
  }

  private func namedValue(_ name: String, of field: FieldSchema, isNegative: Bool) -> ScalarValue? {
    switch field.type {
    case PROTOBUF_C_TYPE_BOOL:
      if isNegative { return nil }
      if ["true", "True", "t"].contains(name) { return .bool(true) }
      return ["false", "False", "f"].contains(name) ? .bool(false) : nil
    case PROTOBUF_C_TYPE_ENUM:
      guard !isNegative, let value = field.enumeration?.value(named: name) else { return nil }
      return .integer(magnitude: UInt64(value.magnitude), isNegative: value < 0)
    case PROTOBUF_C_TYPE_FLOAT, PROTOBUF_C_TYPE_DOUBLE:
      switch name.lowercased() {
      case "inf", "infinity": return .double(isNegative ? -.infinity : .infinity)
      case "nan": return .double(.nan)
      default: return nil
      }
    default:
      return nil
    }
  }

  private func error(_ path: String, _ problem: String) -> InferenceError {
    lexer.source.error(at: lexer.offset, path: path, problem)
  }
}
