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

  private let shared: SharedTimes
  private var times: ConnectionTimes { shared.times }
  private let opened: Instant
  private let maxAge: UInt64
  package var lastRead: Instant
  /// When streams were there again after there were none.
  package var lastWoken: Instant
  package var lastCallEnd: Instant
  package var lastWriteProgress: Instant
  private var drainBegan = Instant.never
  private var drainEnd = Instant.never
  package private(set) var drainIsAnnounced = false
  private var pingSent = Instant.never
  private var lastPingReceived: Instant?
  private var pingStrikes = 0

  package init(now: Instant, limits: ServerLimits) { self.init(now: now, times: limits.times) }

  package init(now: Instant, times: ConnectionTimes) { self.init(now: now, times: SharedTimes(times)) }

  init(now: Instant, times shared: SharedTimes) {
    self.shared = shared
    opened = now
    lastRead = now
    lastWoken = now
    lastCallEnd = now
    lastWriteProgress = now
    // Spread over 90 to 100 % by the low bits of the time, which are as good as random.
    let age = shared.times.maxConnectionAge.wholeNanoseconds
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

  /// A PING was sent outside of the keepalive.
  package mutating func pingWasSent(at now: Instant) { pingSent = min(pingSent, now) }

  /// False when the peer has pinged too often (gRPC proposal A8).
  ///
  /// - Parameter followsAnswer: Whether HEADERS or DATA went to the peer since its last PING: then old strikes are void.
  package mutating func pingReceived(at now: Instant, followsAnswer: Bool) -> Bool {
    defer { lastPingReceived = now }
    if followsAnswer {
      pingStrikes = 0
      return true
    }
    guard let last = lastPingReceived, now.nanoseconds(since: last) < times.minPingInterval.wholeNanoseconds else {
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
    case .connecting, .handshake, .preface: consider(opened, times.handshakeTimeout)
    case .open:
      if pingSent < .never {
        consider(pingSent, times.keepaliveTimeout)
      } else {
        if hasStreams || times.keepaliveWithoutStreams { consider(max(lastRead, lastWoken), times.keepaliveTime) }
      }
      if !hasStreams { consider(max(lastCallEnd, opened), times.idleTimeout) }
      if maxAge > 0 { due = min(due, opened.advanced(byNanoseconds: maxAge)) }
    case .draining:
      due = drainEnd
      if !drainIsAnnounced { consider(drainBegan, Self.announcementTime) }
    case .closed: break
    }
    if hasPendingOutput { consider(lastWriteProgress, times.stallTimeout) }
    return due
  }

  /// What is due at `now`. Asking records what was asked for: a ping sent, a drain announced.
  package mutating func verdict(
    at now: Instant, state: Connection.State, hasStreams: Bool, hasPendingOutput: Bool
  ) -> Verdict {
    func isOver(_ start: Instant, _ limit: Duration) -> Bool {
      limit > .zero && start < .never && now >= start.advanced(byNanoseconds: limit.wholeNanoseconds)
    }
    if hasPendingOutput, isOver(lastWriteProgress, times.stallTimeout) { return .close }
    switch state {
    case .connecting, .handshake, .preface: return isOver(opened, times.handshakeTimeout) ? .close : .nothing
    case .open:
      if isOver(pingSent, times.keepaliveTimeout) { return .close }
      if !hasStreams, isOver(max(lastCallEnd, opened), times.idleTimeout) { return .drain }
      if maxAge > 0, now.nanoseconds(since: opened) >= maxAge { return .drain }
      let mayPing = pingSent == .never && (hasStreams || times.keepaliveWithoutStreams)
      if mayPing, isOver(max(lastRead, lastWoken), times.keepaliveTime) {
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
