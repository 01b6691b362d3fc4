/// A moment as a calendar and a clock on the wall show it, in the proleptic Gregorian calendar.
///
/// Wall seconds are those that would have passed since 1970-01-01 00:00 if the wall clock had never been set.
struct CivilTime: Hashable, Sendable {
  var year: Int64
  /// 1...12 and 1...31.
  var month: Int
  var day: Int
  /// 0 is Sunday.
  var weekday: Int
  /// Into the day, 0..<86400.
  var seconds: Int

  init(wallSeconds: Int64) {
    let days = Self.floor(wallSeconds, 86_400)
    seconds = Int(wallSeconds - days * 86_400)
    weekday = Int(Self.modulo(days + 4, 7))
    // Years are counted from March, so that the leap day is a year's last.
    let shifted = days + 719_468
    let era = Self.floor(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  }

  /// Days from 1970-01-01 to a date.
  static func days(year: Int64, month: Int, day: Int) -> Int64 {
    let shiftedYear = month <= 2 ? year - 1 : year
    let era = floor(shiftedYear, 400)
    let yearOfEra = shiftedYear - era * 400
    let dayOfYear = (153 * Int64(month > 2 ? month - 3 : month + 9) + 2) / 5 + Int64(day) - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

  static func daysInMonth(_ month: Int, year: Int64) -> Int {
    month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
  }

  static func floor(_ value: Int64, _ divisor: Int64) -> Int64 { (value - modulo(value, divisor)) / divisor }

  static func modulo(_ value: Int64, _ divisor: Int64) -> Int64 {
    let rest = value % divisor
    return rest < 0 ? rest + divisor : rest
  }
}
