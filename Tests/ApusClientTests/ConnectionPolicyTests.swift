import ApusClient
import Inference
import Testing

private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

@Suite struct ConnectionBackoffTests {
  @Test func `waits follow gRPC's document: 1 s, times 1.6, at most 120 s, give or take a fifth`() {
    let backoff = ConnectionBackoff()
    var random = SeededGenerator(seed: 3)
    for (failures, seconds) in [(1, 1.0), (2, 1.6), (3, 2.56), (11, 109.95), (12, 120), (1000, 120)] {
      let waits = (0..<500).map { _ in Double(backoff.wait(afterFailures: failures, using: &random)) / 1e9 }
      #expect(waits.min()! >= seconds * 0.799 && waits.min()! < seconds * 0.83)
      #expect(waits.max()! <= seconds * 1.201 && waits.max()! > seconds * 1.17)
    }
  }
}

@Suite struct ConnectionHealthTests {
  var random = SeededGenerator(seed: 5)
  let backoff = {
    var backoff = ConnectionBackoff()
    backoff.jitter = 0
    return backoff
  }()

  @Test mutating func `after a failure the place rests, counted from the attempt's start`() {
    var health = ConnectionHealth()
    #expect(health.mayTry(at: at(0)))
    health.tried(at: at(0))
    #expect(!health.mayTry(at: at(10)))
    health.failed(at: at(400), backoff, using: &random)
    #expect(!health.mayTry(at: at(999)))
    #expect(health.mayTry(at: at(1000)))
    #expect(health.consecutiveFailures == 1)
  }

  @Test mutating func `a failure that took longer than the wait may be followed at once`() {
    var health = ConnectionHealth()
    health.tried(at: at(0))
    health.failed(at: at(20_000), backoff, using: &random)
    #expect(health.mayTry(at: at(20_000)))
  }

  @Test mutating func `a connection that held and was lost is replaced at once, with a clean record`() {
    var health = ConnectionHealth()
    health.tried(at: at(0))
    health.failed(at: at(1), backoff, using: &random)
    health.tried(at: at(1000))
    health.becameReady()
    #expect(!health.mayTry(at: at(50_000)))
    health.lost(at: at(60_000), backoff, using: &random)
    #expect(health.mayTry(at: at(60_000)))
    #expect(health.consecutiveFailures == 0)
  }

  @Test mutating func `a server that accepts and closes is not connected to in a loop`() {
    var health = ConnectionHealth()
    var now: UInt64 = 0
    var attempts = 0
    while now < 60_000 {
      if health.mayTry(at: at(now)) {
        attempts += 1
        health.tried(at: at(now))
        health.becameReady()
        health.lost(at: at(now + 1), backoff, using: &random)
      }
      now += 1
    }
    // 1 + 1.6 + 2.56 + … passes 60 s with the eighth.
    #expect(attempts == 8)
  }

  @Test mutating func `a server that says goodbye may be connected to again at once`() {
    var health = ConnectionHealth()
    health.tried(at: at(0))
    health.becameReady()
    health.drained(at: at(1000), backoff, using: &random)
    #expect(health.mayTry(at: at(1000)))
    #expect(health.consecutiveFailures == 0)
  }

  @Test mutating func `a server that greets with a goodbye is left alone for a while`() {
    var health = ConnectionHealth()
    health.tried(at: at(0))
    health.becameReady()
    health.drained(at: at(1), backoff, using: &random)
    #expect(!health.mayTry(at: at(999)))
    #expect(health.mayTry(at: at(1000)))
    #expect(health.consecutiveFailures == 1)
  }
}

@Suite struct BalancerTests {
  private func picks(
    _ times: Int, from count: Int, _ balancer: inout Balancer, load: (Int) -> Int?
  ) -> [Int?] {
    (0..<times).map { _ in balancer.pick(count: count, load: load) }
  }

