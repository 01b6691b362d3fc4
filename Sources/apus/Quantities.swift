internal import ArgumentParser

/// A length of time as people write it: `500ms`, `10s`, `2m`, `1h`; `0` needs no unit.
package struct TimeSpan: Hashable, Sendable, ExpressibleByArgument {
  package var duration: Duration

  package init(seconds: Int64) { duration = .seconds(seconds) }

  /// Nil if `text` is no whole number with one of the units.
  package init?(argument text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let amount = Int64(digits) else { return nil }
    let milliseconds: Int64
    switch text.dropFirst(digits.count) {
    case "ms": milliseconds = 1
    case "s": milliseconds = 1000
    case "m": milliseconds = 60_000
    case "h": milliseconds = 3_600_000
    case "" where amount == 0: milliseconds = 0
    default: return nil
    }
    let (total, overflow) = amount.multipliedReportingOverflow(by: milliseconds)
    guard !overflow else { return nil }
    duration = .milliseconds(total)
  }
}

extension TimeSpan: CustomStringConvertible {
  package var description: String {
    let (seconds, attoseconds) = duration.components
    return attoseconds == 0 ? "\(seconds)s" : "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
  }
}

/// A size in bytes as people write it: `4096`, `64KiB`, `64MiB`, `2GiB`.
package struct ByteCount: Hashable, Sendable, ExpressibleByArgument {
  package var bytes: Int

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
