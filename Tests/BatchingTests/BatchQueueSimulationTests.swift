import Batching
import Inference
import Testing

/// SplitMix64: small, seeded, the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// Instances that take and finish batches on virtual time, against a book of what every request is owed.
///
/// Each step lets a random time pass, in which the simulator looks at the queue exactly when a real pool would: on an
/// arrival, when an instance is free, and at the instants that the verdicts name.
private struct Simulation {
  struct Owed {
    var rows: Int
    var shape: UInt64
    var enqueued: UInt64
    var timeout: UInt64
    var deadline: UInt64
    var level: Int
    var caller: UInt64
    var action: QueuePolicy.TimeoutAction
    var isAnswered = false
    /// Its place among its equals: who stops waiting first, or has waited the patience long.
    var order: UInt64 { min(deadline, enqueued + BatchQueue.patience.wholeNanoseconds) }
  }

  var random: SeededGenerator
  var queue: BatchQueue
  let policy: BatchPolicy
  /// What was configured; nil: nothing, and so all is as in `QueuePolicy()`.
  let dynamic: DynamicBatching?
  static let queueLimit = 40
  var batch = FormedBatch()
  var book: [Owed] = []
  var cancelled: Set<UInt> = []
  var busyUntil: [UInt64]
  var now: UInt64 = 1
  var lookAgain: UInt64 = .max
  var waiting: Set<UInt> = []
  let callers: UInt64
  var displaced = 0
  /// Of those refused and displaced: because their priority was full for itself.
  var refusedByLevel = 0
  var displacedByLevel = 0
  var swept = 0
  var problems: [String] = []
  var sent = 0
  var removed = 0
  var refused = 0

  /// - Parameter hasPolicies: Whether there are three priorities, with policies of their own.
  init(seed: UInt64, hasPolicies: Bool = false) {
    random = SeededGenerator(state: seed)
    var dynamic = DynamicBatching()
    let maxRows = Int.random(in: 1...16, using: &random)
    dynamic.preferredBatchSizes = [[], [maxRows], [1, max(1, maxRows / 2)], [3]].randomElement(using: &random)!
    dynamic.maxQueueDelayMicroseconds = [0, 5, 50].randomElement(using: &random)!
    dynamic.queuePolicy.defaultTimeoutMicroseconds = [0, 30, 200].randomElement(using: &random)!
    dynamic.queuePolicy.allowTimeoutOverride = Bool.random(using: &random)
    dynamic.queuePolicy.timeoutAction = Bool.random(using: &random) ? .reject : .delay
    dynamic.priorityLevels = [0, 0, 1, 3].randomElement(using: &random)!
    dynamic.defaultPriorityLevel = 2
    if hasPolicies {
      dynamic.priorityLevels = 3
      dynamic.priorityQueuePolicies = Simulation.randomPolicies(levels: 3, using: &random)
    }
    callers = [1, 1, 3, 100].randomElement(using: &random)!
    self.dynamic = Int.random(in: 0..<8, using: &random) > 0 ? dynamic : nil
    var policy = BatchPolicy(
      maxBatchSize: maxRows, dynamicBatching: self.dynamic, queueLimit: Simulation.queueLimit,
      maxBatchRequests: Bool.random(using: &random) ? Int.random(in: 1...8, using: &random) : nil)
    policy.deadlineGrainNanoseconds = 0
    self.policy = policy
    queue = BatchQueue(policy: policy)
    busyUntil = Array(repeating: 0, count: Int.random(in: 1...4, using: &random))
  }

  private static func randomPolicies(levels: Int, using random: inout SeededGenerator) -> [Int: QueuePolicy] {
    var policies: [Int: QueuePolicy] = [:]
    for level in 1...levels where Int.random(in: 0..<3, using: &random) > 0 {
      var policy = QueuePolicy()
      policy.maxQueueSize = [0, 3, 6, 20].randomElement(using: &random)!
      policy.defaultTimeoutMicroseconds = [0, 15, 60, 300].randomElement(using: &random)!
      policy.allowTimeoutOverride = Bool.random(using: &random)
      policy.timeoutAction = Bool.random(using: &random) ? .reject : .delay
      policies[level] = policy
    }
    return policies
  }

