internal import Glibc

/// A point on the machine's monotonic clock, in nanoseconds.
///
/// 64 bits instead of `ContinuousClock.Instant`'s 128, because every request carries several of them. The clock is
/// always passed in, so that tests and simulations run on virtual time.
package struct Instant: Hashable, Comparable, Sendable {
  package var nanoseconds: UInt64

  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// Later than any other: a deadline that never passes.
  package static let never = Instant(nanoseconds: .max)

  /// Reads `CLOCK_MONOTONIC`.
  package static func now() -> Instant {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
  }

  package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

  /// The instant so many nanoseconds later; `.never` if that is past the end of the clock.
  package func advanced(byNanoseconds count: UInt64) -> Instant {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
    return overflow ? .never : Instant(nanoseconds: sum)
  }

  /// Nanoseconds from `earlier` to here; zero if `earlier` is not earlier.
  package func nanoseconds(since earlier: Instant) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? nanoseconds &- earlier.nanoseconds : 0
  }

  /// What poll(2) should be given to wake up here: milliseconds rounded up, or -1 to wait for ever.
  package func pollTimeout(at now: Instant) -> Int32 {
    if self == .never { return -1 }
    let left = nanoseconds(since: now)
    return Int32(clamping: left / 1_000_000 + (left % 1_000_000 == 0 ? 0 : 1))
  }
}

extension Duration {
  /// Whole nanoseconds; negative durations count as zero and those past 584 years as `UInt64.max`.
  package var wholeNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (scaled, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max : scaled &+ UInt64(attoseconds / 1_000_000_000)
  }
}
