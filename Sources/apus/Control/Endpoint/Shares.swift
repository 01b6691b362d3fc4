package import Documents

/// Percent for deployments as a command line gives them: `blue=90 green=10`.
package enum Shares {
  /// - Throws: `UsageError` that names the option and the part. What the numbers add up to is the server's to judge.
  package static func parse(_ text: String, of option: String) throws(UsageError) -> Document {
    var shares = Document.Object()
    for part in text.split(whereSeparator: { $0 == " " || $0 == "," }) {
      let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, !sides[0].isEmpty, let percent = Int(sides[1]), (0...100).contains(percent) else {
        throw UsageError("\(option): expected DEPLOYMENT=PERCENT with a whole percent of 0 to 100, found '\(part)'")
      }
      guard shares[String(sides[0])] == nil else { throw UsageError("\(option): '\(sides[0])' is given twice") }
      shares[String(sides[0])] = .int(percent)
    }
    return .object(shares)
  }
}
