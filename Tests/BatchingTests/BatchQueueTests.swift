import Batching
import Inference
import Testing

private func at(_ microseconds: UInt64) -> Instant { Instant(nanoseconds: microseconds * 1000) }

/// A queue with the parts of a test's script spelled once.
struct Script {
  var queue: BatchQueue
  var batch = FormedBatch()
  var cancelled: Set<UInt> = []

  init(
    max: Int = 8, preferred: [Int] = [], delay: UInt64 = 0, isDynamic: Bool = true, queueLimit: Int = 1000,
    policy: QueuePolicy = QueuePolicy(), priorities: Int = 0, defaultPriority: Int = 0, maxRequests: Int? = nil,
    grain: UInt64 = 0, policies: [Int: QueuePolicy] = [:]
  ) {
    var dynamic = DynamicBatching()
    dynamic.preferredBatchSizes = preferred
    dynamic.maxQueueDelayMicroseconds = delay
    dynamic.queuePolicy = policy
    dynamic.priorityLevels = priorities
    dynamic.defaultPriorityLevel = defaultPriority
    dynamic.priorityQueuePolicies = policies
    var batching = BatchPolicy(
      maxBatchSize: max, dynamicBatching: isDynamic ? dynamic : nil, queueLimit: queueLimit,
      maxBatchRequests: maxRequests)
    batching.deadlineGrainNanoseconds = grain
    queue = BatchQueue(policy: batching)
  }

  mutating func add(
    _ token: UInt, rows: Int = 1, shape: UInt64 = 0, at time: UInt64 = 0, timeout: UInt64? = nil,
    deadline: UInt64? = nil, priority: UInt8 = 0, caller: UInt64 = 0
  ) {
    let admission = offer(
      token, rows: rows, shape: shape, at: time, timeout: timeout, deadline: deadline, priority: priority,
      caller: caller)
    #expect(admission == .queued)
  }

  mutating func offer(
    _ token: UInt, rows: Int = 1, shape: UInt64 = 0, at time: UInt64 = 0, timeout: UInt64? = nil,
    deadline: UInt64? = nil, priority: UInt8 = 0, caller: UInt64 = 0
  ) -> BatchQueue.Admission {
    let now = Instant(nanoseconds: time * 1000)
    let timeout = queue.policy.timeout(enteringAt: now, requested: timeout, priority: priority)
    return queue.append(
      token, rows: rows, shapeKey: shape, at: now, timeout: timeout,
      deadline: deadline.map { Instant(nanoseconds: $0 * 1000) } ?? .never, priority: priority, caller: caller)
  }

  /// Everything that leaves, in order, until nothing is sent.
  mutating func drain(at time: UInt64 = 0) -> [UInt] {
    var tokens: [UInt] = []
    while look(at: time) == .send { tokens += batch.tokens }
    return tokens
  }

  mutating func look(at time: UInt64, flush: Bool = false) -> BatchVerdict {
    let cancelled = cancelled
    return queue.form(
      at: Instant(nanoseconds: time * 1000), flush: flush, isCancelled: { cancelled.contains($0) }, into: &batch)
  }

  /// Looks at the time-outs alone, as the pool's watcher does; says when to look again, in microseconds.
  mutating func sweep(at time: UInt64) -> UInt64? {
    let next = queue.sweepTimeouts(at: Instant(nanoseconds: time * 1000), into: &batch)
    return next == .never ? nil : next.nanoseconds / 1000
  }

  var reasons: [UInt: FormedBatch.Removal.Reason] {
    Dictionary(uniqueKeysWithValues: batch.removed.map { ($0.token, $0.reason) })
  }
}

@Test func `with no delay a free instance takes what is there`() {
  var script = Script()
  #expect(script.look(at: 0) == .idle)
  script.add(1, rows: 2)
  script.add(2, rows: 3)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 2])
  #expect(script.batch.rows == 5)
  #expect(script.batch.cause == .free)
  #expect(script.look(at: 0) == .idle)
}

