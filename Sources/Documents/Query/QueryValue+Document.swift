extension QueryValue {
  init(_ document: Document) {
    self =
      switch document {
      case .null: .null
      case .bool(let value): .bool(value)
      case .int(let value): .integer(Int64(value))
      case .double(let value): .number(value)
      case .string(let value): .string(value)
      case .array(let elements): .list(elements.map { QueryValue($0) })
      case .object(let members): .object(members.map { Member(name: $0.key, value: QueryValue($0.value)) })
      }
  }

  /// As a document. An answer may hold the same list many times over, so that its size has a limit of its own.
  ///
  /// - Parameter size: Values made so far.
  func document(counting size: inout Int) throws(QueryError) -> Document {
    size += 1
    guard size <= Query.Limits.steps else { throw QueryError("the answer has more than \(Query.Limits.steps) values") }
    switch self {
    case .null: return .null
    case .bool(let value): return .bool(value)
    case .integer(let value): return .int(Int(value))
    case .number(let value): return .double(value)
    case .string(let value): return .string(value)
    case .list(let elements):
      var made: [Document] = []
      for element in elements { made.append(try element.document(counting: &size)) }
      return .array(made)
    case .object(let members):
      var made = Document.Object()
      for member in members { made[member.name] = try member.value.document(counting: &size) }
      return .object(made)
    case .expression: throw QueryError("its answer is an expression (&…), which only functions can use")
    }
  }
}
