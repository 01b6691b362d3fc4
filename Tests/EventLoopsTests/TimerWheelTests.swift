import EventLoops
import Inference
import Testing

/// A wheel on virtual time, with timers that note when they fire.
private struct Bench: ~Copyable {
  let wheel: TimerWheel
  let nodes: UnsafeMutableBufferPointer<TimerNode>
  var now: UInt64

  init(count: Int, startingAt now: UInt64 = 5_000_000_000) {
    self.now = now
    wheel = TimerWheel(now: Instant(nanoseconds: now))
    nodes = .allocate(capacity: count)
    let context = UnsafeMutableRawPointer(nodes.baseAddress!)
    for index in 0..<count { nodes.initializeElement(at: index, to: TimerNode(context: context) { _ in }) }
  }

  deinit { nodes.deallocate() }

  func node(_ index: Int) -> UnsafeMutablePointer<TimerNode> { nodes.baseAddress! + index }

  mutating func arm(_ index: Int, at nanoseconds: UInt64) {
    wheel.arm(node(index), at: Instant(nanoseconds: nanoseconds))
  }

  /// Moves the clock and returns who fired, in order.
  mutating func advance(to nanoseconds: UInt64) -> [Int] {
    now = nanoseconds
    var fired: [Int] = []
    while let due = wheel.takeDue(now: Instant(nanoseconds: now)) { fired.append(due - nodes.baseAddress!) }
    return fired
  }
}

private let tick: UInt64 = 1_000_000
private let turn: UInt64 = 4096 * tick
private let start: UInt64 = 5_000_000_000

@Test func `a timer fires at its tick, not a nanosecond before its deadline`() {
  var bench = Bench(count: 1)
  bench.arm(0, at: start + 10 * tick)
  #expect(bench.advance(to: start + 10 * tick - 1) == [])
  #expect(bench.advance(to: start + 10 * tick) == [0])
  #expect(bench.wheel.count == 0)
  #expect(bench.wheel.nextExpiry() == nil)
}

@Test func `a deadline between two ticks is kept until the later one`() {
  var bench = Bench(count: 1)
  bench.arm(0, at: start + tick + 1)
  #expect(bench.advance(to: start + 2 * tick - 1) == [])
  #expect(bench.advance(to: start + 2 * tick) == [0])
}

@Test func `a deadline that has passed fires at the next tick`() {
  var bench = Bench(count: 1)
  bench.arm(0, at: 1)
  #expect(bench.advance(to: start) == [])
  #expect(bench.wheel.nextExpiry() == Instant(nanoseconds: start + tick))
  #expect(bench.advance(to: start + tick) == [0])
}

@Test func `timers fire in the order of their ticks, also when the clock jumps`() {
  var bench = Bench(count: 5)
  for (index, milliseconds) in [30, 10, 50, 20, 40].enumerated() { bench.arm(index, at: start + UInt64(milliseconds) * tick) }
  #expect(bench.advance(to: start + 60 * tick) == [1, 3, 0, 4, 2])
}

