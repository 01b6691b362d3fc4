extension QueryEvaluator {
  mutating func call(_ function: QueryFunction, _ arguments: [QueryValue]) throws(QueryError) -> QueryValue {
    try function.checkTypes(of: arguments)
    if case .list(let elements)? = arguments.first { try step(elements.count) }
    switch (function, arguments[0]) {
    case (.abs, .integer(let value)): return value == .min ? .number(-Double(value)) : .integer(Swift.abs(value))
    case (.abs, .number(let value)): return .number(Swift.abs(value))
    case (.ceil, .number(let value)): return rounded(value.rounded(.up))
    case (.floor, .number(let value)): return rounded(value.rounded(.down))
    case (.ceil, let value), (.floor, let value): return value
    case (.avg, .list(let elements)):
      return elements.isEmpty ? .null : .number((sum(elements).asNumber ?? 0) / Double(elements.count))
    case (.sum, .list(let elements)): return sum(elements)
    case (.contains, .list(let elements)): return .bool(elements.contains { $0.isEqual(to: arguments[1]) })
    case (.contains, .string(let text)):
      guard case .string(let part) = arguments[1] else { return .bool(false) }
      return .bool(text.unicodeScalars.contains(part.unicodeScalars))
    case (.startsWith, .string(let text)): return .bool(text.utf8.starts(with: arguments[1].text.utf8))
    case (.endsWith, .string(let text)):
      return .bool(text.utf8.reversed().starts(with: arguments[1].text.utf8.reversed()))
    case (.join, .string(let separator)):
      return .string(arguments[1].elements.map(\.text).joined(separator: separator))
    case (.keys, .object(let members)): return .list(members.map { .string($0.name) })
    case (.values, .object(let members)): return .list(members.map(\.value))
    case (.merge, _):
      var merged: [QueryValue.Member] = []
      for case .object(let members) in arguments {
        for member in members { merged.set(member.name, member.value) }
      }
      return .object(merged)
    case (.length, .string(let text)): return .integer(Int64(text.unicodeScalars.count))
    case (.length, .list(let elements)): return .integer(Int64(elements.count))
    case (.length, .object(let members)): return .integer(Int64(members.count))
    case (.map, .expression(let expression)):
      var answers: [QueryValue] = []
      for element in arguments[1].elements { answers.append(try evaluate(expression, element)) }
      return .list(answers)
    case (.max, .list(let elements)): return elements.best { $1.isLess(than: $0) ?? false } ?? .null
    case (.min, .list(let elements)): return elements.best { $0.isLess(than: $1) ?? false } ?? .null
    case (.sort, .list(let elements)): return .list(sorted(elements.map { ($0, $0) }))
    case (.sortBy, .list): return .list(sorted(try keyed(function, arguments)))
    case (.maxBy, .list):
      return try keyed(function, arguments).best { $1.key.isLess(than: $0.key) ?? false }?.value ?? .null
    case (.minBy, .list):
      return try keyed(function, arguments).best { $0.key.isLess(than: $1.key) ?? false }?.value ?? .null
    case (.reverse, .list(let elements)): return .list(elements.reversed())
    case (.reverse, .string(let text)):
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
    case (.notNull, _): return arguments.first { $0 != .null } ?? .null
    case (.toArray, .list): return arguments[0]
    case (.toArray, let value): return .list([value])
    case (.toNumber, .integer), (.toNumber, .number): return arguments[0]
    case (.toNumber, .string(let text)): return QueryValue(number: text)
    case (.toNumber, _): return .null
    case (.toString, .string): return arguments[0]
    case (.toString, let value): return .string(value.json)
    case (.type, let value): return .string(value.type)
    default: return .null
    }
  }

  /// Each element with what the expression says of it: all numbers, or all strings.
  private mutating func keyed(
    _ function: QueryFunction, _ arguments: [QueryValue]
  ) throws(QueryError) -> [(key: QueryValue, value: QueryValue)] {
    guard case .expression(let expression) = arguments[1] else { return [] }
    var pairs: [(key: QueryValue, value: QueryValue)] = []
    for element in arguments[0].elements {
      let key = try evaluate(expression, element)
      guard key.type == "number" || key.type == "string", key.type == pairs.first?.key.type ?? key.type else {
        let wanted = pairs.first?.key.type ?? "number or string"
        throw QueryError("\(function.rawValue)(): the expression gives \(key.type) for an element; expected \(wanted)")
      }
      pairs.append((key, element))
    }
    return pairs
  }

  /// By key, and what is equal in its old order.
  private func sorted(_ pairs: [(key: QueryValue, value: QueryValue)]) -> [QueryValue] {
    pairs.enumerated().sorted { left, right in
      if left.element.key.isLess(than: right.element.key) ?? false { return true }
      if right.element.key.isLess(than: left.element.key) ?? false { return false }
      return left.offset < right.offset
    }.map(\.element.value)
  }

  private func rounded(_ value: Double) -> QueryValue { Int64(exactly: value).map { .integer($0) } ?? .number(value) }

  /// Whole as long as all are and the sum fits.
  private func sum(_ elements: [QueryValue]) -> QueryValue {
    var whole: Int64 = 0
    for element in elements {
      guard case .integer(let value) = element else { return .number(elements.reduce(0) { $0 + ($1.asNumber ?? 0) }) }
      let (next, overflow) = whole.addingReportingOverflow(value)
      if overflow { return .number(elements.reduce(0) { $0 + ($1.asNumber ?? 0) }) }
      whole = next
    }
    return .integer(whole)
  }
}

extension QueryValue {
  fileprivate var text: String {
    if case .string(let text) = self { text } else { "" }
  }

  fileprivate var elements: [QueryValue] {
    if case .list(let elements) = self { elements } else { [] }
  }
}

extension Array {
  /// The element that none is better than; the first of equals.
  fileprivate func best(_ isBetter: (Element, Element) -> Bool) -> Element? {
    guard var best = first else { return nil }
    for element in dropFirst() where isBetter(element, best) { best = element }
    return best
  }
}