@Test func `a lone request leaves when its delay has passed, not before`() {
  var script = Script(delay: 100)
  script.add(1, at: 10)
  #expect(script.look(at: 109) == .wait(until: at(110)))
  #expect(script.batch.tokens.isEmpty)
  #expect(script.look(at: 110) == .send)
  #expect(script.batch.tokens == [1])
  #expect(script.batch.cause == .delay)
}

@Test func `a full batch does not wait`() {
  var script = Script(max: 4, delay: 100)
  for token in 1...5 as ClosedRange<UInt> { script.add(token) }
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 2, 3, 4])
  #expect(script.batch.cause == .full)
  #expect(script.look(at: 0) == .wait(until: at(100)))
}

@Test func `a request that would overfill the batch closes it and stays first in line`() {
  var script = Script(max: 4, delay: 100)
  script.add(1, rows: 3)
  script.add(2, rows: 2)
  script.add(3, rows: 1)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1])
  #expect(script.look(at: 0) == .wait(until: at(100)))
  script.add(4, rows: 1)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [2, 3, 4])
}

@Test func `a preferred size leaves without waiting, and what is past it stays`() {
  var script = Script(max: 8, preferred: [2, 4], delay: 100)
  script.add(1)
  #expect(script.look(at: 0) == .wait(until: at(100)))
  script.add(2)
  script.add(3)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 2])
  #expect(script.batch.cause == .preferred)
  #expect(script.look(at: 0) == .wait(until: at(100)))
  #expect(script.look(at: 100) == .send)
  #expect(script.batch.tokens == [3])
}

@Test func `past its delay a batch takes all that fits, preferred or not`() {
  var script = Script(max: 8, preferred: [4], delay: 100)
  for token in 1...7 as ClosedRange<UInt> { script.add(token) }
  #expect(script.look(at: 100) == .send)
  #expect(script.batch.tokens.count == 7)
}

@Test func `shapes do not break each other's batches, and the oldest line goes first`() {
  var script = Script()
  script.add(1, shape: 7)
  script.add(2, shape: 9)
  script.add(3, shape: 7)
  script.add(4, shape: 9)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1, 3])
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [2, 4])
}

@Test func `a full line leaves while an older one waits for company, but not once that is due`() {
  var script = Script(max: 2, delay: 100)
  script.add(1, shape: 7)
  script.add(2, shape: 9, at: 1)
  script.add(3, shape: 9, at: 1)
  var other = script
  #expect(script.look(at: 50) == .send)
  #expect(script.batch.tokens == [2, 3])
  #expect(other.look(at: 100) == .send)
  #expect(other.batch.tokens == [1])
}

@Test func `a model without dynamic batching runs one request at a time`() {
  for script in [Script(max: 8, isDynamic: false), Script(max: 0)] {
    var script = script
    script.add(1)
    script.add(2)
    #expect(script.look(at: 0) == .send)
    #expect(script.batch.tokens == [1])
    #expect(script.look(at: 0) == .send)
    #expect(script.batch.tokens == [2])
  }
}

@Test func `a full queue takes no more until something leaves`() {
  var script = Script(queueLimit: 2)
  script.add(1)
  script.add(2)
  let admission = script.queue.append(3, rows: 1, shapeKey: 0, at: at(0))
  #expect(admission == .full)
  #expect(script.queue.count == 2)
  #expect(script.look(at: 0) == .send)
  script.add(3)
}

@Test func `the cancelled and the late are taken out where a batch forms, each with its reason`() {
  var policy = QueuePolicy()
  policy.defaultTimeoutMicroseconds = 50
  policy.allowTimeoutOverride = true
  var script = Script(policy: policy)
  script.add(1)
  script.add(2, timeout: 20)
  script.add(3, timeout: 90)  // may only shorten
  script.add(4, at: 40, deadline: 45)
  script.add(5, at: 40)
  script.cancelled = [1]
  #expect(script.look(at: 50) == .send)
  #expect(script.batch.tokens == [5])
  #expect(script.reasons == [1: .cancelled, 2: .timeout, 3: .timeout, 4: .deadline])
  #expect(script.look(at: 99) == .idle)
  #expect(script.batch.removed.isEmpty)
}

