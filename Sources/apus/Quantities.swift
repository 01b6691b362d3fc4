internal import Inference

/// A length of time as people write it: `50us`, `500ms`, `10s`, `2m`, `1h`; `0` needs no unit.
package struct TimeSpan: Hashable, Sendable {
  package var duration: Duration

  var nanoseconds: UInt64 { duration.wholeNanoseconds }

  static let form = "expected a time with its unit: 50us, 500ms, 10s, 2m or 1h"

  /// For options: says what was expected instead of that something else was found.
  static func parse(_ text: String) throws(UsageError) -> TimeSpan {
    guard let span = TimeSpan(argument: text) else { throw UsageError(form) }
    return span
  }

  package init(seconds: Int64) { duration = .seconds(seconds) }

  init(_ duration: Duration) { self.duration = duration }

  /// Nil if `text` is no whole number with one of the units.
  package init?(argument text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let amount = Int64(digits) else { return nil }
    let microseconds: Int64
    switch text.dropFirst(digits.count) {
    case "us": microseconds = 1
    case "ms": microseconds = 1000
    case "s": microseconds = 1_000_000
    case "m": microseconds = 60_000_000
    case "h": microseconds = 3_600_000_000
    case "" where amount == 0: microseconds = 0
    default: return nil
    }
    let (total, overflow) = amount.multipliedReportingOverflow(by: microseconds)
    guard !overflow else { return nil }
    duration = .microseconds(total)
  }
}

extension TimeSpan: CustomStringConvertible {
  package var description: String {
    let (seconds, attoseconds) = duration.components
    if attoseconds == 0 { return "\(seconds)s" }
    let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    return microseconds % 1000 == 0 ? "\(microseconds / 1000)ms" : "\(microseconds)us"
  }
}

/// A size in bytes as people write it: `4096`, `64KiB`, `64MiB`, `2GiB`.
package struct ByteCount: Hashable, Sendable {
  package var bytes: Int

  static let form = "expected bytes, or a size with its unit: 4096, 64KiB, 64MiB or 2GiB"

  /// For options: says what was expected instead of that something else was found.
  static func parse(_ text: String) throws(UsageError) -> ByteCount {
    guard let size = ByteCount(argument: text) else { throw UsageError(form) }
    return size
  }

  /// Nil if `text` is no whole number with one of the units, or with none.
  package init?(argument text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let amount = Int(digits) else { return nil }
    let unit: Int
    switch text.dropFirst(digits.count) {
    case "", "B": unit = 1
    case "KiB": unit = 1 << 10
    case "MiB": unit = 1 << 20
    case "GiB": unit = 1 << 30
    default: return nil
    }
    let (total, overflow) = amount.multipliedReportingOverflow(by: unit)
    guard !overflow else { return nil }
    bytes = total
  }
}
