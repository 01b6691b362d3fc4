package import Inference

/// When the names of a client's servers are looked up again: when a connection is lost or refused, but not more often
/// than an interval; where an age is set, when the last answer is that old; and soon where there was none.
package struct ResolutionSchedule: Sendable, Equatable {
  private let minimumInterval: UInt64
  private let maximumAge: UInt64?
  private var lastStart: Instant?
  private var isRunning = false
  private var isWanted = false
  private var foundNothing = false

  /// Between look-ups that find nothing.
  private static let afterNothing: UInt64 = 1_000_000_000

  package init(minimumInterval: Duration, maximumAge: Duration?) {
    self.minimumInterval = minimumInterval.wholeNanoseconds
    self.maximumAge = maximumAge?.wholeNanoseconds
  }

  /// Something suggests that the addresses have changed.
  package mutating func want() { isWanted = true }

  /// Whether what was found is past its age.
  package func isTooOld(at now: Instant) -> Bool {
    guard let maximumAge, let lastStart, !isRunning else { return false }
    return now.nanoseconds(since: lastStart) >= maximumAge
  }

  /// Whether to look up now; if so it has begun, and must end with `ended`.
  package mutating func mayStart(at now: Instant) -> Bool {
    guard !isRunning else { return false }
    if let lastStart {
      let age = now.nanoseconds(since: lastStart)
      let interval = foundNothing ? min(Self.afterNothing, minimumInterval) : minimumInterval
      guard isTooOld(at: now) || ((isWanted || foundNothing) && age >= interval) else { return false }
    }
    isRunning = true
    isWanted = false
    lastStart = now
    return true
  }

  package mutating func ended(found: Bool) {
    isRunning = false
    foundNothing = !found
  }
}
