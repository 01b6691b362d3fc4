package import Inference

/// How far the clocks on the wall of a region are from UTC, now and on any day.
package struct ScaleTimeZone: Hashable, Sendable {
  package let name: String
  private let rules: TimeZoneRules

  package static let utc = ScaleTimeZone(name: "UTC", rules: TimeZoneRules(fixedOffset: 0))

  private init(name: String, rules: TimeZoneRules) {
    self.name = name
    self.rules = rules
  }

  /// Resolves `UTC`, an offset such as `UTC+02:00`, a name of the IANA database such as `Europe/Rome`, or one of
  /// Windows' names that Azure uses, such as `Pacific Standard Time`.
  ///
  /// - Parameters:
  ///   - database: Gives the contents of a zone's file, as under `/usr/share/zoneinfo`; nil if there is none. Called
  ///     only with names of letters, digits, `_`, `-`, `+` and single slashes between them.
  /// - Throws: `.invalidArgument` that says what is expected.
  package init(
    named name: String, field: String = "time_zone", database: (String) -> [UInt8]?
  ) throws(InferenceError) {
    if let offset = Self.offset(name) {
      self.init(name: name, rules: TimeZoneRules(fixedOffset: offset))
      return
    }
    let iana = Self.windowsNames.first { $0.windows == name }?.iana ?? name
    guard Self.isName(iana), let bytes = database(iana) else {
      throw .invalidArgument(
        "\(field) is '\(name)', which is not known here; expected UTC, an offset such as UTC+02:00, "
          + "or a name such as Europe/Rome")
    }
    guard let rules = TimeZoneRules(tzif: bytes) else {
      throw .invalidArgument("\(field) is '\(name)', whose entry in the time zone database can not be read")
    }
    self.init(name: name, rules: rules)
  }

  package func wallSeconds(atUnixSeconds seconds: Int64) -> Int64 {
    seconds + Int64(rules.offset(atUnixSeconds: seconds))
  }

  private static func offset(_ name: String) -> Int? {
    var rest = Substring(name.uppercased())
    for word in ["UTC", "GMT", "Z"] where rest.hasPrefix(word) {
      rest = rest.dropFirst(word.count)
      break
    }
    if rest.isEmpty { return name.isEmpty ? nil : 0 }
    guard let sign = rest.popFirst(), sign == "+" || sign == "-" else { return nil }
    let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), parts.allSatisfy({ (1...2).contains($0.count) && $0.allSatisfy(\.isNumber) }),
      let hours = Int(parts[0]), let minutes = parts.count == 2 ? Int(parts[1]) : 0, hours <= 14, minutes <= 59
    else { return nil }
    return (hours * 3600 + minutes * 60) * (sign == "-" ? -1 : 1)
  }

  /// Whether it can be a path inside the database, and cannot leave it.
  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
        part.first?.isLetter == true
          && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" || $0 == "+") }
      }
  }

  /// The most used of Windows' zones, by the main city of each.
  private static let windowsNames: [(windows: String, iana: String)] = [
    ("Pacific Standard Time", "America/Los_Angeles"), ("Mountain Standard Time", "America/Denver"),
    ("Central Standard Time", "America/Chicago"), ("Eastern Standard Time", "America/New_York"),
    ("Atlantic Standard Time", "America/Halifax"), ("E. South America Standard Time", "America/Sao_Paulo"),
    ("GMT Standard Time", "Europe/London"), ("Greenwich Standard Time", "Atlantic/Reykjavik"),
    ("W. Europe Standard Time", "Europe/Berlin"), ("Romance Standard Time", "Europe/Paris"),
    ("Central Europe Standard Time", "Europe/Budapest"), ("Central European Standard Time", "Europe/Warsaw"),
    ("GTB Standard Time", "Europe/Bucharest"), ("FLE Standard Time", "Europe/Kiev"),
    ("Turkey Standard Time", "Europe/Istanbul"), ("Russian Standard Time", "Europe/Moscow"),
    ("South Africa Standard Time", "Africa/Johannesburg"), ("Israel Standard Time", "Asia/Jerusalem"),
    ("Arabian Standard Time", "Asia/Dubai"), ("India Standard Time", "Asia/Kolkata"),
    ("SE Asia Standard Time", "Asia/Bangkok"), ("Singapore Standard Time", "Asia/Singapore"),
    ("China Standard Time", "Asia/Shanghai"), ("Tokyo Standard Time", "Asia/Tokyo"),
    ("Korea Standard Time", "Asia/Seoul"), ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("New Zealand Standard Time", "Pacific/Auckland"),
  ]
}