@Test func `a timer further away than a turn waits for its own turn`() {
  var bench = Bench(count: 2)
  bench.arm(0, at: start + 3 * turn + 7 * tick)
  bench.arm(1, at: start + 7 * tick)
  #expect(bench.advance(to: start + 7 * tick) == [1])
  for turns in 1...3 { #expect(bench.advance(to: start + UInt64(turns) * turn + 6 * tick) == []) }
  #expect(bench.advance(to: start + 3 * turn + 7 * tick) == [0])
}

@Test func `a clock that jumps many turns fires everything that was due on the way`() {
  var bench = Bench(count: 3)
  bench.arm(0, at: start + tick)
  bench.arm(1, at: start + 5 * turn)
  bench.arm(2, at: start + 20 * turn)
  #expect(Set(bench.advance(to: start + 10 * turn)) == [0, 1])
  #expect(bench.wheel.count == 1)
}

@Test func `a timer that is never due is not armed`() {
  var bench = Bench(count: 1)
  bench.wheel.arm(bench.node(0), at: .never)
  #expect(!bench.node(0).pointee.isArmed)
  // The last instant but one rounds up past the end of the clock.
  bench.arm(0, at: .max - 1)
  #expect(bench.node(0).pointee.isArmed)
  #expect(bench.advance(to: start + 3 * turn) == [])
}

@Test func `a timer that is armed again fires once, at its last deadline`() {
  var bench = Bench(count: 1)
  bench.arm(0, at: start + 5 * tick)
  bench.arm(0, at: start + 9 * tick)
  #expect(bench.wheel.count == 1)
  #expect(bench.advance(to: start + 8 * tick) == [])
  #expect(bench.advance(to: start + 20 * tick) == [0])
}

@Test func `a timer may arm itself and disarm others while it fires`() {
  var bench = Bench(count: 3)
  for index in 0..<3 { bench.arm(index, at: start + 5 * tick) }
  let later = Instant(nanoseconds: start + 10 * tick)
  var fired: [Int] = []
  while let due = bench.wheel.takeDue(now: later) {
    let index = due - bench.nodes.baseAddress!
    fired.append(index)
    for other in 0..<3 where other != index { bench.wheel.disarm(bench.node(other)) }
    // In the past: must neither be lost nor fire for ever within one turn of the loop.
    if fired.count < 100 { bench.arm(index, at: start) }
  }
  #expect(Set(fired).count == 1)
  #expect(fired.count <= 10)
  #expect(bench.wheel.count == 1)
}

/// Every way to arm three timers at distances 0 to 4 ticks and to step a clock 4 times by 1 or 2 ticks.
@Test func `every small schedule fires each timer once, never early and within a tick of a look`() {
  for code in 0..<125 {
    let distances = [code % 5, code / 5 % 5, code / 25].map(UInt64.init)
    for steps in 0..<16 {
      var bench = Bench(count: 3)
      for index in 0..<3 { bench.arm(index, at: start + distances[index] * tick) }
      var now = start
      var seen: [Int: UInt64] = [:]
      for step in 0..<4 {
        now += (steps >> step & 1 == 0 ? 1 : 2) * tick
        for index in bench.advance(to: now) {
          #expect(seen[index] == nil && now >= start + distances[index] * tick)
          seen[index] = now
        }
        for index in 0..<3 where start + max(distances[index], 1) * tick <= now {
          #expect(seen[index] != nil, "timer \(index) of \(distances), steps \(steps)")
        }
      }
    }
  }
}

/// Compared with a plain dictionary of deadlines, under a seeded mix of arming, disarming and waiting until `nextExpiry`.
@Test(arguments: 0..<20) func `random schedules agree with a model`(seed: UInt64) {
  var random = SplitMix(state: seed)
  var bench = Bench(count: 64)
  var model: [Int: UInt64] = [:]
  for _ in 0..<3000 {
    let index = Int(random.next() % 64)
    switch random.next() % 5 {
    case 0, 1:
      let reach = random.next() % 3 == 0 ? 3 * turn : 40 * tick
      let deadline = bench.now - min(bench.now, 3 * tick) + random.next() % reach
      bench.arm(index, at: deadline)
      model[index] = deadline
    case 2:
      bench.wheel.disarm(bench.node(index))
      model[index] = nil
    case 3:
      check(&bench, &model, at: bench.now + random.next() % (5 * tick))
    default:
      guard let next = bench.wheel.nextExpiry() else { continue }
      if let first = model.values.min() { #expect(next.nanoseconds < max(first, bench.now) + 2 * tick) }
      check(&bench, &model, at: max(next.nanoseconds, bench.now))
    }
  }
}

private func check(_ bench: inout Bench, _ model: inout [Int: UInt64], at now: UInt64) {
  let before = bench.now
  for index in bench.advance(to: now) {
    guard let deadline = model.removeValue(forKey: index) else {
      Issue.record("timer \(index) fired without being armed")
      continue
    }
    #expect(deadline <= now)
  }
  // Nothing that was due a tick ago, and was there to be seen then, is left.
  for (index, deadline) in model {
    #expect(max(deadline, before) + tick > now - now % tick || deadline > now, "timer \(index) is overdue")
  }
  let count = bench.wheel.count
  #expect(count == model.count)
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
