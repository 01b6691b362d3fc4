import Batching
import Inference
import Testing

private func policy(
  size: Int = 0, timeout: UInt64 = 0, action: QueuePolicy.TimeoutAction = .reject, override: Bool = false
) -> QueuePolicy {
  var policy = QueuePolicy()
  policy.maxQueueSize = size
  policy.defaultTimeoutMicroseconds = timeout
  policy.timeoutAction = action
  policy.allowTimeoutOverride = override
  return policy
}

private func at(_ microseconds: UInt64) -> Instant { Instant(nanoseconds: microseconds * 1000) }

// MARK: - How many

@Test func `a full priority takes no more of its own, and another takes what it may`() {
  var script = Script(max: 1, policy: policy(size: 3), priorities: 2, defaultPriority: 2, policies: [1: policy(size: 1)])
  script.add(1, priority: 1)
  #expect(script.offer(2, priority: 1) == .full)
  for token in 3...5 as ClosedRange<UInt> { script.add(token) }
  #expect(script.offer(6) == .full)
  #expect(script.queue.count == 4)
  #expect(script.look(at: 0) == .send)
  #expect(script.batch.tokens == [1])
  script.add(7, priority: 1)
  #expect(script.offer(8) == .full)
  #expect(script.drain() == [7, 3, 4, 5])
  script.add(9)
  script.add(10, priority: 1)
}

@Test func `a priority's count says that it is full, and not before`() {
  var script = Script(max: 1, priorities: 2, defaultPriority: 2, policies: [2: policy(size: 2)])
  script.add(1)
  #expect(script.queue.countIfFull(level: 1) == nil)
  script.add(2)
  #expect(script.queue.countIfFull(level: 1) == 2)
  #expect(script.queue.countIfFull(level: 0) == nil)
  var equal = Script(max: 1, queueLimit: 1, priorities: 2, defaultPriority: 2)
  equal.add(1)
  #expect(equal.queue.countIfFull(level: 1) == nil)  // the queue is full, and no level for itself
}

@Test func `without policies of their own the priorities share the default's size`() {
  var script = Script(max: 1, policy: policy(size: 2), priorities: 2, defaultPriority: 2)
  script.add(1, priority: 1)
  script.add(2)
  #expect(script.offer(3) == .full)
}

@Test func `with them the default's size is each other priority's, and the server's limit that of all`() {
  var script = Script(
    max: 1, queueLimit: 4, policy: policy(size: 2), priorities: 3, defaultPriority: 2, policies: [1: policy()])
  for token in 1...2 as ClosedRange<UInt> { script.add(token) }
  #expect(script.offer(3) == .full)
  for token in 4...5 as ClosedRange<UInt> { script.add(token, priority: 3) }
  #expect(script.offer(6, priority: 3) == .full)  // both the level and the queue
  #expect(script.offer(7, priority: 1) == .displaced(5))
  #expect(script.queue.count == 4)
  #expect(script.drain() == [7, 1, 2, 4])
}

@Test func `one that is more urgent displaces nobody past its own priority's limit`() {
  var script = Script(max: 1, queueLimit: 3, priorities: 2, defaultPriority: 2, policies: [1: policy(size: 1)])
  script.add(1)
  script.add(2)
  script.add(3, priority: 1)
  #expect(script.offer(4, priority: 1) == .full)
  #expect(script.drain() == [3, 1, 2])
}

@Test func `in a full priority a caller with more than twice as many makes room, and no other priority does`() {
  var script = Script(max: 1, priorities: 2, defaultPriority: 2, policies: [1: policy(size: 3)])
  for token in 1...3 as ClosedRange<UInt> { script.add(token, priority: 1, caller: 7) }
  for token in 11...19 as ClosedRange<UInt> { script.add(token, caller: 9) }
  #expect(script.offer(4, priority: 1, caller: 7) == .full)
  #expect(script.offer(5, priority: 1, caller: 8) == .displaced(3))
  #expect(script.offer(6, priority: 1, caller: 8) == .full)
  #expect(script.queue.count == 12)
  #expect(Array(script.drain().prefix(4)) == [1, 5, 2, 11])
}

@Test func `those that were delayed count, and make no room`() {
  var script = Script(
    max: 1, priorities: 2, defaultPriority: 2, policies: [1: policy(size: 2, timeout: 10, action: .delay)])
  script.add(1, priority: 1, caller: 7)
  script.add(2, priority: 1, caller: 7)
  #expect(script.sweep(at: 10) == nil)
  #expect(script.batch.removed.isEmpty)
  #expect(script.offer(3, at: 11, priority: 1, caller: 8) == .full)
  script.add(4, at: 11)
  #expect(script.drain(at: 12) == [4, 1, 2])
  script.add(5, at: 13, priority: 1)
}

@Test func `whatever way a request leaves, its priority has room again`() {
  var script = Script(
    max: 1, priorities: 1, defaultPriority: 1, policies: [1: policy(size: 1, timeout: 50)])
  script.add(1)
  script.cancelled = [1]
  #expect(script.look(at: 0) == .idle)
  script.add(2)
  #expect(script.look(at: 50) == .idle)  // timed out
  script.add(3, at: 60, deadline: 70)
  #expect(script.sweep(at: 70) == nil)
  #expect(script.reasons == [3: .deadline])
  script.add(4, at: 80)
  #expect(script.queue.removeAll() == [4])
  script.add(5, at: 80)
  #expect(script.drain(at: 80) == [5])
  script.add(6, at: 80)
}