  private var hasLevels: Bool { dynamic?.priorityQueuePolicies.isEmpty == false }

  private func rule(of level: Int) -> QueuePolicy {
    dynamic.map { $0.priorityQueuePolicies[level] ?? $0.queuePolicy } ?? QueuePolicy()
  }

  mutating func run(steps: Int) {
    for _ in 0..<steps {
      let next = now + UInt64.random(in: 0...20_000, using: &random)
      settle(until: next)
      if hasLevels, Int.random(in: 0..<4, using: &random) == 0 { sweep() }
      arrive()
      if Int.random(in: 0..<10, using: &random) == 0, let token = book.indices.randomElement(using: &random) {
        cancelled.insert(UInt(token))
      }
    }
    settle(until: now + 100_000_000)
    for token in book.indices where !book[token].isAnswered { problems.append("\(token) was lost") }
    if queue.count != 0 { problems.append("\(queue.count) are left") }
  }

  private mutating func arrive() {
    let rows = Int.random(in: 1...policy.maxBatchRows, using: &random)
    let shape = UInt64.random(in: 0..<3, using: &random)
    let requested = Bool.random(using: &random) ? UInt64.random(in: 1...100, using: &random) : nil
    let deadline = Bool.random(using: &random) ? now + UInt64.random(in: 1...300_000, using: &random) : UInt64.max
    let token = UInt(book.count)
    let priority = UInt8.random(in: 0...4, using: &random)
    let caller = UInt64.random(in: 0..<callers, using: &random)
    let level = policy.priorityLevels > 1 ? min(priority == 0 ? 2 : Int(priority), policy.priorityLevels) : 1
    let rule = rule(of: level)
    let timeout = policy.timeout(enteringAt: Instant(nanoseconds: now), requested: requested, priority: priority)
    noteTimeout(timeout.nanoseconds, rule, requested)
    let levelCount = waiting.filter { book[Int($0)].level == level }.count
    let isLevelFull = hasLevels && levelCount >= (rule.maxQueueSize > 0 ? rule.maxQueueSize : Simulation.queueLimit)
    let admission = queue.append(
      token, rows: rows, shapeKey: shape, at: Instant(nanoseconds: now), timeout: timeout,
      deadline: Instant(nanoseconds: deadline), priority: priority, caller: caller)
    let isFull = waiting.count == policy.maxQueuedRequests
    if (isFull || isLevelFull) != (admission != .queued) {
      problems.append("\(admission) at \(waiting.count), \(levelCount) of level \(level)")
    }
    let owed = Owed(
      rows: rows, shape: shape, enqueued: now, timeout: timeout.nanoseconds, deadline: deadline, level: level,
      caller: caller, action: rule.timeoutAction)
    if admission == .full {
      refused += 1
      if isLevelFull { noteLevelRefusal(of: owed) } else { noteRefusal(of: owed) }
      return
    }
    if case .displaced(let other) = admission {
      answer(other)
      displaced += 1
      if isLevelFull {
        displacedByLevel += 1
        if book[Int(other)].level != level { problems.append("\(other) made room in a level that is not its own") }
      }
      if book[Int(other)].level < level { problems.append("\(other) had to go for one that is less urgent") }
    }
    book.append(owed)
    waiting.insert(token)
    lookAgain = now
  }

  /// Lets time pass: a look at every instant at which an instance becomes free or a verdict asked for one.
  private mutating func settle(until end: UInt64) {
    while true {
      let free = busyUntil.indices.filter { busyUntil[$0] <= now }
      if !free.isEmpty, lookAgain <= now { look(free.randomElement(using: &random)!) } else {
        let nextFree = busyUntil.filter { $0 > now }.min() ?? .max
        let next = min(free.isEmpty ? .max : lookAgain, nextFree)
        guard next <= end else { break }
        now = max(next, now)
        lookAgain = min(lookAgain, now)
      }
    }
    now = end
  }

