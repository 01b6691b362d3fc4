import Batching
import Inference
import Testing

@Test func `the more urgent priority goes first, and a request without one has the default`() {
  var script = Script(max: 1, priorities: 3, defaultPriority: 2)
  script.add(1, priority: 3)
  script.add(2)
  script.add(3, priority: 1)
  script.add(4, priority: 2)
  script.add(5, priority: 200)  // past the last: as the last
  #expect(script.drain() == [3, 2, 4, 1, 5])
}

@Test func `where the model has no priorities all are equal`() {
  var script = Script(max: 1)
  script.add(1, priority: 3)
  script.add(2, priority: 1)
  #expect(script.drain() == [1, 2])
}

@Test func `of one caller the earliest deadline goes first, and who has none goes by arrival`() {
  var script = Script(max: 1)
  script.add(1)
  script.add(2, deadline: 900)
  script.add(3, deadline: 500)
  script.add(4)
  script.add(5, deadline: 900)
  #expect(script.drain() == [3, 2, 5, 1, 4])
}

@Test func `deadlines that are close together count as one`() {
  var script = Script(max: 1, grain: 100_000)
  script.add(1, deadline: 1000)
  script.add(2, deadline: 900)
  script.add(3, deadline: 899)
  script.add(4, deadline: 950)
  #expect(script.drain() == [3, 1, 2, 4])
}

@Test func `nobody without a deadline is overtaken for ever`() {
  var script = Script(max: 1)
  script.add(1, at: 0)
  script.add(2, at: 1_000_000, deadline: 9_000_000)
  script.add(3, at: 1_000_000, deadline: 12_000_000)
  #expect(script.drain(at: 2_000_000) == [2, 1, 3])
}

@Test func `callers take turns, however many one of them sends`() {
  var script = Script(max: 1)
  for token in 1...6 as ClosedRange<UInt> { script.add(token, caller: 7) }
  script.add(11, caller: 8)
  script.add(12, caller: 8)
  script.add(21, caller: 9)
  #expect(script.drain() == [1, 11, 21, 2, 12, 3, 4, 5, 6])
}

@Test func `a turn is a number of rows, not of requests`() {
  var script = Script(max: 4)
  for token in 1...3 as ClosedRange<UInt> { script.add(token, rows: 4, caller: 7) }
  for token in 11...16 as ClosedRange<UInt> { script.add(token, rows: 2, caller: 8) }
  var served: [[UInt]] = []
  while script.look(at: 0) == .send { served.append(script.batch.tokens) }
  #expect(served == [[1], [11, 12], [2], [13, 14], [3], [15, 16]])
}

@Test func `a caller that was away does not save up turns`() {
  var script = Script(max: 1)
  for token in 1...5 as ClosedRange<UInt> { script.add(token, caller: 7) }
  for _ in 1...3 { #expect(script.look(at: 0) == .send) }
  for token in 11...14 as ClosedRange<UInt> { script.add(token, caller: 8) }
  #expect(script.drain() == [4, 11, 5, 12, 13, 14])
}

@Test func `a batch is filled in turn too, and callers of one shape share it`() {
  var script = Script(max: 4)
  for token in 1...4 as ClosedRange<UInt> { script.add(token, caller: 7) }
  script.add(11, caller: 8)
  script.add(12, shape: 5, caller: 8)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 11, 2, 3])
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [12])
  #expect(script.drain() == [4])
}

@Test func `a batch of the most urgent takes the less urgent along where there is room`() {
  var script = Script(max: 2, priorities: 2, defaultPriority: 2)
  for token in 1...3 as ClosedRange<UInt> { script.add(token) }
  script.add(4, priority: 1)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [4, 1])
}

@Test func `one that is urgent and completes a preferred size lets the batch go`() {
  var script = Script(max: 8, preferred: [2, 8], delay: 100, priorities: 2, defaultPriority: 2)
  script.add(1, rows: 1)
  #expect(script.look(at: 0) == .wait(until: Instant(nanoseconds: 100_000)))
  script.add(2, rows: 2, priority: 1)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [2])
  #expect(script.batch.cause == .preferred)
}

