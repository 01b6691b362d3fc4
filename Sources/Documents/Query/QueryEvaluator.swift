/// Answers an expression for a value.
struct QueryEvaluator {
  private var stepsLeft = Query.Limits.steps

  mutating func step(_ count: Int = 1) throws(QueryError) {
    stepsLeft -= count
    guard stepsLeft >= 0 else { throw QueryError("the answer takes more than \(Query.Limits.steps) steps") }
  }

  mutating func evaluate(_ expression: QueryExpression, _ value: QueryValue) throws(QueryError) -> QueryValue {
    try step()
    switch expression {
    case .current: return value
    case .literal(let literal): return literal
    case .reference(let inner): return .expression(inner)
    case .field(let name): return value.member(name)
    case .index(let index): return element(index, of: value)
    case .slice(let slice): return try sliced(value, slice)
    case .chain(let left, let right): return try evaluate(right, try evaluate(left, value))
    case .flatten(let inner): return try flattened(try evaluate(inner, value))
    case .listProjection(let left, let each):
      guard case .list(let elements) = try evaluate(left, value) else { return .null }
      return try projection(elements, each)
    case .valueProjection(let left, let each):
      guard case .object(let members) = try evaluate(left, value) else { return .null }
      return try projection(members.map(\.value), each)
    case .filterProjection(let left, let condition, let each):
      guard case .list(let elements) = try evaluate(left, value) else { return .null }
      var kept: [QueryValue] = []
      for element in elements where try evaluate(condition, element).isTrue { kept.append(element) }
      return try projection(kept, each)
    case .comparison(let comparison, let left, let right):
      return compare(comparison, try evaluate(left, value), try evaluate(right, value))
    case .or(let left, let right):
      let first = try evaluate(left, value)
      return first.isTrue ? first : try evaluate(right, value)
    case .and(let left, let right):
      let first = try evaluate(left, value)
      return first.isTrue ? try evaluate(right, value) : first
    case .not(let inner): return .bool(!(try evaluate(inner, value).isTrue))
    case .multiList(let expressions):
      if value == .null { return .null }
      var elements: [QueryValue] = []
      for expression in expressions { elements.append(try evaluate(expression, value)) }
      return .list(elements)
    case .multiObject(let members):
      if value == .null { return .null }
      var made: [QueryValue.Member] = []
      for member in members { made.set(member.name, try evaluate(member.value, value)) }
      return .object(made)
    case .call(let function, let expressions):
      var arguments: [QueryValue] = []
      for expression in expressions { arguments.append(try evaluate(expression, value)) }
      return try call(function, arguments)
    }
  }

  private mutating func projection(
    _ elements: [QueryValue], _ each: QueryExpression
  ) throws(QueryError) -> QueryValue {
    var answers: [QueryValue] = []
    for element in elements {
      let answer = try evaluate(each, element)
      if answer != .null { answers.append(answer) }
    }
    return .list(answers)
  }

  private func element(_ index: Int, of value: QueryValue) -> QueryValue {
    guard case .list(let elements) = value else { return .null }
    let place = index < 0 ? elements.count + index : index
    return elements.indices.contains(place) ? elements[place] : .null
  }

  private mutating func flattened(_ value: QueryValue) throws(QueryError) -> QueryValue {
    guard case .list(let elements) = value else { return .null }
    var flat: [QueryValue] = []
    for element in elements {
      guard case .list(let inner) = element else {
        flat.append(element)
        continue
      }
      try step(inner.count)
      flat += inner
    }
    return .list(flat)
  }

  private mutating func sliced(
    _ value: QueryValue, _ slice: QueryExpression.Slice
  ) throws(QueryError) -> QueryValue {
    guard case .list(let elements) = value else { return .null }
    let count = elements.count
    let step = slice.step ?? 1
    // Ends past the list mean its ends; going backwards, one before the first is an end too.
    let lowest = step > 0 ? 0 : -1
    let highest = step > 0 ? count : count - 1
    func place(_ index: Int?, _ absent: Int) -> Int {
      guard let index else { return absent }
      return min(max(index < 0 ? index.addingReportingOverflow(count).partialValue : index, lowest), highest)
    }
    let start = place(slice.start, step > 0 ? lowest : highest)
    let stop = place(slice.stop, step > 0 ? highest : lowest)
    return .list(stride(from: start, to: stop, by: step).map { elements[$0] })
  }

  private func compare(
    _ comparison: QueryExpression.Comparison, _ left: QueryValue, _ right: QueryValue
  ) -> QueryValue {
    switch comparison {
    case .equal: return .bool(left.isEqual(to: right))
    case .unequal: return .bool(!left.isEqual(to: right))
    case .less: return left.isLess(than: right).map { .bool($0) } ?? .null
    case .greater: return right.isLess(than: left).map { .bool($0) } ?? .null
    case .lessOrEqual: return left.isLess(than: right).map { .bool($0 || left.isEqual(to: right)) } ?? .null
    case .greaterOrEqual: return right.isLess(than: left).map { .bool($0 || left.isEqual(to: right)) } ?? .null
    }
  }
}

extension [QueryValue.Member] {
  /// The last value given for a name holds, at the place of the first.
  mutating func set(_ name: String, _ value: QueryValue) {
    if let place = firstIndex(where: { $0.name.isSameText(as: name) }) {
      self[place].value = value
    } else {
      append(QueryValue.Member(name: name, value: value))
    }
  }
}
