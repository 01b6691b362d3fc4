/// A query as a tree: what is looked up in what.
indirect enum QueryExpression: Hashable, Sendable {
  enum Comparison: String, Hashable {
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case lessOrEqual = "<="
    case greater = ">"
    case greaterOrEqual = ">="
  }

  struct Member: Hashable, Sendable {
    let name: String
    let value: QueryExpression
  }

  struct Slice: Hashable, Sendable {
    var start: Int?
    var stop: Int?
    var step: Int?
  }

  /// What is looked at: `@`, or nothing before the first word.
  case current
  case literal(QueryValue)
  case field(String)
  case index(Int)
  case slice(Slice)
  /// The right side, asked of the left side's answer: `a.b`, `a[0]`, `a | b`.
  case chain(QueryExpression, QueryExpression)
  /// The right side, asked of each element of a list; nulls are left out.
  case listProjection(QueryExpression, QueryExpression)
  /// The same of each value of an object.
  case valueProjection(QueryExpression, QueryExpression)
  case filterProjection(QueryExpression, condition: QueryExpression, each: QueryExpression)
  case flatten(QueryExpression)
  case comparison(Comparison, QueryExpression, QueryExpression)
  case or(QueryExpression, QueryExpression)
  case and(QueryExpression, QueryExpression)
  case not(QueryExpression)
  case multiList([QueryExpression])
  case multiObject([Member])
  case call(QueryFunction, [QueryExpression])
  /// `&a`: the expression itself, for functions that apply it.
  case reference(QueryExpression)
}