@Test func `as many requests as an instance may run are a full batch`() {
  var script = Script(max: 8, delay: 100, maxRequests: 2)
  for token in 1...3 as ClosedRange<UInt> { script.add(token) }
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 2])
  #expect(script.batch.cause == .full)
  #expect(script.look(at: 0) == .wait(until: Instant(nanoseconds: 100_000)))
}

// MARK: - A full queue

@Test func `for one more urgent the youngest of the least urgent makes room`() {
  var script = Script(max: 1, queueLimit: 3, priorities: 3, defaultPriority: 2)
  script.add(1, priority: 3)
  script.add(2, priority: 3)
  script.add(3)
  let admissions = [script.offer(4), script.offer(5, priority: 3), script.offer(6, priority: 1), script.offer(7)]
  #expect(admissions == [.displaced(2), .full, .displaced(1), .full])
  #expect(script.drain() == [6, 3, 4])
}

@Test func `a caller with more than twice as many waiting makes room for another`() {
  var script = Script(max: 1, queueLimit: 4)
  for token in 1...4 as ClosedRange<UInt> { script.add(token, caller: 7) }
  let admissions = [script.offer(5, caller: 7), script.offer(6, caller: 8), script.offer(7, caller: 8)]
  #expect(admissions == [.full, .displaced(4), .full])
  #expect(script.drain() == [1, 6, 2, 3])
}

@Test func `past so many callers the rest are as one`() {
  var script = Script(max: 1, queueLimit: 10_000)
  // Each caller sends two. Those told apart each get one in the first round, the many others one together.
  for caller in 1...200 as ClosedRange<UInt64> {
    script.add(UInt(caller) * 10, caller: caller)
    script.add(UInt(caller) * 10 + 1, caller: caller)
  }
  var firstRound = Set<UInt>()
  for _ in 0...64 {
    #expect(script.look(at: 0) == .send)
    firstRound.formUnion(script.batch.tokens)
  }
  #expect(firstRound == Set((1...65).map { $0 * 10 }))
  #expect(script.drain().count == 400 - 65)
}

// MARK: - Small worlds and long runs

/// What the queue should do, spelled out over one plain list.
private struct Reference {
  struct Waiting {
    var token: UInt
    var level: Int
    var caller: UInt64
    var order: UInt64
  }
  struct Share: Hashable {
    var level: Int
    var caller: UInt64
  }
  var waiting: [Waiting] = []
  var times: [Share: Int] = [:]
  var known: [Share] = []
  var latest: [Int: Int] = [:]

  mutating func add(_ token: UInt, level: Int, caller: UInt64, order: UInt64) {
    let share = Share(level: level, caller: caller)
    if !known.contains(share) { known.append(share) }
    if !waiting.contains(where: { $0.level == level && $0.caller == caller }) {
      let others = waiting.filter { $0.level == level }.map { times[Share(level: level, caller: $0.caller)]! }
      times[share] = max(times[share] ?? 0, others.min() ?? latest[level] ?? 0)
    }
    waiting.append(Waiting(token: token, level: level, caller: caller, order: order))
  }

  mutating func next() -> UInt? {
    func rank(_ one: Waiting) -> [Int] {
      let share = Share(level: one.level, caller: one.caller)
      return [one.level, times[share]!, known.firstIndex(of: share)!, Int(one.order), Int(one.token)]
    }
    guard let best = waiting.min(by: { rank($0).lexicographicallyPrecedes(rank($1)) }) else { return nil }
    waiting.removeAll { $0.token == best.token }
    let share = Share(level: best.level, caller: best.caller)
    latest[best.level] = max(latest[best.level] ?? 0, times[share]!)
    times[share]! += 1
    return best.token
  }
}

