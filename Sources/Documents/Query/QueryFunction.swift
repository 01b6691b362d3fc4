/// The functions of the language, by the names that a query calls.
enum QueryFunction: String, CaseIterable, Hashable {
  case abs, avg, ceil, contains, floor, join, keys, length, map, max, merge, min, reverse, sort, sum, type, values
  case endsWith = "ends_with"
  case maxBy = "max_by"
  case minBy = "min_by"
  case notNull = "not_null"
  case sortBy = "sort_by"
  case startsWith = "starts_with"
  case toArray = "to_array"
  case toNumber = "to_number"
  case toString = "to_string"

  /// What an argument may be.
  struct Parameter: Sendable {
    let types: [String]
    /// What an array's elements may be, all the same; empty for any.
    let elements: [String]

    static let any = Parameter([])
    static let number = Parameter(["number"])
    static let string = Parameter(["string"])
    static let array = Parameter(["array"])
    static let object = Parameter(["object"])
    static let expression = Parameter(["expression"])
    static let numbers = Parameter(["array"], of: ["number"])
    static let strings = Parameter(["array"], of: ["string"])
    static let ordered = Parameter(["array"], of: ["number", "string"])

    init(_ types: [String], of elements: [String] = []) {
      self.types = types
      self.elements = elements
    }

    var name: String {
      if types.isEmpty { return "any value" }
      if elements.isEmpty { return types.joined(separator: " or ") }
      return "array of " + elements.map { "\($0)s" }.joined(separator: " or of ")
    }

    func accepts(_ value: QueryValue) -> Bool {
      if types.isEmpty { return value.type != "expression" }
      guard types.contains(value.type) else { return false }
      guard !elements.isEmpty, case .list(let list) = value, let first = list.first?.type else { return true }
      return elements.contains(first) && list.allSatisfy { $0.type == first }
    }
  }

  var parameters: [Parameter] {
    switch self {
    case .abs, .ceil, .floor: [.number]
    case .avg, .sum: [.numbers]
    case .contains: [Parameter(["array", "string"]), .any]
    case .endsWith, .startsWith: [.string, .string]
    case .join: [.string, .strings]
    case .keys, .values, .merge: [.object]
    case .length: [Parameter(["string", "array", "object"])]
    case .map: [.expression, .array]
    case .max, .min, .sort: [.ordered]
    case .maxBy, .minBy, .sortBy: [.array, .expression]
    case .reverse: [Parameter(["array", "string"])]
    case .notNull, .toArray, .toNumber, .toString, .type: [.any]
    }
  }

  /// Whether the last parameter may be given again and again.
  var isVariadic: Bool { self == .notNull || self == .merge }

  func checkCount(of arguments: [QueryExpression], at position: Int) throws(QueryError) {
    let wanted = parameters.count
    if isVariadic ? arguments.count >= wanted : arguments.count == wanted { return }
    let arity = "\(wanted) argument\(wanted == 1 ? "" : "s")\(isVariadic ? " or more" : "")"
    throw QueryError("\(rawValue)() takes \(arity); \(arguments.count) given", at: position)
  }

  func checkTypes(of arguments: [QueryValue]) throws(QueryError) {
    let parameters = parameters
    for (place, argument) in arguments.enumerated() {
      let parameter = parameters[Swift.min(place, parameters.count - 1)]
      guard !parameter.accepts(argument) else { continue }
      var found = argument.type
      if case .list(let elements) = argument, !parameter.elements.isEmpty {
        found = "array of " + Set(elements.map(\.type)).sorted().joined(separator: " and ")
      }
      throw QueryError("\(rawValue)(): argument \(place + 1): expected \(parameter.name), found \(found)")
    }
  }
}
