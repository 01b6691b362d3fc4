/// Durations as ISO 8601 writes them: `PT5S`, `PT0.5S`, `P1DT12H`. Years and months have no length here.
package enum ISODuration {
  /// Longest that is read: a year of 366 days.
  package static let maxMilliseconds = 366 * 86_400_000

  /// The milliseconds of a text; `nil` if it is none, is longer than the limit, or has parts of a millisecond.
  package static func milliseconds(_ text: String) -> Int? {
    guard text.count <= 64, text.first == "P" else { return nil }
    var total = 0
    var isTime = false
    var number = ""
    // Units come in this order, each at most once.
    var left = "WDTHMS"[...]
    for character in text.dropFirst() {
      if character.isASCII && character.isNumber || character == "." {
        number.append(character)
        continue
      }
      guard let unit = left.firstIndex(of: character) else { return nil }
      left = left[left.index(after: unit)...]
      if character == "T" {
        guard number.isEmpty else { return nil }
        isTime = true
        continue
      }
      let lengths: [Character: Int] =
        isTime ? ["H": 3_600_000, "M": 60_000, "S": 1000] : ["W": 7 * 86_400_000, "D": 86_400_000]
      guard let length = lengths[character],
        let part = milliseconds(of: number, times: length, mayHaveFraction: character == "S")
      else {
        return nil
      }
      total += part
      guard total <= maxMilliseconds else { return nil }
      number = ""
    }
    guard number.isEmpty, text.last != "T", text.count > 2 else { return nil }
    return total
  }

  private static func milliseconds(of number: String, times length: Int, mayHaveFraction: Bool) -> Int? {
    let halves = number.split(separator: ".", omittingEmptySubsequences: false)
    guard halves.count <= 2, let whole = Int(halves[0]), whole <= maxMilliseconds / length else { return nil }
    guard halves.count == 2 else { return whole * length }
    // Zeros beyond the milliseconds, as .NET writes them, add nothing.
    let digits = halves[1].prefix(3)
    guard mayHaveFraction, !digits.isEmpty, halves[1].dropFirst(3).allSatisfy({ $0 == "0" }),
      let fraction = Int(digits + String(repeating: "0", count: 3 - digits.count))
    else { return nil }
    return whole * length + fraction
  }

  /// The shortest text: `PT1M30S`, `PT0.25S`, `P1D`, `PT0S`.
  package static func text(_ milliseconds: Int) -> String {
    let days = milliseconds / 86_400_000
    let hours = milliseconds / 3_600_000 % 24
    let minutes = milliseconds / 60_000 % 60
    let rest = milliseconds % 60_000
    var time = (hours > 0 ? "\(hours)H" : "") + (minutes > 0 ? "\(minutes)M" : "")
    if rest > 0 || days == 0 && time.isEmpty {
      var fraction = String(String(1000 + rest % 1000).dropFirst())
      while fraction.last == "0" { fraction.removeLast() }
      time += "\(rest / 1000)" + (fraction.isEmpty ? "" : ".\(fraction)") + "S"
    }
    return "P" + (days > 0 ? "\(days)D" : "") + (time.isEmpty ? "" : "T\(time)")
  }
}