/// One step: an arrival (of two callers, two priorities, two deadlines), or one that leaves.
private struct SmallWorld {
  static let kinds = 9
  var script = Script(max: 1, priorities: 2, defaultPriority: 1)
  var reference = Reference()
  var isSame = true
  var token: UInt = 0

  mutating func step(_ kind: Int) {
    token += 1
    guard kind < 8 else { return takeOne() }
    let deadline: UInt64 = kind & 4 == 0 ? 500 : 900
    let caller = UInt64(kind >> 1 & 1)
    let admission = script.offer(token, deadline: deadline, priority: UInt8(1 + kind & 1), caller: caller)
    isSame = isSame && admission == .queued
    reference.add(token, level: kind & 1, caller: caller, order: deadline)
  }

  mutating func takeOne() {
    let sent = script.look(at: 0) == .send ? script.batch.tokens.first : nil
    isSame = isSame && sent == reference.next()
  }

  mutating func drain() {
    while !reference.waiting.isEmpty { takeOne() }
    isSame = isSame && script.look(at: 0) == .idle
  }
}

@Test func `in every world of four steps the order is that of the plain rule`() {
  for code in 0..<(9 * 9 * 9 * 9) {
    var world = SmallWorld()
    var rest = code
    for _ in 0..<4 {
      world.step(rest % SmallWorld.kinds)
      rest /= SmallWorld.kinds
    }
    world.drain()
    #expect(world.isSame, "world \(code)")
  }
}

@Test func `in long random worlds the order is that of the plain rule`() {
  for seed in 1...100 as ClosedRange<UInt64> {
    var random = SeededGenerator(state: seed)
    var world = SmallWorld()
    for _ in 0..<40 { world.step(Int.random(in: 0...10, using: &random)) }
    world.drain()
    #expect(world.isSame, "seed \(seed)")
  }
}

/// One caller sends as fast as the queue takes it, the others what they can; a random number of rows each.
@Test func `while all have something waiting, shares are equal to within two batches`() {
  for seed in 1...30 as ClosedRange<UInt64> {
    var random = SeededGenerator(state: seed)
    let maxRows = Int.random(in: 1...16, using: &random)
    let callers = UInt64.random(in: 2...8, using: &random)
    var script = Script(max: maxRows, queueLimit: 100_000)
    var callerOf: [UInt: (caller: UInt64, rows: Int)] = [:]
    var waiting = Array(repeating: 0, count: Int(callers))
    var served = waiting
    var token: UInt = 0
    for _ in 0..<400 {
      for caller in 0..<callers {
        while waiting[Int(caller)] < (caller == 0 ? 50 : 20) {
          token += 1
          let rows = Int.random(in: 1...maxRows, using: &random)
          script.add(
            token, rows: rows, shape: UInt64.random(in: 0...1, using: &random), at: UInt64(token), caller: caller)
          callerOf[token] = (caller, rows)
          waiting[Int(caller)] += 1
        }
      }
      #expect(script.look(at: UInt64(token)) == .send)
      for token in script.batch.tokens {
        let owner = callerOf.removeValue(forKey: token)!
        waiting[Int(owner.caller)] -= 1
        served[Int(owner.caller)] += owner.rows
      }
    }
    let spread = served.max()! - served.min()!
    #expect(spread <= 4 * maxRows, "seed \(seed): \(served), \(maxRows) rows a batch")
  }
}

@Test func `one that comes now and then waits for about a turn of the others, however long the queue`() {
  var script = Script(max: 1, queueLimit: 100_000)
  for token in 1...2000 as ClosedRange<UInt> { script.add(token, caller: UInt64(token % 4)) }
  for round in 0..<50 as Range<UInt> {
    let mine = 100_000 + round
    script.add(mine, caller: 99)
    var waited = 0
    while script.look(at: 0) == .send, script.batch.tokens != [mine] { waited += 1 }
    #expect(waited <= 5, "round \(round): \(waited) went first")
  }
}
