/// A word of the query language, and where it stands.
struct QueryToken: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    case identifier(String)
    case quotedIdentifier(String)
    case literal(QueryValue)
    case number(Int)
    case dot, star, comma, colon, current, pipe, or, and, not, reference
    case flatten, filter, leftBracket, rightBracket, leftParenthesis, rightParenthesis, leftBrace, rightBrace
    case comparison(QueryExpression.Comparison)
    case end
  }

  let kind: Kind
  /// In characters from the begin of the text.
  let position: Int

  /// How strongly it holds on to what stands before it. Source of the order: the grammar's precedence table (pipe, or,
  /// and, comparisons, then what makes projections, then what only looks closer).
  var binding: Int {
    switch kind {
    case .pipe: 1
    case .or: 2
    case .and: 3
    case .comparison: 5
    case .flatten: 9
    case .star: 20
    case .filter: 21
    case .dot: 40
    case .not: Self.notBinding
    case .leftBrace: 50
    case .leftBracket: 55
    case .leftParenthesis: 60
    default: 0
    }
  }

  static let notBinding = 45

  /// A token that binds less than this ends a projection: what follows sees the whole list again.
  static let projectionStop = 10

  /// As messages name it.
  var name: String {
    switch kind {
    case .identifier(let name): "'\(name)'"
    case .quotedIdentifier(let name): "'\"\(name)\"'"
    case .literal: "a literal"
    case .number(let number): "'\(number)'"
    case .dot: "'.'"
    case .star: "'*'"
    case .comma: "','"
    case .colon: "':'"
    case .current: "'@'"
    case .pipe: "'|'"
    case .or: "'||'"
    case .and: "'&&'"
    case .not: "'!'"
    case .reference: "'&'"
    case .flatten: "'[]'"
    case .filter: "'[?'"
    case .leftBracket: "'['"
    case .rightBracket: "']'"
    case .leftParenthesis: "'('"
    case .rightParenthesis: "')'"
    case .leftBrace: "'{'"
    case .rightBrace: "'}'"
    case .comparison(let comparison): "'\(comparison.rawValue)'"
    case .end: "the end"
    }
  }
}
