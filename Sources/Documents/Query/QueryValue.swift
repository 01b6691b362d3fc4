/// What a query works on and answers with: JSON's values, and expressions that functions apply.
indirect enum QueryValue: Hashable, Sendable {
  struct Member: Hashable, Sendable {
    var name: String
    var value: QueryValue
  }

  case null
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  case list([QueryValue])
  /// In the document's order.
  case object([Member])
  case expression(QueryExpression)

  /// The member's value; null if there is none, or no members at all.
  func member(_ name: String) -> QueryValue {
    guard case .object(let members) = self else { return .null }
    return members.first { $0.name.isSameText(as: name) }?.value ?? .null
  }

  /// The language's truth: false, null and what is empty are false, 0 is not.
  var isTrue: Bool {
    switch self {
    case .null, .bool(false): false
    case .string(let text): !text.isEmpty
    case .list(let elements): !elements.isEmpty
    case .object(let members): !members.isEmpty
    case .bool, .integer, .number, .expression: true
    }
  }

  var asNumber: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The type's name in the language.
  var type: String {
    switch self {
    case .null: "null"
    case .bool: "boolean"
    case .integer, .number: "number"
    case .string: "string"
    case .list: "array"
    case .object: "object"
    case .expression: "expression"
    }
  }

  /// Equal in value: 1 is 1.0, and the order of an object's members says nothing.
  func isEqual(to other: QueryValue) -> Bool {
    switch (self, other) {
    case (.null, .null): true
    case (.bool(let left), .bool(let right)): left == right
    case (.integer(let left), .integer(let right)): left == right
    case (.integer, .number), (.number, .integer), (.number, .number): asNumber == other.asNumber
    case (.string(let left), .string(let right)): left.isSameText(as: right)
    case (.list(let left), .list(let right)):
      left.count == right.count && zip(left, right).allSatisfy { $0.isEqual(to: $1) }
    case (.object(let left), .object(let right)):
      left.count == right.count
        && left.allSatisfy { member in
          right.contains { $0.name.isSameText(as: member.name) && $0.value.isEqual(to: member.value) }
        }
    case (.expression(let left), .expression(let right)): left == right
    default: false
    }
  }

  /// Whether it comes first in order: numbers by value, strings by their characters' numbers. Nil for others.
  func isLess(than other: QueryValue) -> Bool? {
    switch (self, other) {
    case (.integer(let left), .integer(let right)): return left < right
    case (.string(let left), .string(let right)):
      return left.unicodeScalars.lexicographicallyPrecedes(right.unicodeScalars)
    default:
      guard let left = asNumber, let right = other.asNumber else { return nil }
      return left < right
    }
  }
}

extension String {
  /// Character by character as written; `==` also calls texts equal that are spelled with other characters.
  func isSameText(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
