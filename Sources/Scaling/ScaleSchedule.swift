package import Inference

/// When a profile is in force.
package enum ScaleSchedule: Hashable, Sendable {
  /// Whenever no other is: the default profile.
  case always
  case fixed(FixedDate)
  case recurring(Recurrence)

  func validate(_ field: String) throws(InferenceError) {
    switch self {
    case .always: return
    case .fixed(let date): try date.validate("\(field).fixed_date")
    case .recurring(let recurrence): try recurrence.validate("\(field).recurrence")
    }
  }
}

/// One stretch of time, from `start` to just before `end`, as clocks in a time zone show it.
package struct FixedDate: Hashable, Sendable {
  /// Seconds that a clock on the wall has counted since 1970; read from text by `wallSeconds`.
  package var start: Int64
  package var end: Int64
  package var zone: ScaleTimeZone

  package init(start: Int64, end: Int64, zone: ScaleTimeZone) {
    self.start = start
    self.end = end
    self.zone = zone
  }

  /// - Parameters:
  ///   - start, end: Such as `2026-12-24T18:00:00`; with `Z` or an offset at the end, that says which moment it is.
  /// - Throws: `.invalidArgument` that says what is expected.
  package init(start: String, end: String, zone: ScaleTimeZone, field: String) throws(InferenceError) {
    self.init(
      start: try Self.wallSeconds(start, in: zone, field: "\(field).start"),
      end: try Self.wallSeconds(end, in: zone, field: "\(field).end"), zone: zone)
  }

  func contains(unixSeconds: Int64) -> Bool {
    (start..<max(start, end)).contains(zone.wallSeconds(atUnixSeconds: unixSeconds))
  }

  func validate(_ field: String) throws(InferenceError) {
    guard end > start else { throw .invalidArgument("\(field).end is not after start; expected a later time") }
  }

  private static func wallSeconds(
    _ text: String, in zone: ScaleTimeZone, field: String
  ) throws(InferenceError) -> Int64 {
    let wrong = InferenceError.invalidArgument(
      "\(field) is '\(text)'; expected a time such as 2026-12-24T18:00:00, 2026-12-24T18:00:00Z or …+01:00")
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      return bytes[range].reduce(0 as Int?) { sum, byte in
        guard let sum, (48...57).contains(byte) else { return nil }
        return sum * 10 + Int(byte - 48)
      }
    }
    func has(_ character: Unicode.Scalar, at index: Int) -> Bool {
      index < bytes.count && bytes[index] == UInt8(ascii: character)
    }
    guard let year = number(0..<4), has("-", at: 4), let month = number(5..<7), has("-", at: 7),
      let day = number(8..<10), has("T", at: 10) || has(" ", at: 10), let hour = number(11..<13), has(":", at: 13),
      let minute = number(14..<16), (1...12).contains(month), hour <= 23, minute <= 59,
      (1...CivilTime.daysInMonth(month, year: Int64(year))).contains(day)
    else { throw wrong }
    var end = 16
    var second = 0
    if has(":", at: 16) {
      guard let value = number(17..<19), value <= 59 else { throw wrong }
      second = value
      end = 19
      // Fractions of a second, which some tools write, change nothing.
      if has(".", at: end) {
        repeat { end += 1 } while end < bytes.count && (48...57).contains(bytes[end])
      }
    }
    let stated =
      CivilTime.days(year: Int64(year), month: month, day: day) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    if end == bytes.count { return stated }
    if has("Z", at: end), end + 1 == bytes.count { return zone.wallSeconds(atUnixSeconds: stated) }
    guard bytes.count == end + 6, has("+", at: end) || has("-", at: end), has(":", at: end + 3),
      let hours = number(end + 1..<end + 3), let minutes = number(end + 4..<end + 6), hours <= 14, minutes <= 59
    else { throw wrong }
    let offset = Int64(hours * 3600 + minutes * 60) * (has("-", at: end) ? -1 : 1)
    return zone.wallSeconds(atUnixSeconds: stated - offset)
  }
}

/// Certain times of a week at which a profile begins.
///
/// It holds until another recurring profile begins, as in Azure Monitor, or, if `lastsSeconds` says so, for that long.
package struct Recurrence: Hashable, Sendable {
  package enum Weekday: String, Hashable, Sendable, CaseIterable {
    case sunday, monday, tuesday, wednesday, thursday, friday, saturday
  }

  package var days: [Weekday]
  /// Begins at each of these hours, at each of these minutes.
  package var hours: [Int]
  package var minutes: [Int]
  package var zone: ScaleTimeZone
  package var lastsSeconds: UInt64?

  package init(days: [Weekday], hours: [Int], minutes: [Int], zone: ScaleTimeZone, lastsSeconds: UInt64? = nil) {
    self.days = days
    self.hours = hours
    self.minutes = minutes
    self.zone = zone
    self.lastsSeconds = lastsSeconds
  }

  /// How long ago it last began, by its own wall clock; a week ago at most.
  func secondsSinceStart(atUnixSeconds unixSeconds: Int64) -> Int64? {
    let now = CivilTime(wallSeconds: zone.wallSeconds(atUnixSeconds: unixSeconds))
    let intoWeek = now.weekday * 86_400 + now.seconds
    var least: Int?
    for day in days {
      for hour in hours {
        for minute in minutes {
          let start = Weekday.allCases.firstIndex(of: day)! * 86_400 + hour * 3600 + minute * 60
          let since = (intoWeek - start + 7 * 86_400) % (7 * 86_400)
          least = min(least ?? since, since)
        }
      }
    }
    return least.map(Int64.init)
  }

  func validate(_ field: String) throws(InferenceError) {
    for (name, isEmpty) in [("days", days.isEmpty), ("hours", hours.isEmpty), ("minutes", minutes.isEmpty)]
    where isEmpty {
      throw .invalidArgument("\(field).\(name) is empty; expected at least one")
    }
    if let hour = hours.first(where: { !(0...23).contains($0) }) {
      throw .invalidArgument("\(field).hours has \(hour); expected 0 to 23")
    }
    if let minute = minutes.first(where: { !(0...59).contains($0) }) {
      throw .invalidArgument("\(field).minutes has \(minute); expected 0 to 59")
    }
  }
}

extension AutoscaleRules {
  /// The profile that is in force: a fixed date's, else the recurring one that began last, else the default one.
  package func profile(atUnixSeconds unixSeconds: Int64) -> AutoscaleProfile? {
    var began: (since: Int64, profile: AutoscaleProfile)?
    var fallback: AutoscaleProfile?
    for profile in profiles {
      switch profile.schedule {
      case .always: fallback = profile
      case .fixed(let date):
        if date.contains(unixSeconds: unixSeconds) { return profile }
      case .recurring(let recurrence):
        guard let since = recurrence.secondsSinceStart(atUnixSeconds: unixSeconds) else { continue }
        if began.map({ since < $0.since }) ?? true { began = (since, profile) }
      }
    }
    if let began, case .recurring(let recurrence) = began.profile.schedule,
      recurrence.lastsSeconds.map({ began.since < Int64(clamping: $0) }) ?? true
    {
      return began.profile
    }
    return fallback
  }
}
