/// Reads tokens into a tree, by the strength with which each binds (top-down operator precedence).
struct QueryParser {
  private let tokens: [QueryToken]
  private var index = 0
  private var depth = 0

  static func expression(of text: String) throws(QueryError) -> QueryExpression {
    var parser = QueryParser(tokens: try QueryLexer.tokens(of: text))
    if case .end = parser.token.kind { throw QueryError("it is empty", at: 0) }
    let expression = try parser.expression(binding: 0)
    guard case .end = parser.token.kind else { throw parser.unexpected("the end") }
    return expression
  }

  private init(tokens: [QueryToken]) { self.tokens = tokens }

  private var token: QueryToken { tokens[index] }

  private mutating func advance() { if index < tokens.count - 1 { index += 1 } }

  private func unexpected(_ wanted: String) -> QueryError {
    QueryError("expected \(wanted), found \(token.name)", at: token.position)
  }

  private mutating func expect(_ kind: QueryToken.Kind, _ name: String) throws(QueryError) {
    guard token.kind == kind else { throw unexpected(name) }
    advance()
  }

  /// Counts a level of the tree, whichever side it grows on: evaluation goes as deep.
  private mutating func deeper() throws(QueryError) {
    depth += 1
    guard depth <= Query.Limits.depth else {
      throw QueryError("it is nested more than \(Query.Limits.depth) levels deep", at: token.position)
    }
  }

  private mutating func expression(binding: Int) throws(QueryError) -> QueryExpression {
    let before = depth
    try deeper()
    var left = try prefix()
    while binding < token.binding {
      try deeper()
      left = try suffix(of: left)
    }
    depth = before
    return left
  }

  // MARK: What begins an expression

  private mutating func prefix() throws(QueryError) -> QueryExpression {
    let first = token
    advance()
    switch first.kind {
    case .literal(let value): return .literal(value)
    case .identifier(let name):
      if case .leftParenthesis = token.kind { return try call(name, at: first.position) }
      return .field(name)
    case .quotedIdentifier(let name):
      if case .leftParenthesis = token.kind {
        throw QueryError("a function's name has no quotes", at: first.position)
      }
      return .field(name)
    case .current: return .current
    case .star:
      if case .rightBracket = token.kind { return .valueProjection(.current, .current) }
      return .valueProjection(.current, try projected(binding: 20))
    case .filter: return try filter(.current)
    case .flatten: return .listProjection(.flatten(.current), try projected(binding: 9))
    case .leftBrace: return try multiObject()
    case .leftParenthesis:
      let inner = try expression(binding: 0)
      try expect(.rightParenthesis, "')'")
      return inner
    case .not: return .not(try expression(binding: QueryToken.notBinding))
    case .reference: return .reference(try expression(binding: 0))
    case .leftBracket:
      switch token.kind {
      case .number, .colon: return try indexOrSlice(.current)
      case .star where tokens[index + 1].kind == .rightBracket:
        advance()
        advance()
        return .listProjection(.current, try projected(binding: 20))
      default: return try multiList()
      }
    default:
      index -= first.kind == .end ? 0 : 1
      throw unexpected("a name, a literal or another expression")
    }
  }

  // MARK: What follows one

  private mutating func suffix(of left: QueryExpression) throws(QueryError) -> QueryExpression {
    let operation = token
    advance()
    switch operation.kind {
    case .dot:
      if case .star = token.kind {
        advance()
        return .valueProjection(left, try projected(binding: 40))
      }
      return .chain(left, try afterDot(binding: 40))
    case .pipe: return .chain(left, try expression(binding: operation.binding))
    case .or: return .or(left, try expression(binding: operation.binding))
    case .and: return .and(left, try expression(binding: operation.binding))
    case .comparison(let comparison): return .comparison(comparison, left, try expression(binding: operation.binding))
    case .filter: return try filter(left)
    case .flatten: return .listProjection(.flatten(left), try projected(binding: 9))
    case .leftBracket:
      switch token.kind {
      case .number, .colon: return try indexOrSlice(left)
      default:
        try expect(.star, "a number, ':' or '*'")
        try expect(.rightBracket, "']'")
        return .listProjection(left, try projected(binding: 20))
      }
    case .leftParenthesis:
      throw QueryError("only a function's name may stand before '('", at: operation.position)
    default:
      index -= 1
      throw unexpected("an operator")
    }
  }

