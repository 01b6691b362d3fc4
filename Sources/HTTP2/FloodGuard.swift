internal import Inference

/// How much a peer may make the other side work for nothing, per connection.
///
/// nghttp2 itself bounds rapid resets, CONTINUATION frames, SETTINGS entries and queued acknowledgements; these budgets
/// cover what it leaves open: frames that make us answer with RST_STREAM, invalid frames, empty DATA, and PING, SETTINGS
/// and PRIORITY frames that a peer sends without end. A budget refills with time, so a long-lived connection with an
/// odd frame now and then is left alone.
struct FloodGuard {
  /// Tokens that refill at a steady rate up to a burst.
  struct Budget {
    let burst: UInt64
    let perSecond: UInt64
    /// In billionths of a token, so that refilling needs no division.
    private var level: UInt64
    private var refilled: Instant

    init(burst: UInt64, perSecond: UInt64, now: Instant) {
      self.burst = burst
      self.perSecond = perSecond
      level = burst * 1_000_000_000
      refilled = now
    }

    /// Takes one token; false if there is none.
    mutating func spend(at now: Instant) -> Bool {
      let elapsed = min(now.nanoseconds(since: refilled), 3_600_000_000_000)
      level = min(level &+ elapsed &* perSecond, burst * 1_000_000_000)
      refilled = now
      guard level >= 1_000_000_000 else { return false }
      level &-= 1_000_000_000
      return true
    }
  }

  /// RST_STREAM frames that the peer's errors made us send, and invalid frames received.
  var provoked: Budget
  /// DATA frames that carry nothing.
  var emptyData: Budget
  /// SETTINGS, PRIORITY and unknown frames, and PING frames that follow no answer of ours.
  var control: Budget

  init(now: Instant) {
    provoked = Budget(burst: 1000, perSecond: 100, now: now)
    emptyData = Budget(burst: 1000, perSecond: 100, now: now)
    control = Budget(burst: 1000, perSecond: 100, now: now)
  }
}
