internal import Inference

/// When a connection must be pinged, drained or closed: its times and the limits on them, without a clock of its own.
struct ConnectionClock {
  enum Verdict: Equatable {
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
  var lastRead: Instant
  var lastCallEnd: Instant
  var lastWriteProgress: Instant
  private var drainBegan = Instant.never
  private var drainGrace = Duration.zero
  private(set) var drainIsAnnounced = false
  private var pingSent = Instant.never
  private var lastPingReceived: Instant?
  var pingStrikes = 0

  init(now: Instant, limits: ServerLimits) {
    self.limits = limits
    opened = now
    lastRead = now
    lastCallEnd = now
    lastWriteProgress = now
    // Spread over 90 to 100 % by the low bits of the time, which are as good as random.
    let age = limits.maxConnectionAge.wholeNanoseconds
    maxAge = age - age / 1000 * (now.nanoseconds % 100)
  }

  /// - Parameter grace: What running calls get before the connection is closed under them.
  mutating func beginDrain(at now: Instant, grace: Duration) {
    drainBegan = now
    drainGrace = grace
  }

  mutating func pingAcknowledged() {
    pingSent = .never
    if drainBegan < .never { drainIsAnnounced = true }
  }

  /// False when the peer has pinged too often (gRPC proposal A8).
  mutating func pingReceived(at now: Instant, hasStreams: Bool) -> Bool {
    defer { lastPingReceived = now }
    guard let last = lastPingReceived, now.nanoseconds(since: last) < limits.minPingInterval.wholeNanoseconds else {
      return true
    }
    pingStrikes += 1
    return pingStrikes <= 2
  }

  func nextDue(state: Connection.State, hasStreams: Bool, hasPendingOutput: Bool) -> Instant {
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
      consider(drainBegan, drainIsAnnounced ? drainGrace : Self.announcementTime)
    case .closed: break
    }
    if hasPendingOutput { consider(lastWriteProgress, limits.stallTimeout) }
    return due
  }

  /// What is due at `now`. Asking records what was asked for: a ping sent, a drain announced.
  mutating func verdict(
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
      if !drainIsAnnounced, isOver(drainBegan, Self.announcementTime) {
        drainIsAnnounced = true
        return .refuseNewStreams
      }
      return isOver(drainBegan, drainGrace) ? .close : .nothing
    case .closed: return .nothing
    }
  }

  /// A peer that does not answer the drain's PING within this is told the last stream anyway.
  private static let announcementTime = Duration.seconds(1)
}