// MARK: - How long

@Test func `each priority has its own time, and may let its requests ask for less`() {
  var dynamic = DynamicBatching()
  dynamic.priorityLevels = 4
  dynamic.defaultPriorityLevel = 3
  dynamic.queuePolicy = policy(timeout: 500)
  dynamic.priorityQueuePolicies = [
    1: policy(), 2: policy(timeout: 100, override: true), 4: policy(override: true),
  ]
  let batching = BatchPolicy(maxBatchSize: 4, dynamicBatching: dynamic, queueLimit: 10)
  func timeout(_ priority: UInt8, _ requested: UInt64? = nil) -> Instant {
    batching.timeout(enteringAt: at(1000), requested: requested, priority: priority)
  }
  #expect(timeout(1) == .never)
  #expect(timeout(1, 5) == .never)
  #expect(timeout(2) == at(1100))
  #expect(timeout(2, 5) == at(1005))
  #expect(timeout(2, 5000) == at(1100))
  #expect(timeout(3, 5) == at(1500))  // the default policy's
  #expect(timeout(0) == at(1500))  // and of who names no priority
  #expect(timeout(4) == .never)
  #expect(timeout(4, 7) == at(1007))
  #expect(timeout(200, 7) == at(1007))  // past the last: as the last
  #expect([1, 2, 3, 4].map { batching.allowsTimeoutOverride(of: $0) } == [false, true, false, true])
}

@Test func `the deployment's longest wait is that of every priority, and rejects`() {
  var dynamic = DynamicBatching()
  dynamic.priorityLevels = 2
  dynamic.defaultPriorityLevel = 2
  dynamic.priorityQueuePolicies = [1: policy(timeout: 5, action: .delay)]
  let batching = BatchPolicy(
    maxBatchSize: 4, dynamicBatching: dynamic, queueLimit: 10, maxQueueWait: .microseconds(80))
  #expect(batching.levels.map(\.timeoutAction) == [.reject, .reject])
  #expect(batching.timeout(enteringAt: at(0), requested: nil, priority: 1) == at(5))
  #expect(batching.timeout(enteringAt: at(0), requested: nil, priority: 2) == at(80))
}

@Test func `past its time one priority's request fails, and another's goes after those that are in time`() {
  var script = Script(
    max: 1, policy: policy(timeout: 10, action: .delay), priorities: 2, defaultPriority: 2,
    policies: [1: policy(timeout: 20)])
  script.add(1)
  script.add(2, at: 5, priority: 1)
  script.add(3, at: 24)
  #expect(script.look(at: 25) == .send)
  #expect(script.batch.tokens == [3])
  #expect(script.reasons == [2: .timeout])
  #expect(script.look(at: 25) == .send)
  #expect(script.batch.tokens == [1])
  #expect(script.look(at: 25) == .idle)
}

@Test func `while no instance looks, who waited too long is found behind those that may wait on`() {
  var script = Script(
    max: 1, policy: policy(timeout: 1000), priorities: 3, defaultPriority: 2,
    policies: [1: policy(timeout: 10), 3: policy(timeout: 30, action: .delay)])
  script.add(1)
  script.add(2, at: 1, priority: 3)
  script.add(3, at: 2, priority: 1)
  script.add(4, at: 3, deadline: 15)
  #expect(script.sweep(at: 11) == 12)
  #expect(script.batch.removed.isEmpty)
  #expect(script.sweep(at: 12) == 15)
  #expect(script.reasons == [3: .timeout])
  #expect(script.sweep(at: 15) == 31)
  #expect(script.reasons == [4: .deadline])
  #expect(script.sweep(at: 31) == 1000)
  #expect(script.batch.removed.isEmpty)
  #expect(script.queue.count == 2)
  #expect(script.drain(at: 31) == [1, 2])
  #expect(script.sweep(at: 2000) == nil)
  #expect(script.batch.removed.isEmpty)
}

@Test func `where instances wait for company they are told of each priority's time`() {
  var script = Script(
    delay: 100, policy: policy(timeout: 90), priorities: 2, defaultPriority: 2, policies: [1: policy(timeout: 30)])
  script.add(1)
  script.add(2, at: 5, priority: 1)
  #expect(script.look(at: 6) == .wait(until: at(35)))
  #expect(script.look(at: 35) == .wait(until: at(90)))
  #expect(script.reasons == [2: .timeout])
  #expect(script.look(at: 90) == .idle)
  #expect(script.reasons == [1: .timeout])
}

@Test func `where answers keep the order of the requests, one that is late keeps its place`() {
  var dynamic = DynamicBatching()
  dynamic.preserveOrdering = true
  dynamic.priorityLevels = 2
  dynamic.defaultPriorityLevel = 2
  dynamic.queuePolicy = policy(timeout: 10, action: .delay, override: true)
  dynamic.priorityQueuePolicies = [1: policy(timeout: 10)]
  let batching = BatchPolicy(maxBatchSize: 4, dynamicBatching: dynamic, queueLimit: 10)
  #expect(batching.timeout(enteringAt: at(0), requested: 5, priority: 2) == .never)
  #expect(batching.timeout(enteringAt: at(0), requested: 5, priority: 1) == at(10))
}
