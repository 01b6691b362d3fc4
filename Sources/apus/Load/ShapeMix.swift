/// One `--shape`: the lengths that open axes take in a share of the requests.
///
/// `NAME:SHAPE`, several joined by `+`, and a percentage after the last: `ids:1,16+mask:1,16:70%`.
package struct ShapeMix: Hashable, Sendable {
  package var shapes: [String: [Int64]]
  /// Share beside the other mixes; nil: what they leave of 100, shared evenly.
  package var percent: Double?

  /// - Throws: `UsageError` with what was expected.
  package init(argument: String) throws(UsageError) {
    var text = argument[...]
    if text.last == "%", let colon = text.lastIndex(of: ":") {
      guard let number = Double(text[text.index(after: colon)...].dropLast()), number > 0, number <= 100 else {
        throw UsageError("--shape '\(argument)': expected a percentage over 0 and up to 100 at its end")
      }
      percent = number
      text = text[..<colon]
    }
    shapes = [:]
    for part in text.split(separator: "+", omittingEmptySubsequences: false) {
      guard let colon = part.lastIndex(of: ":"), colon != part.startIndex,
        let shape = TensorShape.parse(String(part[part.index(after: colon)...]))
      else { throw UsageError("--shape '\(argument)': expected NAME:SHAPE, such as ids:1,16 or ids:1,16:70%") }
      shapes[String(part[..<colon])] = shape
    }
  }

  /// The share of each mix; they sum to 1.
  ///
  /// - Throws: `UsageError` if the percentages are over 100, or do not fill it and none is open.
  package static func weights(_ mixes: [ShapeMix]) throws(UsageError) -> [Double] {
    let stated = mixes.compactMap(\.percent).reduce(0, +)
    let open = mixes.count { $0.percent == nil }
    guard stated <= 100.000_001, open == 0 || stated < 100 else {
      throw UsageError("the percentages of --shape are over 100")
    }
    if open == 0, abs(stated - 100) > 0.001, !mixes.isEmpty {
      throw UsageError("the percentages of --shape sum to \(stated); expected 100")
    }
    return mixes.map { ($0.percent ?? (100 - stated) / Double(open)) / 100 }
  }
}
