package import Inference

/// When a connection must be pinged, drained or closed: its times and the limits on them, without a clock of its own.
package struct ConnectionClock {
  package enum Verdict: Equatable {
    case nothing
    case ping
    case drain
    /// The drain's first GOAWAY has had time to arrive.
    case refuseNewStreams
    case close
  }

  private let limits: ServerLimits
  private let opened: Instant
  private let maxAge: UInt64
  package var lastRead: Instant
  package var lastCallEnd: Instant
  package var lastWriteProgress: Instant
  private var drainBegan = Instant.never
  private var drainEnd = Instant.never
  package private(set) var drainIsAnnounced = false
  private var pingSent = Instant.never
  private var lastPingReceived: Instant?
  private var pingStrikes = 0

  package init(now: Instant, limits: ServerLimits) {
    self.limits = limits
    opened = now
    lastRead = now
    lastCallEnd = now
    lastWriteProgress = now
    // Spread over 90 to 100 % by the low bits of the time, which are as good as random.
    let age = limits.maxConnectionAge.wholeNanoseconds
    maxAge = age - age / 1000 * (now.nanoseconds % 100)
  }

  /// Begins to drain; again with less time, if the drain has begun already and would end later.
  ///
  /// - Parameter grace: What running calls get before the connection is closed under them.
  package mutating func beginDrain(at now: Instant, grace: Duration) {
    drainBegan = min(drainBegan, now)
    drainEnd = min(drainEnd, now.advanced(byNanoseconds: grace.wholeNanoseconds))
  }

  package mutating func pingAcknowledged() {
    pingSent = .never
    if drainBegan < .never { drainIsAnnounced = true }
  }

  /// False when the peer has pinged too often (gRPC proposal A8).
  ///
  /// - Parameter followsAnswer: Whether HEADERS or DATA went to the peer since its last PING: then old strikes are void.
  package mutating func pingReceived(at now: Instant, followsAnswer: Bool) -> Bool {
    defer { lastPingReceived = now }
    if followsAnswer {
      pingStrikes = 0
      return true
    }
    guard let last = lastPingReceived, now.nanoseconds(since: last) < limits.minPingInterval.wholeNanoseconds else {
      return true
    }
    pingStrikes += 1
    return pingStrikes <= 2
  }

  package func nextDue(state: Connection.State, hasStreams: Bool, hasPendingOutput: Bool) -> Instant {
    var due = Instant.never
    func consider(_ start: Instant, _ limit: Duration) {
      if limit > .zero, start < .never { due = min(due, start.advanced(byNanoseconds: limit.wholeNanoseconds)) }
    }
    switch state {
    case .handshake, .preface: consider(opened, limits.handshakeTimeout)
    case .open:
      if pingSent < .never {
        consider(pingSent, limits.keepaliveTimeout)
      } else {
        consider(lastRead, limits.keepaliveTime)
      }
      if !hasStreams { consider(max(lastCallEnd, opened), limits.idleTimeout) }
      if maxAge > 0 { due = min(due, opened.advanced(byNanoseconds: maxAge)) }
    case .draining:
      due = drainEnd
      if !drainIsAnnounced { consider(drainBegan, Self.announcementTime) }
    case .closed: break
    }
    if hasPendingOutput { consider(lastWriteProgress, limits.stallTimeout) }
    return due
  }

  /// What is due at `now`. Asking records what was asked for: a ping sent, a drain announced.
  package mutating func verdict(
    at now: Instant, state: Connection.State, hasStreams: Bool, hasPendingOutput: Bool
  ) -> Verdict {
    func isOver(_ start: Instant, _ limit: Duration) -> Bool {
      limit > .zero && start < .never && now >= start.advanced(byNanoseconds: limit.wholeNanoseconds)
    }
    if hasPendingOutput, isOver(lastWriteProgress, limits.stallTimeout) { return .close }
    switch state {
    case .handshake, .preface: return isOver(opened, limits.handshakeTimeout) ? .close : .nothing
    case .open:
      if isOver(pingSent, limits.keepaliveTimeout) { return .close }
      if !hasStreams, isOver(max(lastCallEnd, opened), limits.idleTimeout) { return .drain }
      if maxAge > 0, now.nanoseconds(since: opened) >= maxAge { return .drain }
      if pingSent == .never, isOver(lastRead, limits.keepaliveTime) {
        pingSent = now
        return .ping
      }
      return .nothing
    case .draining:
      if now >= drainEnd { return .close }
      if !drainIsAnnounced, isOver(drainBegan, Self.announcementTime) {
        drainIsAnnounced = true
        return .refuseNewStreams
      }
      return .nothing
    case .closed: return .nothing
    }
  }

  /// A peer that does not answer the drain's PING within this is told the last stream anyway.
  private static let announcementTime = Duration.seconds(1)
}