  private mutating func look(_ instance: Int) {
    let cancelled = cancelled
    let verdict = queue.form(
      at: Instant(nanoseconds: now), isCancelled: { cancelled.contains($0) }, into: &batch)
    for removal in batch.removed { note(removal) }
    switch verdict {
    case .idle:
      lookAgain = .max
      if queue.count != 0 { problems.append("idle with \(queue.count) waiting") }
    case .wait(let until):
      lookAgain = until.nanoseconds
      noteWait(until.nanoseconds)
    case .send:
      noteBatch()
      busyUntil[instance] = now + UInt64.random(in: 0...60_000, using: &random)
    }
  }

  private mutating func noteRefusal(of owed: Owed) {
    if waiting.contains(where: { book[Int($0)].level > owed.level && !isDelayed(book[Int($0)]) }) {
      problems.append("refused although some that wait are less urgent")
    }
  }

  /// Where a priority is full, only a caller with more than twice as many as the newcomer's would have makes room.
  private mutating func noteLevelRefusal(of owed: Owed) {
    refusedByLevel += 1
    guard callers <= 64 else { return }
    var counts: [UInt64: Int] = [:]
    var own = 0
    for token in waiting where book[Int(token)].level == owed.level {
      let other = book[Int(token)]
      if other.caller == owed.caller { own += 1 } else if !isDelayed(other) { counts[other.caller, default: 0] += 1 }
    }
    if counts.values.contains(where: { $0 > 2 * (own + 1) }) {
      problems.append("refused although another caller has more than its share of level \(owed.level)")
    }
  }

  /// What the configuration says of how long a request may wait.
  private mutating func noteTimeout(_ timeout: UInt64, _ rule: QueuePolicy, _ requested: UInt64?) {
    var wait: UInt64? = rule.defaultTimeoutMicroseconds > 0 ? rule.defaultTimeoutMicroseconds : nil
    if rule.allowTimeoutOverride, let requested { wait = min(wait ?? .max, requested) }
    let expected = wait.map { now + $0 * 1000 } ?? .max
    if timeout != expected { problems.append("times out at \(timeout) in place of \(expected)") }
  }

  /// A look at the time-outs alone, as the pool's watcher has it while all instances are busy.
  private mutating func sweep() {
    let next = queue.sweepTimeouts(at: Instant(nanoseconds: now), into: &batch).nanoseconds
    for removal in batch.removed { note(removal) }
    swept += batch.removed.count
    if next <= now { problems.append("told to look again in the past") }
    for token in waiting {
      let owed = book[Int(token)]
      if owed.deadline <= now || owed.timeout <= now && owed.action == .reject { problems.append("\(token) was not swept") }
      if owed.timeout > now, owed.timeout < next { problems.append("\(token) would be swept too late") }
    }
  }

  private func isDelayed(_ owed: Owed) -> Bool { owed.action == .delay && owed.timeout <= now }

  private mutating func answer(_ token: UInt) {
    waiting.remove(token)
    if book[Int(token)].isAnswered { problems.append("\(token) was answered twice") }
    book[Int(token)].isAnswered = true
  }

  private mutating func note(_ removal: FormedBatch.Removal) {
    answer(removal.token)
    removed += 1
    let owed = book[Int(removal.token)]
    let isRight =
      switch removal.reason {
      case .cancelled: cancelled.contains(removal.token)
      case .deadline: owed.deadline <= now
      case .timeout: owed.timeout <= now && owed.action == .reject
      }
    if !isRight { problems.append("\(removal.token) was removed as \(removal.reason) at \(now)") }
  }

  private mutating func noteWait(_ until: UInt64) {
    if until <= now { problems.append("told to wait until the past") }
    if policy.maxQueueDelayNanoseconds == 0 { problems.append("waits without a delay") }
    for token in book.indices where !book[token].isAnswered {
      if !isDelayed(book[token]), book[token].enqueued + policy.maxQueueDelayNanoseconds < until {
        problems.append("\(token) waits past its delay")
      }
      if book[token].deadline < until { problems.append("\(token) waits past its deadline") }
    }
  }

