import Arrivals
import LoadTesting
import Testing

/// A server in virtual time that answers one call after the other, and stops for a while.
private struct StallingServer {
  var service: UInt64
  var stall: Range<UInt64>
  var freeAt: UInt64 = 0

  /// When a call that arrives at `now` is answered.
  mutating func answer(_ now: UInt64) -> UInt64 {
    var start = max(now, freeAt)
    if stall.contains(start) { start = stall.upperBound }
    freeAt = start + service
    return freeAt
  }
}

/// Runs a pace against the server until `end`, and returns the latencies.
private func simulate(_ pace: Pace, _ server: StallingServer, until end: UInt64) -> LatencyHistogram {
  var (pace, server) = (pace, server)
  var latencies = LatencyHistogram()
  var answers: [(at: UInt64, due: UInt64)] = []
  var now: UInt64 = 0
  while now < end {
    while case .start(let due, _) = pace.decide(at: now) {
      pace.didStart()
      answers.append((server.answer(now), due))
    }
    var next = answers.first?.at ?? .max
    if case .wait(let until) = pace.decide(at: now) { next = min(next, until) }
    now = next
    while let answer = answers.first, answer.at <= now {
      answers.removeFirst()
      latencies.record(answer.at - answer.due)
      pace.didFinish()
    }
  }
  return latencies
}

/// The server takes 1 ms, and stops once for 1 s in 10 s. Of the requests that are due every 10 ms a tenth is due while it
/// stops; a caller that waits for each answer sends just one of them.
@Test func `an open loop sees the stall that a closed loop leaves out`() {
  let server = StallingServer(service: 1_000_000, stall: 2_000_000_000..<3_000_000_000)
  var closed = Pace()
  closed.keepInFlight(1)
  let closedLatency = simulate(closed, server, until: 10_000_000_000)
  #expect(closedLatency.value(atPercentile: 99.9) < 2_000_000)

  var open = Pace()
  open.follow(ArrivalSchedule(.constant, rate: 100, seed: 1), from: 0)
  let openLatency = simulate(open, server, until: 10_000_000_000)
  #expect(openLatency.value(atPercentile: 99) > 800_000_000)
  #expect(openLatency.value(atPercentile: 50) < 2_000_000)
}

@Test func `a closed loop keeps its number in flight, and no more`() {
  var pace = Pace()
  pace.keepInFlight(2)
  #expect(pace.decide(at: 5) == .start(due: 5, position: 0))
  pace.didStart()
  pace.didStart()
  #expect(pace.decide(at: 6) == .waitForAnswer)
  pace.didFinish()
  #expect(pace.decide(at: 7) == .start(due: 7, position: 0))
  pace.keepInFlight(1)
  #expect(pace.decide(at: 8) == .waitForAnswer)
}

@Test func `a late call is due when it was due`() {
  var pace = Pace()
  pace.follow(ArrivalSchedule(.constant, rate: 1000, seed: 1), from: 50)
  #expect(pace.decide(at: 10) == .wait(until: 50))
  #expect(pace.decide(at: 9_000_000) == .start(due: 50, position: 0))
  pace.didStart()
  #expect(pace.decide(at: 9_000_000) == .start(due: 1_000_050, position: 0))
  pace.pass()
  #expect(pace.inFlight == 1)
  #expect(pace.decide(at: 9_000_000) == .start(due: 2_000_050, position: 0))
  pace.stop()
  #expect(pace.decide(at: 9_000_000) == .finished)
}

@Test func `what is due before the end is started after it, and nothing else is`() {
  var pace = Pace()
  pace.follow(ArrivalSchedule(.constant, rate: 1000, seed: 1), from: 0)
  pace.didStart()
  pace.finish(at: 2_000_000)
  #expect(pace.decide(at: 9_000_000) == .start(due: 1_000_000, position: 0))
  pace.didStart()
  #expect(pace.decide(at: 9_000_000) == .finished)

  var closed = Pace()
  closed.keepInFlight(1)
  closed.finish(at: 5)
  #expect(closed.decide(at: 1) == .finished)
}

@Test func `a trace ends`() throws {
  var pace = Pace()
  pace.follow(ArrivalSchedule(try ArrivalTrace("0\n1", from: "t")), from: 0)
  pace.didStart()
  #expect(pace.decide(at: 2_000_000_000) == .start(due: 1_000_000_000, position: 1))
  pace.didStart()
  #expect(pace.decide(at: 2_000_000_000) == .finished)
}
