package import Inference

/// How long to leave a server alone that could not be connected to.
///
/// Source: gRPC, "Connection Backoff Protocol" (connection-backoff.md), whose numbers are the defaults here.
public struct ConnectionBackoff: Sendable, Hashable {
  /// Before the second attempt. Over zero.
  public var initial = Duration.seconds(1)
  /// Each attempt waits so many times as long as the one before it. At least 1.
  public var multiplier = 1.6
  /// The longest wait, before jitter.
  public var maximum = Duration.seconds(120)
  /// A wait is made longer or shorter by up to this part of it, so that clients do not come back together. 0 to 1.
  public var jitter = 0.2

  public init() {}

  /// Nanoseconds to wait after so many failures in a row.
  ///
  /// - Parameter failures: At least 1.
  package func wait(afterFailures failures: Int, using random: inout some RandomNumberGenerator) -> UInt64 {
    var wait = Double(initial.wholeNanoseconds)
    let longest = Double(maximum.wholeNanoseconds)
    for _ in 1..<max(failures, 1) where wait < longest { wait *= max(multiplier, 1) }
    wait = min(wait, longest)
    let spread = min(max(jitter, 0), 1)
    return UInt64(wait * (1 + Double.random(in: -spread...spread, using: &random)))
  }
}

/// Whether one connection's place in the pool is to be filled, and since when it was tried in vain.
///
/// ```
///        connect            ready
/// idle ──────────▶ trying ─────────▶ ready
///   ▲                │ failed          │ lost: young ─▶ resting, old ─▶ idle
///   └── time ─── resting ◀─────────────┘
/// ```
package struct ConnectionHealth: Sendable, Equatable {
  package enum Phase: Sendable, Equatable {
    case idle
    case trying
    case ready
    /// Not before this instant.
    case resting(until: Instant)
  }

  package private(set) var phase = Phase.idle
  /// Attempts that failed since the last connection that held.
  package private(set) var consecutiveFailures = 0
  private var lastAttempt = Instant(nanoseconds: 0)

  package init() {}

  /// Whether to connect now.
  package func mayTry(at now: Instant) -> Bool {
    switch phase {
    case .idle: true
    case .resting(let until): until <= now
    case .trying, .ready: false
    }
  }

  package mutating func tried(at now: Instant) {
    phase = .trying
    lastAttempt = now
  }

  package mutating func becameReady() { phase = .ready }

  /// The attempt failed.
  package mutating func failed(
    at now: Instant, _ backoff: ConnectionBackoff, using random: inout some RandomNumberGenerator
  ) {
    consecutiveFailures += 1
    // Counted from the attempt's start, as the protocol says: a slow failure has been waited for already.
    let until = lastAttempt.advanced(
      byNanoseconds: backoff.wait(afterFailures: consecutiveFailures, using: &random))
    phase = .resting(until: max(until, now))
  }

  /// A ready connection is gone. One that did not last as long as the first wait is a failure too: a server that
  /// accepts and closes must not be connected to in a loop.
  package mutating func lost(
    at now: Instant, _ backoff: ConnectionBackoff, using random: inout some RandomNumberGenerator
  ) {
    guard now.nanoseconds(since: lastAttempt) < backoff.initial.wholeNanoseconds else {
      consecutiveFailures = 0
      phase = .idle
      return
    }
    failed(at: now, backoff, using: &random)
  }

  /// The server asked to go elsewhere: its place may be filled at once, unless it asks that of every new connection.
  package mutating func drained(
    at now: Instant, _ backoff: ConnectionBackoff, using random: inout some RandomNumberGenerator
  ) {
    lost(at: now, backoff, using: &random)
  }
}