@Test func `a waiting instance is told to look again when the first request times out`() {
  var policy = QueuePolicy()
  policy.defaultTimeoutMicroseconds = 30
  var script = Script(delay: 100, policy: policy)
  script.add(1, at: 0)
  script.add(2, at: 5, deadline: 20)
  #expect(script.look(at: 6) == .wait(until: at(20)))
  #expect(script.look(at: 20) == .wait(until: at(30)))
  #expect(script.reasons == [2: .deadline])
  #expect(script.look(at: 30) == .idle)
  #expect(script.reasons == [1: .timeout])
}

@Test func `timed-out requests that may be delayed run after all others, or fill a batch`() {
  var policy = QueuePolicy()
  policy.defaultTimeoutMicroseconds = 10
  policy.timeoutAction = .delay
  var script = Script(max: 2, policy: policy)
  script.add(1, at: 0)
  script.add(2, at: 0)
  script.add(3, at: 5)
  script.add(4, shape: 9, at: 5)
  #expect(script.look(at: 12) == .send)
  #expect(script.batch.tokens == [3, 1])
  #expect(script.look(at: 12) == .send)
  #expect(script.batch.tokens == [4])
  #expect(script.look(at: 12) == .send)
  #expect(script.batch.tokens == [2])
  #expect(script.look(at: 12) == .idle)
}

@Test func `a flush waits for nobody`() {
  var script = Script(delay: 100)
  script.add(1)
  #expect(script.look(at: 0, flush: true) == .send)
  #expect(script.batch.tokens == [1])
}

@Test func `a timeout shortens the default and never lengthens it`() {
  var dynamic = DynamicBatching()
  dynamic.queuePolicy.allowTimeoutOverride = true
  var policy = BatchPolicy(maxBatchSize: 4, dynamicBatching: dynamic, queueLimit: 10)
  #expect(policy.timeout(enteringAt: at(1), requested: nil) == .never)
  #expect(policy.timeout(enteringAt: at(1), requested: 5) == at(6))
  policy.defaultTimeoutNanoseconds = 3000
  #expect(policy.timeout(enteringAt: at(1), requested: 5) == at(4))
  #expect(policy.timeout(enteringAt: at(1), requested: 2) == at(3))
  #expect(policy.timeout(enteringAt: at(1), requested: 0) == at(4))
  policy.allowsTimeoutOverride = false
  #expect(policy.timeout(enteringAt: at(1), requested: 2) == at(4))
}

/// Every sequence of five requests of 1 to 3 rows in two shapes, under four policies: nothing is lost, nothing is
/// reordered within its shape and no batch is larger than the limit or mixes shapes.
@Test func `every arrival order drains completely and in order`() {
  let kinds = (1...3).flatMap { rows in [0, 1].map { (rows: rows, shape: UInt64($0)) } }
  for (preferred, delay) in [([], 0), ([2], 0), ([], 10), ([2, 3], 10)] as [([Int], UInt64)] {
    for code in 0..<(6 * 6 * 6 * 6 * 6) {
      var script = Script(max: 4, preferred: preferred, delay: delay)
      var rest = code
      var expected: [UInt64: [UInt]] = [:]
      var rows: [UInt: (rows: Int, shape: UInt64)] = [:]
      for token in 1...5 as ClosedRange<UInt> {
        let kind = kinds[rest % 6]
        rest /= 6
        script.add(token, rows: kind.rows, shape: kind.shape, at: UInt64(token))
        expected[kind.shape, default: []].append(token)
        rows[token] = kind
      }
      var seen: [UInt64: [UInt]] = [:]
      var isSound = true
      while script.look(at: 100) == .send {
        let shapes = Set(script.batch.tokens.map { rows[$0]!.shape })
        let total = script.batch.tokens.reduce(0) { $0 + rows[$1]!.rows }
        isSound = isSound && shapes.count == 1 && total <= 4 && total == script.batch.rows
        seen[shapes.first!, default: []] += script.batch.tokens
      }
      isSound = isSound && seen == expected && script.queue.count == 0 && script.look(at: 100) == .idle
      #expect(isSound, "sequence \(code), preferred \(preferred), delay \(delay)")
    }
  }
}
