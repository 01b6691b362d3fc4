import Foundation
import Inference
import Scaling
import Testing

/// The machine's own time zone database; nil where it has none.
private func database(_ name: String) -> [UInt8]? {
  FileManager.default.contents(atPath: "/usr/share/zoneinfo/" + name).map { Array($0) }
}

private let hasDatabase = database("Europe/Rome") != nil

private func utc(_ text: String) -> Int64 {
  let parts = text.split(whereSeparator: { "-T:".contains($0) }).map { Int($0)! }
  let components = DateComponents(
    timeZone: TimeZone(identifier: "UTC"), year: parts[0], month: parts[1], day: parts[2], hour: parts[3],
    minute: parts[4])
  return Int64(Calendar(identifier: .gregorian).date(from: components)!.timeIntervalSince1970)
}

private func profile(_ name: String, _ schedule: ScaleSchedule = .always) -> AutoscaleProfile {
  AutoscaleProfile(name: name, capacity: ScaleCapacity(minimum: 1, maximum: 5, default: 2), schedule: schedule)
}

@Test func `a fixed date goes before a recurrence, and that before the default`() throws {
  let weekend = Recurrence(
    days: [.saturday], hours: [0], minutes: [0], zone: .utc, lastsSeconds: 2 * 86_400)
  let sale = try FixedDate(start: "2026-11-21T10:00:00", end: "2026-11-21T12:00:00", zone: .utc, field: "fixed_date")
  let rules = AutoscaleRules(profiles: [
    profile("default"), profile("weekend", .recurring(weekend)), profile("sale", .fixed(sale)),
  ])
  try rules.validate()
  func name(_ text: String) -> String? { rules.profile(atUnixSeconds: utc(text))?.name }
  #expect(name("2026-11-20T23:59") == "default")
  #expect(name("2026-11-21T00:00") == "weekend")
  #expect(name("2026-11-21T10:00") == "sale")
  #expect(name("2026-11-21T11:59") == "sale")
  #expect(name("2026-11-21T12:00") == "weekend")
  #expect(name("2026-11-22T23:59") == "weekend")
  #expect(name("2026-11-23T00:00") == "default")
}

@Test func `a recurring profile without an end holds until another begins`() throws {
  let day = Recurrence(
    days: [.monday, .tuesday, .wednesday, .thursday, .friday], hours: [8], minutes: [30], zone: .utc)
  let night = Recurrence(days: Recurrence.Weekday.allCases, hours: [20], minutes: [0], zone: .utc)
  let rules = AutoscaleRules(profiles: [
    profile("default"), profile("day", .recurring(day)), profile("night", .recurring(night)),
  ])
  func name(_ text: String) -> String? { rules.profile(atUnixSeconds: utc(text))?.name }
  #expect(name("2026-11-20T08:29") == "night")
  #expect(name("2026-11-20T08:30") == "day")
  #expect(name("2026-11-20T20:00") == "night")
  #expect(name("2026-11-22T12:00") == "night")
  #expect(name("2026-11-23T08:30") == "day")
}

@Test(.enabled(if: hasDatabase)) func `a recurrence follows its own region's clocks through summer time`() throws {
  let rome = try ScaleTimeZone(named: "Europe/Rome", database: database)
  let morning = Recurrence(
    days: Recurrence.Weekday.allCases, hours: [8], minutes: [0], zone: rome, lastsSeconds: 3600)
  let rules = AutoscaleRules(profiles: [profile("default"), profile("morning", .recurring(morning))])
  func name(_ text: String) -> String? { rules.profile(atUnixSeconds: utc(text))?.name }
  #expect(name("2026-01-15T06:59") == "default")
  #expect(name("2026-01-15T07:00") == "morning")
  #expect(name("2026-07-15T06:00") == "morning")
  #expect(name("2026-07-15T07:00") == "default")
}

@Test func `dates may say their own offset`() throws {
  let zone = try ScaleTimeZone(named: "UTC+02:00", database: { _ in nil })
  func start(_ text: String) throws -> Int64 {
    try FixedDate(start: text, end: "2027-01-01T00:00:00", zone: zone, field: "fixed_date").start
  }
  #expect(try start("2026-12-24T18:00:00") == utc("2026-12-24T18:00"))
  #expect(try start("2026-12-24 18:00") == utc("2026-12-24T18:00"))
  #expect(try start("2026-12-24T18:00:00Z") == utc("2026-12-24T20:00"))
  #expect(try start("2026-12-24T18:00:00.000Z") == utc("2026-12-24T20:00"))
  #expect(try start("2026-12-24T18:00:00-05:30") == utc("2026-12-25T01:30"))
}

@Test(arguments: [
  "", "2026-12-24", "2026-13-01T00:00:00", "2026-02-29T00:00:00", "2026-12-24T24:00:00", "2026-12-24T18:00:00+1",
  "2026-12-24T18:00:00Zulu", "2026-12-24T18:00:", "٢٠٢٦-12-24T18:00:00",
]) func `what is no date is refused`(text: String) {
  do {
    _ = try FixedDate(start: text, end: "2027-01-01T00:00:00", zone: .utc, field: "fixed_date")
    Issue.record("no error")
  } catch {
    #expect(error.message.hasPrefix("fixed_date.start is '\(text)'; expected a time such as 2026-12-24T18:00:00"))
  }
}

@Test(arguments: [
  ("UTC", 0), ("Z", 0), ("gmt", 0), ("UTC+02:00", 7200), ("+5:30", 19_800), ("GMT-3", -10_800), ("UTC-09:30", -34_200),
]) func `offsets need no database`(name: String, offset: Int64) throws {
  let zone = try ScaleTimeZone(named: name, database: { _ in nil })
  #expect(zone.wallSeconds(atUnixSeconds: 1_000_000) == 1_000_000 + offset)
}

