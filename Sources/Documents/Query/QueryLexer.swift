/// Cuts a query's text into tokens.
struct QueryLexer {
  private let characters: [Character]
  private var index = 0
  private var tokens: [QueryToken] = []

  /// The text's tokens, with `.end` as the last.
  static func tokens(of text: String) throws(QueryError) -> [QueryToken] {
    guard text.utf8.count <= Query.Limits.textBytes else {
      throw QueryError("it has \(text.utf8.count) bytes; the limit is \(Query.Limits.textBytes)")
    }
    var lexer = QueryLexer(text)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ text: String) { characters = Array(text) }

  private var current: Character? { index < characters.count ? characters[index] : nil }

  private mutating func run() throws(QueryError) {
    while let character = current {
      let start = index
      switch character {
      case " ", "\t", "\n", "\r", "\r\n": index += 1
      case ".": add(.dot)
      case "*": add(.star)
      case ",": add(.comma)
      case ":": add(.colon)
      case "@": add(.current)
      case "]": add(.rightBracket)
      case "(": add(.leftParenthesis)
      case ")": add(.rightParenthesis)
      case "{": add(.leftBrace)
      case "}": add(.rightBrace)
      case "[": addFirst(of: [("[]", .flatten), ("[?", .filter), ("[", .leftBracket)])
      case "|": addFirst(of: [("||", .or), ("|", .pipe)])
      case "&": addFirst(of: [("&&", .and), ("&", .reference)])
      case "<": addFirst(of: [("<=", .comparison(.lessOrEqual)), ("<", .comparison(.less))])
      case ">": addFirst(of: [(">=", .comparison(.greaterOrEqual)), (">", .comparison(.greater))])
      case "!": addFirst(of: [("!=", .comparison(.unequal)), ("!", .not)])
      case "=":
        guard index + 1 < characters.count, characters[index + 1] == "=" else {
          throw QueryError("'=' is no operator; equality is '=='", at: start)
        }
        addFirst(of: [("==", .comparison(.equal))])
      case "'": tokens.append(QueryToken(kind: .literal(.string(try rawString())), position: start))
      case "`": tokens.append(QueryToken(kind: .literal(try jsonLiteral()), position: start))
      case "\"": tokens.append(QueryToken(kind: .quotedIdentifier(try quotedIdentifier()), position: start))
      case "-", "0"..."9": tokens.append(QueryToken(kind: .number(try number()), position: start))
      case "a"..."z", "A"..."Z", "_": tokens.append(QueryToken(kind: .identifier(identifier()), position: start))
      default: throw QueryError("'\(character)' has no meaning here", at: start)
      }
    }
    tokens.append(QueryToken(kind: .end, position: characters.count))
  }

  private mutating func add(_ kind: QueryToken.Kind) {
    tokens.append(QueryToken(kind: kind, position: index))
    index += 1
  }

  /// The longest first, and the last is sure to fit.
  private mutating func addFirst(of candidates: [(text: String, kind: QueryToken.Kind)]) {
    for (text, kind) in candidates where characters[index...].starts(with: text) {
      tokens.append(QueryToken(kind: kind, position: index))
      index += text.count
      return
    }
  }

  private mutating func identifier() -> String {
    let start = index
    while let character = current, character.isASCII, character.isLetter || character.isNumber || character == "_" {
      index += 1
    }
    return String(characters[start..<index])
  }

  private mutating func number() throws(QueryError) -> Int {
    let start = index
    index += 1
    while let character = current, character.isASCII, character.isNumber { index += 1 }
    let text = String(characters[start..<index])
    if text == "-" { throw QueryError("'-' without a number", at: start) }
    guard let number = Int(text) else { throw QueryError("\(text) is out of range of 64-bit integers", at: start) }
    return number
  }

  /// What stands between two delimiters, with backslashes as written.
  private mutating func text(until delimiter: Character) throws(QueryError) -> String {
    let start = index
    index += 1
    var text = ""
    while let character = current, character != delimiter {
      text.append(character)
      index += 1
      if character == "\\", let escaped = current {
        text.append(escaped)
        index += 1
      }
    }
    guard current != nil else { throw QueryError("\(delimiter) is never closed", at: start) }
    index += 1
    return text
  }

  private mutating func rawString() throws(QueryError) -> String {
    try text(until: "'").replacing("\\'", with: "'")
  }

  private mutating func quotedIdentifier() throws(QueryError) -> String {
    let start = index
    let text = "\"\(try text(until: "\""))\""
    guard case .string(let name)? = QueryValue(json: text) else {
      throw QueryError("\(text) is not a JSON string", at: start)
    }
    return name
  }

  /// JSON between backquotes. A bare word is a string, as in the language's first version and in many a pipeline.
  private mutating func jsonLiteral() throws(QueryError) -> QueryValue {
    let start = index
    let text = try text(until: "`").replacing("\\`", with: "`")
    if let value = QueryValue(json: text) { return value }
    guard let value = QueryValue(json: "\"\(text.drop { $0.isWhitespace })\"") else {
      throw QueryError("`\(text)` is not JSON", at: start)
    }
    return value
  }
}
