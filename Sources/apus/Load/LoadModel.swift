/// One model of a load test as it is named on the command line: `NAME`, `NAME=WEIGHT`, `NAME@PRIORITY` or
/// `NAME=WEIGHT@PRIORITY`.
package struct LoadModel: Hashable, Sendable {
  package var name: String
  /// Share of the requests, beside the other models' weights.
  package var weight = 1.0
  /// Triton's: 1 is the highest. Nil: the model's own.
  package var priority: UInt64?

  package init(name: String, weight: Double = 1, priority: UInt64? = nil) {
    (self.name, self.weight, self.priority) = (name, weight, priority)
  }

  /// - Throws: `UsageError` for a weight or a priority that is none.
  package init(argument: String) throws(UsageError) {
    var rest = argument[...]
    if let at = rest.lastIndex(of: "@") {
      guard let number = UInt64(rest[rest.index(after: at)...]) else {
        throw UsageError("model '\(argument)': expected a priority after '@', a whole number")
      }
      priority = number
      rest = rest[..<at]
    }
    if let equals = rest.lastIndex(of: "=") {
      guard let number = Double(rest[rest.index(after: equals)...]), number > 0, number.isFinite else {
        throw UsageError("model '\(argument)': expected a weight after '=', a number over 0")
      }
      weight = number
      rest = rest[..<equals]
    }
    name = String(rest)
    guard !name.isEmpty else { throw UsageError("model '\(argument)' has no name") }
  }

  /// For reports: the name, with the priority where there is one.
  package var label: String { priority.map { "\(name)@\($0)" } ?? name }
}
