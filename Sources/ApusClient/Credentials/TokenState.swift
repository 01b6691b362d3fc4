package import Inference

/// The token that is held, and whether somebody is fetching the next: one at a time, and ahead of the old one's end.
///
/// ```
///  fetched                    expiry - ahead            expiry
///     ├──────── use ─────────────┼── use, and one fetches ──┼── everybody waits for the one who fetches
/// ```
package struct TokenState: Sendable {
  package enum Verdict: Sendable, Equatable {
    case use(String)
    /// Use it, and fetch the next meanwhile.
    case useAndFetch(String)
    /// There is none: fetch.
    case fetch
    /// There is none, and somebody fetches already.
    case wait
  }

  private let aheadNanoseconds: UInt64
  private var token: String?
  private var expiry = Instant.never
  private var isFetching = false
  /// Not to be asked before, after a failure with a token still in hand.
  private var restUntil = Instant(nanoseconds: 0)

  /// Wait after a failed refresh that had a good token to fall back on.
  private static let restNanoseconds: UInt64 = 1_000_000_000

  package init(refreshAhead: Duration) { aheadNanoseconds = refreshAhead.wholeNanoseconds }

  /// What a call should do. Whoever is told to fetch must end with `fetched` or `failed`.
  package mutating func verdict(at now: Instant) -> Verdict {
    guard let token, now < expiry else {
      if isFetching { return .wait }
      isFetching = true
      return .fetch
    }
    guard expiry != .never, expiry.nanoseconds(since: now) <= aheadNanoseconds, !isFetching, now >= restUntil else {
      return .use(token)
    }
    isFetching = true
    return .useAndFetch(token)
  }

  package mutating func fetched(_ value: String, lifetime: Duration?, at now: Instant) {
    isFetching = false
    token = value
    expiry = lifetime.map { now.advanced(byNanoseconds: $0.wholeNanoseconds) } ?? .never
  }

  package mutating func failed(at now: Instant) {
    isFetching = false
    restUntil = now.advanced(byNanoseconds: Self.restNanoseconds)
  }

  /// The server did not take this token: it is not used again.
  package mutating func refused(_ value: String) {
    if token == value { token = nil }
  }
}
