/// A tree of values as YAML and JSON know them, with objects that keep the order of their keys.
///
/// It knows nothing of resources: `Resources` gives the trees their meaning. Where a tree was read from a file,
/// `SourceLines` holds the lines that its parts stand on; they are no part of the value.
package enum Document: Hashable, Sendable {
  case null
  case bool(Bool)
  /// A whole number. One that does not fit 64 bits with a sign is a `double`.
  case int(Int)
  case double(Double)
  case string(String)
  case array([Document])
  case object(Object)

  /// Keys and values in the order they were written. Two objects are equal if the same keys have equal values.
  package struct Object: Sendable {
    package private(set) var keys: [String] = []
    private var values: [String: Document] = [:]

    package init() {}

    package var isEmpty: Bool { keys.isEmpty }
    package var count: Int { keys.count }

    /// The value at a key. Setting a new key puts it last; setting `nil` removes the key.
    package subscript(key: String) -> Document? {
      get { values[key] }
      set {
        guard let newValue else {
          if values.removeValue(forKey: key) != nil { keys.removeAll { $0 == key } }
          return
        }
        if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
      }
    }
  }
}

extension Document.Object: Hashable {
  package static func == (left: Self, right: Self) -> Bool { left.values == right.values }
  package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

extension Document.Object: Sequence {
  package func makeIterator() -> AnyIterator<(key: String, value: Document)> {
    var keys = keys.makeIterator()
    return AnyIterator { keys.next().map { ($0, values[$0] ?? .null) } }
  }
}

extension Document.Object: ExpressibleByDictionaryLiteral {
  package init(dictionaryLiteral elements: (String, Document)...) {
    for (key, value) in elements { self[key] = value }
  }
}

// MARK: - Literals

extension Document: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int) { self = .int(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(arrayLiteral elements: Document...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, Document)...) {
    var object = Object()
    for (key, value) in elements { object[key] = value }
    self = .object(object)
  }
}

// MARK: - Parts

extension Document {
  package var object: Object? { if case .object(let value) = self { value } else { nil } }
  package var array: [Document]? { if case .array(let value) = self { value } else { nil } }
  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var int: Int? { if case .int(let value) = self { value } else { nil } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// A number of either kind.
  package var double: Double? {
    switch self {
    case .double(let value): value
    case .int(let value): Double(value)
    default: nil
    }
  }

  /// The value at a key, if this is an object that has it.
  package subscript(key: String) -> Document? { object?[key] }
  /// The element at an index, if this is a list that long.
  package subscript(index: Int) -> Document? {
    guard let array, array.indices.contains(index) else { return nil }
    return array[index]
  }

  /// What it is, in the words of error messages.
  package var kind: String {
    switch self {
    case .null: "nothing"
    case .bool: "true or false"
    case .int, .double: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// The value as error messages quote it: short values as they are, long and nested ones in words.
  package var quoted: String {
    switch self {
    case .null: "nothing"
    case .bool(let value): "\(value)"
    case .int(let value): "\(value)"
    case .double(let value): "\(value)"
    case .string(let value): value.count <= 64 ? "'\(value)'" : "'\(value.prefix(60))…'"
    case .array(let value): "a list of \(value.count)"
    case .object(let value):
      value.count == 1 ? "an object with the key '\(value.keys[0])'" : "an object of \(value.count) keys"
    }
  }
}
