/// When summer time begins and ends in any year, as POSIX writes it in `TZ`: `CET-1CEST,M3.5.0,M10.5.0/3`.
///
/// Source: POSIX, "Environment Variables", TZ; RFC 8536, section 3.3.1, which lets times of day reach from -167 to 167
/// h.
struct YearlyRule: Hashable, Sendable {
  private var standard: Int
  private var summer: Summer?

  private struct Summer: Hashable {
    var offset: Int
    var start: Day
    var end: Day
  }

  private struct Day: Hashable {
    enum Form: Hashable {
      /// The week 1...5 (5: the last) of a month with this weekday.
      case month(Int, week: Int, weekday: Int)
      /// 1...365, February 29 never counted.
      case julian(Int)
      /// 0...365, February 29 counted.
      case zeroBased(Int)
    }

    var form: Form
    /// Of the local day; 2 a.m. unless stated.
    var seconds: Int

    /// Wall seconds at which the day's moment comes in a year.
    func wallSeconds(year: Int64) -> Int64 {
      let firstDay = CivilTime.days(year: year, month: 1, day: 1)
      let day: Int64 =
        switch form {
        case .zeroBased(let number): firstDay + Int64(number)
        case .julian(let number): firstDay + Int64(number - 1 + (CivilTime.isLeap(year) && number >= 60 ? 1 : 0))
        case .month(let month, let week, let weekday):
          Self.day(year: year, month: month, week: week, weekday: weekday)
        }
      return day * 86_400 + Int64(seconds)
    }

    private static func day(year: Int64, month: Int, week: Int, weekday: Int) -> Int64 {
      let first = CivilTime.days(year: year, month: month, day: 1)
      let firstWeekday = Int(CivilTime.modulo(first + 4, 7))
      var day = (weekday - firstWeekday + 7) % 7 + (week - 1) * 7
      while day >= CivilTime.daysInMonth(month, year: year) { day -= 7 }
      return first + Int64(day)
    }
  }

  func offset(atUnixSeconds seconds: Int64) -> Int {
    guard let summer else { return standard }
    let year = CivilTime(wallSeconds: seconds + Int64(standard)).year
    // The start is told in standard time, the end in summer time.
    let start = summer.start.wallSeconds(year: year) - Int64(standard)
    let end = summer.end.wallSeconds(year: year) - Int64(summer.offset)
    let isSummer = start < end ? start <= seconds && seconds < end : !(end <= seconds && seconds < start)
    return isSummer ? summer.offset : standard
  }

  init?(_ text: String) {
    var rest = Substring(text)
    guard Self.skipName(&rest), let west = Self.time(&rest) else { return nil }
    standard = -west
    guard !rest.isEmpty else { return }
    guard Self.skipName(&rest) else { return nil }
    var offset = standard + 3600
    if rest.first != "," {
      guard let west = Self.time(&rest) else { return nil }
      offset = -west
    }
    guard let start = Self.day(&rest), let end = Self.day(&rest), rest.isEmpty else { return nil }
    summer = Summer(offset: offset, start: start, end: end)
  }

  /// Letters, or anything between `<` and `>`.
  private static func skipName(_ rest: inout Substring) -> Bool {
    if rest.first == "<" {
      guard let end = rest.firstIndex(of: ">") else { return false }
      rest = rest[rest.index(after: end)...]
      return true
    }
    let name = rest.prefix(while: \.isLetter)
    rest = rest.dropFirst(name.count)
    return name.count >= 3
  }

  private static func number(_ rest: inout Substring, upTo limit: Int) -> Int? {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    guard digits.count <= 3, let value = Int(digits), value <= limit else { return nil }
    rest = rest.dropFirst(digits.count)
    return value
  }

  /// `[+-]hh[:mm[:ss]]` in seconds.
  private static func time(_ rest: inout Substring) -> Int? {
    var sign = 1
    if let first = rest.first, first == "-" || first == "+" {
      sign = first == "-" ? -1 : 1
      rest.removeFirst()
    }
    guard let hours = number(&rest, upTo: 167) else { return nil }
    var seconds = hours * 3600
    for unit in [60, 1] where rest.first == ":" {
      rest.removeFirst()
      guard let value = number(&rest, upTo: 59) else { return nil }
      seconds += value * unit
    }
    return sign * seconds
  }

  /// `,date[/time]`.
  private static func day(_ rest: inout Substring) -> Day? {
    guard rest.popFirst() == "," else { return nil }
    let form: Day.Form
    switch rest.first {
    case "M":
      rest.removeFirst()
      guard let month = number(&rest, upTo: 12), month >= 1, rest.popFirst() == ".",
        let week = number(&rest, upTo: 5), week >= 1, rest.popFirst() == ".", let weekday = number(&rest, upTo: 6)
      else { return nil }
      form = .month(month, week: week, weekday: weekday)
    case "J":
      rest.removeFirst()
      guard let number = number(&rest, upTo: 365), number >= 1 else { return nil }
      form = .julian(number)
    default:
      guard let number = number(&rest, upTo: 365) else { return nil }
      form = .zeroBased(number)
    }
    guard rest.first == "/" else { return Day(form: form, seconds: 7200) }
    rest.removeFirst()
    return time(&rest).map { Day(form: form, seconds: $0) }
  }
}