  private mutating func noteBatch() {
    sent += batch.tokens.count
    let owed = batch.tokens.map { book[Int($0)] }
    if owed.isEmpty { problems.append("sent an empty batch") }
    if owed.reduce(0, { $0 + $1.rows }) != batch.rows || batch.rows > policy.maxBatchRows {
      problems.append("\(batch.rows) rows in a batch of \(policy.maxBatchRows)")
    }
    if Set(owed.map(\.shape)).count > 1 { problems.append("shapes mixed") }
    if !policy.joinsRequests, owed.count > 1 { problems.append("joined what runs alone") }
    for (token, owed) in zip(batch.tokens, owed) {
      answer(token)
      if cancelled.contains(token) || owed.deadline <= now { problems.append("\(token) was sent too late") }
      if owed.action == .reject, owed.timeout <= now { problems.append("\(token) was sent timed out") }
    }
    if batch.tokens.count > policy.maxBatchRequests ?? .max { problems.append("\(batch.tokens.count) requests together") }
    noteOrder()
  }

  /// None that was sent should have let one that waits still go first.
  private mutating func noteOrder() {
    let sent = batch.tokens.map { (token: $0, owed: book[Int($0)]) }.filter { !isDelayed($0.owed) }
    guard !sent.isEmpty else { return }
    var left: [(token: UInt, owed: Owed)] = []
    for token in waiting where !cancelled.contains(token) {
      let owed = book[Int(token)]
      if owed.shape == sent[0].owed.shape, owed.timeout > now, owed.deadline > now { left.append((token, owed)) }
    }
    for (position, one) in sent.enumerated() {
      for other in sent[(position + 1)...] + left {
        if other.owed.level < one.owed.level { problems.append("\(other.token) is more urgent than \(one.token)") }
        guard other.owed.level == one.owed.level, other.owed.caller == one.owed.caller, callers <= 64 else { continue }
        if (other.owed.order, other.token) < (one.owed.order, one.token) {
          problems.append("\(other.token) was overtaken by \(one.token)")
        }
      }
    }
  }
}

@Test func `in random traffic none is lost, doubled, reordered in its shape, late or in too large a batch`() {
  var total = (sent: 0, removed: 0, refused: 0, displaced: 0)
  for seed in 1...400 as ClosedRange<UInt64> {
    var simulation = Simulation(seed: seed)
    simulation.run(steps: 150)
    #expect(simulation.problems.isEmpty, "seed \(seed): \(simulation.problems.prefix(5))")
    total = (
      total.sent + simulation.sent, total.removed + simulation.removed, total.refused + simulation.refused,
      total.displaced + simulation.displaced
    )
  }
  // The traffic must visit every way out, or the test proves little.
  #expect(total.sent > 10_000 && total.removed > 1000 && total.refused > 100 && total.displaced > 100, "\(total)")
}

@Test func `in random traffic each priority has its limit, its time and what comes after it`() {
  var total = (sent: 0, refused: 0, displaced: 0, swept: 0)
  for seed in 1...200 as ClosedRange<UInt64> {
    var simulation = Simulation(seed: seed, hasPolicies: true)
    simulation.run(steps: 150)
    #expect(simulation.problems.isEmpty, "seed \(seed): \(simulation.problems.prefix(5))")
    total = (
      total.sent + simulation.sent, total.refused + simulation.refusedByLevel,
      total.displaced + simulation.displacedByLevel, total.swept + simulation.swept
    )
  }
  #expect(total.sent > 1000 && total.refused > 100 && total.displaced > 2 && total.swept > 10, "\(total)")
}

/// Ten thousand requests in a thousand shapes wait: a queue that scanned them for each batch would take 10^8 steps.
@Test func `thousands waiting in a thousand shapes come out batch by batch`() {
  let policy = BatchPolicy(maxBatchSize: 4, dynamicBatching: DynamicBatching(), queueLimit: 100_000)
  var queue = BatchQueue(policy: policy)
  for token in 0..<10_000 as Range<UInt> {
    let admission = queue.append(token, rows: 1, shapeKey: UInt64(token % 1000), at: Instant(nanoseconds: 0))
    #expect(admission == .queued)
  }
  var asked = 0
  var batch = FormedBatch()
  var batches = 0
  while queue.form(at: Instant(nanoseconds: 1), isCancelled: { _ in asked += 1; return false }, into: &batch) == .send {
    batches += 1
  }
  #expect(batches == 3000)
  #expect(asked <= 2 * 10_000, "each request is met when its batch forms, and hardly more: \(asked)")
}
