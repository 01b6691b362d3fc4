import Inference
import Testing
import Transport

/// A connection's clock on virtual time, and what the connection would say about itself.
private final class Bench {
  /// How long the clock wanted to wait, and what it then said.
  struct Step: Equatable {
    let after: Duration
    let verdict: ConnectionClock.Verdict
  }

  var clock: ConnectionClock
  var now: Instant
  var state = Connection.State.open
  var hasStreams = false
  var hasPendingOutput = false
  let limits: ServerLimits

  init(_ change: (inout ServerLimits) -> Void = { _ in }) {
    var limits = ServerLimits()
    limits.keepaliveTime = .zero
    limits.idleTimeout = .zero
    change(&limits)
    self.limits = limits
    now = Instant(nanoseconds: 7_000_000_000_000)
    clock = ConnectionClock(now: now, limits: limits)
  }

  var due: Instant { clock.nextDue(state: state, hasStreams: hasStreams, hasPendingOutput: hasPendingOutput) }

  func advance(_ duration: Duration) { now = now.advanced(byNanoseconds: duration.wholeNanoseconds) }

  /// Goes to when the clock says it wants to be asked, and asks. Nil if it never does.
  func step() -> Step? {
    let due = due
    guard due < .never else { return nil }
    let waited = due.nanoseconds(since: now)
    // A nanosecond earlier there is nothing to do.
    let early = Instant(nanoseconds: due.nanoseconds - 1)
    if early >= now { #expect(verdict(at: early) == .nothing) }
    now = max(now, due)
    return Step(after: .nanoseconds(Int64(waited)), verdict: verdict(at: now))
  }

  func verdict(at instant: Instant? = nil) -> ConnectionClock.Verdict {
    clock.verdict(at: instant ?? now, state: state, hasStreams: hasStreams, hasPendingOutput: hasPendingOutput)
  }
}

@Test(arguments: [Connection.State.handshake, .preface])
func `a peer that does not finish its handshake is closed`(state: Connection.State) {
  let bench = Bench { $0.handshakeTimeout = .seconds(10) }
  bench.state = state
  #expect(bench.step() == .init(after: .seconds(10), verdict: .close))
}

@Test func `without limits there is nothing to wait for`() {
  let bench = Bench()
  #expect(bench.step() == nil)
  bench.state = .closed
  #expect(bench.due == .never)
}

@Test func `a quiet peer is pinged, and closed if it stays quiet`() {
  let bench = Bench {
    $0.keepaliveTime = .seconds(60)
    $0.keepaliveTimeout = .seconds(20)
  }
  #expect(bench.step() == .init(after: .seconds(60), verdict: .ping))
  #expect(bench.step() == .init(after: .seconds(20), verdict: .close))
}

@Test func `a peer that answers the ping stays`() {
  let bench = Bench {
    $0.keepaliveTime = .seconds(60)
    $0.keepaliveTimeout = .seconds(20)
  }
  for _ in 0..<3 {
    #expect(bench.step() == .init(after: .seconds(60), verdict: .ping))
    bench.clock.lastRead = bench.now
    bench.clock.pingAcknowledged()
  }
}

@Test func `an idle connection drains, one with calls does not`() {
  let bench = Bench { $0.idleTimeout = .seconds(600) }
  bench.hasStreams = true
  #expect(bench.due == .never)
  bench.advance(.seconds(1000))
  #expect(bench.verdict() == .nothing)
  bench.hasStreams = false
  bench.clock.lastCallEnd = bench.now
  #expect(bench.step() == .init(after: .seconds(600), verdict: .drain))
}

@Test func `an old connection drains at nine tenths of its age or later, calls or not`() throws {
  let bench = Bench { $0.maxConnectionAge = .seconds(1000) }
  bench.hasStreams = true
  let step = try #require(bench.step())
  #expect(step.verdict == .drain)
  #expect(step.after >= .seconds(900) && step.after <= .seconds(1000))
}

@Test func `output that makes no progress closes the connection in any state`() {
  for state in [Connection.State.preface, .open, .draining] {
    let bench = Bench {
      $0.stallTimeout = .seconds(5)
      $0.handshakeTimeout = .zero
    }
    bench.state = state
    bench.hasPendingOutput = true
    bench.advance(.seconds(3))
    bench.clock.lastWriteProgress = bench.now
    bench.clock.beginDrain(at: bench.now, grace: .seconds(100))
    if state == .draining { bench.clock.pingAcknowledged() }
    #expect(bench.step() == .init(after: .seconds(5), verdict: .close))
  }
}

@Test func `a drain refuses streams when its ping is answered, or after a second, and ends with its grace`() {
  let bench = Bench()
  bench.clock.beginDrain(at: bench.now, grace: .seconds(30))
  bench.state = .draining
  #expect(!bench.clock.drainIsAnnounced)
  #expect(bench.step() == .init(after: .seconds(1), verdict: .refuseNewStreams))
  #expect(bench.clock.drainIsAnnounced)
  #expect(bench.step() == .init(after: .seconds(29), verdict: .close))

  let answered = Bench()
  answered.clock.beginDrain(at: answered.now, grace: .seconds(30))
  answered.state = .draining
  answered.clock.pingAcknowledged()
  #expect(answered.clock.drainIsAnnounced)
  #expect(answered.step() == .init(after: .seconds(30), verdict: .close))
}

@Test func `a drain without grace, or with less than a second, ends when it says`() {
  for grace in [Duration.zero, .milliseconds(10)] {
    let bench = Bench()
    bench.clock.beginDrain(at: bench.now, grace: grace)
    bench.state = .draining
    #expect(bench.step() == .init(after: grace, verdict: .close))
  }
}

@Test func `a second drain can end earlier than the first, not later`() {
  let bench = Bench()
  bench.clock.beginDrain(at: bench.now, grace: .seconds(100))
  bench.state = .draining
  bench.clock.pingAcknowledged()
  bench.advance(.seconds(10))
  bench.clock.beginDrain(at: bench.now, grace: .seconds(5))
  #expect(bench.step() == .init(after: .seconds(5), verdict: .close))
  bench.clock.beginDrain(at: bench.now, grace: .seconds(50))
  #expect(bench.verdict() == .close)
}

@Test func `the third ping too soon is one too many`() {
  let bench = Bench { $0.minPingInterval = .seconds(10) }
  var answers: [Bool] = []
  for _ in 0..<4 {
    answers.append(bench.clock.pingReceived(at: bench.now, followsAnswer: false))
    bench.advance(.seconds(1))
  }
  #expect(answers == [true, true, true, false])
}

@Test func `pings at the interval, or after answers, are no strikes`() {
  let bench = Bench { $0.minPingInterval = .seconds(10) }
  for round in 0..<100 {
    let isWelcome = bench.clock.pingReceived(at: bench.now, followsAnswer: round % 2 == 0)
    #expect(isWelcome)
    bench.advance(round % 3 == 0 ? .seconds(1) : .seconds(10))
  }
}

@Test func `a client pings while it has streams, counted from when it had them again, and not without`() {
  var times = ConnectionTimes()
  times.keepaliveTime = .seconds(10)
  times.keepaliveTimeout = .seconds(2)
  times.keepaliveWithoutStreams = false
  let start = Instant(nanoseconds: 7_000_000_000_000)
  func after(_ seconds: UInt64) -> Instant { start.advanced(byNanoseconds: seconds * 1_000_000_000) }
  var clock = ConnectionClock(now: start, times: times)
  #expect(clock.nextDue(state: .open, hasStreams: false, hasPendingOutput: false) == .never)
  #expect(clock.verdict(at: after(60), state: .open, hasStreams: false, hasPendingOutput: false) == .nothing)
  clock.lastWoken = after(60)
  #expect(clock.nextDue(state: .open, hasStreams: true, hasPendingOutput: false) == after(70))
  #expect(clock.verdict(at: after(70), state: .open, hasStreams: true, hasPendingOutput: false) == .ping)
  // Its answer is waited for also when the streams have ended meanwhile.
  #expect(clock.nextDue(state: .open, hasStreams: false, hasPendingOutput: false) == after(72))
  #expect(clock.verdict(at: after(72), state: .open, hasStreams: false, hasPendingOutput: false) == .close)
}