  @Test func `round robin gives each its turn, and passes over those that are full`() {
    var balancer = Balancer(.roundRobin)
    #expect(picks(7, from: 3, &balancer) { _ in 0 } == [0, 1, 2, 0, 1, 2, 0])
    #expect(picks(4, from: 3, &balancer) { $0 == 1 ? nil : 0 } == [2, 0, 2, 0])
    #expect(picks(1, from: 3, &balancer) { _ in nil } == [nil])
    #expect(picks(1, from: 0, &balancer) { _ in 0 } == [nil])
  }

  @Test func `round robin goes on when the list gets shorter`() {
    var balancer = Balancer(.roundRobin)
    for _ in 0..<3 { _ = balancer.pick(count: 4) { _ in 0 } }
    #expect(picks(1, from: 2, &balancer) { _ in 0 } == [0])
  }

  @Test func `least outstanding picks the emptiest, and equals take turns`() {
    var balancer = Balancer(.leastOutstanding)
    #expect(picks(1, from: 3, &balancer) { [5, 2, 9][$0] } == [1])
    #expect(picks(4, from: 2, &balancer) { _ in 1 } == [0, 1, 0, 1])
    #expect(picks(1, from: 3, &balancer) { [nil, nil, 4][$0] } == [2])
  }

  /// Two servers, one four times as slow: what each gets when every call takes its server's time.
  @Test(arguments: 1...10) func `least outstanding gives a slow server its share and no more`(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    var balancer = Balancer(.leastOutstanding)
    var running = [0, 0]
    var counts = [0, 0]
    for _ in 0..<20_000 {
      for server in 0...1 where running[server] > 0 {
        // In a step a fast server ends each call with a chance of 40 %, a slow one of 10 %.
        for _ in 0..<running[server] where Double.random(in: 0..<1, using: &random) < [0.4, 0.1][server] {
          running[server] -= 1
        }
      }
      while running[0] + running[1] < 10, let pick = balancer.pick(count: 2, load: { running[$0] }) {
        running[pick] += 1
        counts[pick] += 1
      }
    }
    let share = Double(counts[1]) / Double(counts[0] + counts[1])
    #expect(share > 0.17 && share < 0.25)
  }
}

@Suite struct ResolutionScheduleTests {
  @Test func `names are looked up first, then when wanted but not too often`() {
    var schedule = ResolutionSchedule(minimumInterval: .seconds(30), maximumAge: nil)
    #expect(schedule.mayStart(at: at(0)) == true)
    schedule.want()
    #expect(schedule.mayStart(at: at(40_000)) == false, "one look-up at a time")
    schedule.ended(found: true)
    #expect(schedule.mayStart(at: at(40_000)) == true)
    schedule.ended(found: true)
    #expect(schedule.mayStart(at: at(100_000)) == false, "nobody wanted it")
    schedule.want()
    #expect(schedule.mayStart(at: at(100_000)) == true)
    schedule.ended(found: true)
    schedule.want()
    #expect(schedule.mayStart(at: at(129_999)) == false)
    #expect(schedule.mayStart(at: at(130_000)) == true)
  }

  @Test func `where nothing was found, it is looked up again after a second`() {
    var schedule = ResolutionSchedule(minimumInterval: .seconds(30), maximumAge: nil)
    #expect(schedule.mayStart(at: at(0)) == true)
    schedule.ended(found: false)
    #expect(schedule.mayStart(at: at(999)) == false)
    #expect(schedule.mayStart(at: at(1000)) == true)
  }

  @Test func `an answer that is too old is fetched anew unasked`() {
    var schedule = ResolutionSchedule(minimumInterval: .seconds(30), maximumAge: .seconds(300))
    #expect(schedule.mayStart(at: at(0)) == true)
    schedule.ended(found: true)
    #expect(schedule.mayStart(at: at(299_999)) == false)
    #expect(!schedule.isTooOld(at: at(299_999)) && schedule.isTooOld(at: at(300_000)))
    #expect(schedule.mayStart(at: at(300_000)) == true)
    #expect(!schedule.isTooOld(at: at(900_000)), "it is being fetched")
  }
}