  private mutating func filter(_ left: QueryExpression) throws(QueryError) -> QueryExpression {
    let condition = try expression(binding: 0)
    try expect(.rightBracket, "']' after the condition")
    if case .flatten = token.kind { return .filterProjection(left, condition: condition, each: .current) }
    return .filterProjection(left, condition: condition, each: try projected(binding: 21))
  }

  /// What is asked of each element; nothing where the projection ends.
  private mutating func projected(binding: Int) throws(QueryError) -> QueryExpression {
    if token.binding < QueryToken.projectionStop { return .current }
    switch token.kind {
    case .leftBracket, .filter: return try expression(binding: binding)
    case .dot:
      advance()
      return try afterDot(binding: binding)
    default: throw unexpected("'.', '[' or an operator")
    }
  }

  private mutating func afterDot(binding: Int) throws(QueryError) -> QueryExpression {
    switch token.kind {
    case .identifier, .quotedIdentifier, .star: return try expression(binding: binding)
    case .leftBracket:
      advance()
      return try multiList()
    case .leftBrace:
      advance()
      return try multiObject()
    default: throw unexpected("a name, '*', '[' or '{' after '.'")
    }
  }

  private mutating func indexOrSlice(_ left: QueryExpression) throws(QueryError) -> QueryExpression {
    var parts: [Int?] = [nil, nil, nil]
    var part = 0
    loop: while true {
      switch token.kind {
      case .number(let number) where parts[part] == nil: parts[part] = number
      case .colon where part < 2: part += 1
      case .rightBracket: break loop
      default: throw unexpected("']'")
      }
      if part == 2, parts[2] == 0 { throw QueryError("a slice's step can't be 0", at: token.position) }
      advance()
    }
    advance()
    if part == 0, let number = parts[0] { return .chain(left, .index(number)) }
    let slice = QueryExpression.Slice(start: parts[0], stop: parts[1], step: parts[2])
    return .listProjection(.chain(left, .slice(slice)), try projected(binding: 20))
  }

  private mutating func multiList() throws(QueryError) -> QueryExpression {
    var elements = [try expression(binding: 0)]
    while case .comma = token.kind {
      advance()
      elements.append(try expression(binding: 0))
    }
    try expect(.rightBracket, "',' or ']'")
    return .multiList(elements)
  }

  private mutating func multiObject() throws(QueryError) -> QueryExpression {
    var members: [QueryExpression.Member] = []
    while true {
      let name: String
      switch token.kind {
      case .identifier(let text), .quotedIdentifier(let text): name = text
      default: throw unexpected("a name")
      }
      advance()
      try expect(.colon, "':' after the name")
      members.append(QueryExpression.Member(name: name, value: try expression(binding: 0)))
      guard case .comma = token.kind else { break }
      advance()
    }
    try expect(.rightBrace, "',' or '}'")
    return .multiObject(members)
  }

  private mutating func call(_ name: String, at position: Int) throws(QueryError) -> QueryExpression {
    advance()
    guard let function = QueryFunction(rawValue: name) else {
      throw QueryError("there is no function '\(name)'", at: position)
    }
    var arguments: [QueryExpression] = []
    if token.kind != .rightParenthesis {
      arguments.append(try expression(binding: 0))
      while case .comma = token.kind {
        advance()
        arguments.append(try expression(binding: 0))
      }
    }
    try expect(.rightParenthesis, "',' or ')'")
    try function.checkCount(of: arguments, at: position)
    return .call(function, arguments)
  }
}