@Test(arguments: ["", "Nowhere", "../../etc/passwd", "/etc/localtime", "Europe//Rome", "UTC+15:00", "UTC+1:60", "+"])
func `other names are refused, and never leave the database`(name: String) {
  #expect(throws: InferenceError.self) {
    try ScaleTimeZone(named: name) { asked in
      #expect(asked == "Nowhere")
      return nil
    }
  }
}

/// Every two days or so of sixty years, against the system's own calendar, which has its own copy of the rules.
@Test(
  .enabled(if: hasDatabase),
  arguments: [
    "Europe/Rome", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Sao_Paulo", "Europe/Dublin",
    "Asia/Tehran", "Pacific/Apia", "Pacific Standard Time", "Antarctica/Troll",
  ]) func `offsets are those that the system knows`(name: String) throws {
  let zone = try ScaleTimeZone(named: name, database: database)
  let system = try #require(TimeZone(identifier: name == "Pacific Standard Time" ? "America/Los_Angeles" : name))
  var differences = 0
  for seconds in stride(from: utc("1975-01-01T00:00"), to: utc("2037-01-01T00:00"), by: 53 * 3600 + 1800) {
    let expected = Int64(system.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds))))
    if zone.wallSeconds(atUnixSeconds: seconds) != seconds + expected { differences += 1 }
  }
  #expect(differences == 0)
}

/// A file cut short or changed anywhere gives a zone or nil, and never a trap.
@Test(.enabled(if: hasDatabase)) func `a broken zone file is refused or read, and nothing worse`() throws {
  let file = try #require(database("Europe/Rome"))
  var random = SeededGenerator(state: 5)
  for length in stride(from: 0, to: file.count, by: 7) {
    #expect(throws: InferenceError.self) { try ScaleTimeZone(named: "X") { _ in Array(file[..<length]) } }
  }
  for _ in 0..<2000 {
    var changed = file
    for _ in 0..<3 {
      changed[Int.random(in: 0..<changed.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
    }
    guard let zone = try? ScaleTimeZone(named: "X", database: { _ in changed }) else { continue }
    for seconds: Int64 in [-1 << 40, 0, 1 << 31, 1 << 40] { _ = zone.wallSeconds(atUnixSeconds: seconds) }
  }
}

@Test func `a yearly rule may use any of the three kinds of days`() throws {
  /// The smallest file that has only a rule.
  func zone(_ rule: String) throws -> ScaleTimeZone {
    func header(types: UInt8, characters: UInt8) -> [UInt8] {
      Array("TZif2".utf8) + Array(repeating: 0, count: 15 + 16) + [0, 0, 0, types, 0, 0, 0, characters]
    }
    let file =
      header(types: 1, characters: 4) + [0, 0, 0, 0, 0, 0, 65, 65, 65, 0] + header(types: 1, characters: 4)
      + [0, 0, 0, 0, 0, 0, 65, 65, 65, 0] + Array("\n\(rule)\n".utf8)
    return try ScaleTimeZone(named: "X") { _ in file }
  }
  let julian = try zone("AAA0BBB,J60/0,J61/0")
  #expect(julian.wallSeconds(atUnixSeconds: utc("2024-03-01T12:00")) == utc("2024-03-01T13:00"))
  #expect(julian.wallSeconds(atUnixSeconds: utc("2024-02-29T12:00")) == utc("2024-02-29T12:00"))
  let zeroBased = try zone("AAA0BBB,59/0,60/1")
  #expect(zeroBased.wallSeconds(atUnixSeconds: utc("2024-02-29T12:00")) == utc("2024-02-29T13:00"))
  let south = try zone("<-03>3<-02>,M10.1.0/0,M2.3.0/0")
  #expect(south.wallSeconds(atUnixSeconds: utc("2026-12-25T12:00")) == utc("2026-12-25T10:00"))
  #expect(south.wallSeconds(atUnixSeconds: utc("2026-06-25T12:00")) == utc("2026-06-25T09:00"))
  for broken in ["AAA", "AAA0BBB", "AAA0BBB,M13.1.0,M2.3.0", "AAA0BBB,M1.6.0,M2.3.0", "AAA0BBB,J60", "AAA0x"] {
    #expect(throws: InferenceError.self) { try zone(broken) }
  }
}

@Test func `profiles that contradict themselves are refused`() throws {
  func message(_ rules: AutoscaleRules) -> String {
    do {
      try rules.validate()
      return ""
    } catch { return error.message }
  }
  #expect(message(AutoscaleRules(profiles: [])) == "profiles has 0 profiles; expected 1 to 20")
  #expect(message(AutoscaleRules(profiles: [profile("a"), profile("b")])).hasPrefix("profiles has more than one without"))
  var capacity = profile("a")
  capacity.capacity.initial = 9
  #expect(message(AutoscaleRules(profiles: [capacity])) == "profiles[0].capacity.default is 9; expected 1 to 5")
  let late = profile("a", .recurring(Recurrence(days: [.monday], hours: [24], minutes: [0], zone: .utc)))
  #expect(message(AutoscaleRules(profiles: [late])) == "profiles[0].recurrence.hours has 24; expected 0 to 23")
  let never = profile("a", .recurring(Recurrence(days: [], hours: [1], minutes: [0], zone: .utc)))
  #expect(message(AutoscaleRules(profiles: [never])) == "profiles[0].recurrence.days is empty; expected at least one")
  let backwards = profile("a", .fixed(FixedDate(start: 10, end: 10, zone: .utc)))
  #expect(
    message(AutoscaleRules(profiles: [backwards])) == "profiles[0].fixed_date.end is not after start; expected a later time")
}
