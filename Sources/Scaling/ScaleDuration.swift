package import Inference

/// Lengths of time as autoscale settings write them: `30s`, `5m`, `1h30m`, `2d`, or ISO 8601's `PT5M`.
package enum ScaleDuration {
  private static let units: [(letter: Character, seconds: UInt64)] = [
    ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1),
  ]

  /// - Parameter field: What the text is the value of, for the error.
  /// - Returns: Whole seconds, at least 1 and at most 366 days.
  /// - Throws: `.invalidArgument` that says what is expected.
  package static func seconds(_ text: String, field: String) throws(InferenceError) -> UInt64 {
    let wrong = InferenceError.invalidArgument(
      "\(field) is '\(text)'; expected a time such as 30s, 5m, 1h30m or PT5M, from 1 second to 366 days")
    var rest = Substring(text.lowercased())
    let isISO = rest.hasPrefix("p")
    var isTime = !isISO
    if isISO { rest.removeFirst() }
    var total: UInt64 = 0
    var nextUnit = 0
    var hasPart = false
    while let first = rest.first {
      if isISO, first == "t", !isTime {
        isTime = true
        rest.removeFirst()
        continue
      }
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      // Nine digits can't overflow below.
      guard let value = UInt64(digits), digits.count <= 9, let letter = rest.popFirst(),
        let unit = units.firstIndex(where: { $0.letter == letter }), unit >= nextUnit,
        !isISO || (letter == "d") != isTime
      else { throw wrong }
      total += value * units[unit].seconds
      nextUnit = unit + 1
      hasPart = true
    }
    guard hasPart, total >= 1, total <= 366 * 86_400 else { throw wrong }
    return total
  }

  /// The shortest form: `5m`, `1h30m`.
  package static func text(seconds: UInt64) -> String {
    var left = seconds
    var text = ""
    for unit in units where left >= unit.seconds {
      text += "\(left / unit.seconds)\(unit.letter)"
      left %= unit.seconds
    }
    return text.isEmpty ? "0s" : text
  }
}
