import Inference
import Pools
import Testing

@Test func `an instance runs no more requests at once than it is allowed`() async throws {
  let held = HeldModel()
  var limits = PoolLimits()
  limits.requestsPerInstance = 2
  let pool = try ModelPool.started(held.model, limits: limits)
  let first = try held.occupy(pool)
  let others = try (1...3 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in others { try pool.send(request) }
  for _ in 0..<3 { held.goOn.open() }
  for request in [first] + others { request.wait() }
  #expect(held.model.runs.withLock { $0 } == [1, 2, 1])
  #expect(others.map(\.numbers) == [[1], [2], [3]])
  await pool.drain()
}

@Test func `past twice what the instances can run a request is refused at once, with a time to come back`() async throws {
  let held = HeldModel()
  var limits = PoolLimits()
  limits.requestsPerInstance = 2
  let pool = try ModelPool.started(held.model, limits: limits)
  let first = try held.occupy(pool)
  let others = try (1...3 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in others { try pool.send(request) }
  let surplus = try OwnedRequest(numbers: [9])
  #expect(
    throws: InferenceError.resourceExhausted(
      "too many pending requests: 4 are in flight; the limit is 4, twice 2 an instance for 1 instances")
  ) { try pool.send(surplus) }
  #expect(surplus.pointer.pointee.retryAfterNanoseconds >= 1_000_000)
  #expect(surplus.pointer.pointee.retryAfterNanoseconds <= 30_000_000_000)
  try pool.resize(to: 2)
  try pool.send(surplus)
  for _ in 0..<5 { held.goOn.open() }
  for request in [first] + others + [surplus] { request.wait() }
  #expect(surplus.numbers == [9])
  #expect(pool.statistics.failures == [.rejected: 1])
  await pool.drain()
}

/// The clock stands still but for 8 ms in every run, so an instance is known to take 8 ms a request.
@Test func `the time to come back is that in which the queue is served at the rate of late`() async throws {
  let time = Guarded<UInt64>(1000)
  let clock = PoolClock(now: { Instant(nanoseconds: time.withLock { $0 }) }, epochMilliseconds: { 0 })
  let held = HeldModel { (run) throws(InferenceError) in
    time.withLock { $0 += 8_000_000 }
    return try ScriptedModel.echo(run)
  }
  var limits = PoolLimits()
  limits.requestsPerInstance = 3
  let pool = try ModelPool.started(held.model, limits: limits, clock: clock)
  let first = try held.occupy(pool)
  held.goOn.open()
  first.wait()
  let second = try held.occupy(pool)
  let others = try (1...5 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in others { try pool.send(request) }
  let surplus = try OwnedRequest(numbers: [9])
  #expect(throws: InferenceError.self) { try pool.send(surplus) }
  #expect(surplus.pointer.pointee.retryAfterNanoseconds == 5 * 8_000_000)
  for _ in 0..<3 { held.goOn.open() }
  for request in [second] + others { request.wait() }
  await pool.drain()
}

@Test func `who has waited as long as the deployment allows is told while the instance is busy still`() async throws {
  let held = HeldModel()
  var limits = PoolLimits()
  limits.maxQueueWait = .milliseconds(2)
  let pool = try ModelPool.started(held.model, limits: limits)
  let first = try held.occupy(pool)
  let others = try (1...3 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in others { try pool.send(request) }
  for request in others {
    request.wait()
    #expect(request.failure?.code == .deadlineExceeded)
    #expect(request.failure?.message.hasPrefix("Request timeout expired") == true)
  }
  held.goOn.open()
  first.wait()
  #expect(first.failure == nil)
  #expect(held.model.runs.withLock { $0 } == [1])
  await pool.drain()
}

@Test func `utilisation counts busy instances and waiting batches, and is averaged over time`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model, max: 4, instances: 2)
  func sample(_ seconds: UInt64) { pool.sampleUtilisation(at: Instant(nanoseconds: seconds * 1_000_000_000)) }
  sample(10)
  #expect(pool.load.utilisation == 0)
  let first = try held.occupy(pool)
  sample(11)
  #expect(pool.load.utilisation == 0.5)
  let second = try held.occupy(pool)
  let others = try (1...6 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in others { try pool.send(request) }
  sample(14)  // (2 busy + 6 of 4) / 2 for three seconds, after 0.5 for one
  #expect(pool.load.utilisation == (0.5 + 3 * 1.75) / 4)
  #expect(pool.takeUtilisation() == (0.5 + 3 * 1.75) / 4)
  sample(15)
  #expect(pool.load.utilisation == 1.75)
  for _ in 0..<8 { held.goOn.open() }
  for request in [first, second] + others { request.wait() }
  await pool.drain()
}

@Test func `a request that must make room for a more urgent one is told why, and when to come back`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model, max: 1) {
    $0.queuePolicy.maxQueueSize = 2
    $0.priorityLevels = 2
    $0.defaultPriorityLevel = 2
    $0.preserveOrdering = true
  }
  let first = try held.occupy(pool)
  let patient = [try OwnedRequest(numbers: [1]), try OwnedRequest(numbers: [2])]
  for request in patient { try pool.send(request) }
  let urgent = try OwnedRequest(numbers: [3], parameters: ["priority": 1])
  try pool.send(urgent)
  #expect(pool.load.queuedRequests == 2)
  for _ in 0..<3 { held.goOn.open() }
  for request in [first, urgent] + patient { request.wait() }
  #expect(urgent.numbers == [3])
  #expect(patient[0].numbers == [1])
  #expect(
    patient[1].failure
      == .resourceExhausted(
        "Exceeds maximum queue size: 2 requests are waiting; the limit is 2; "
          + "another came first by its priority or its caller's share"))
  #expect(patient[1].pointer.pointee.retryAfterNanoseconds > 0)
  #expect(pool.statistics.failures == [.rejected: 1])
  await pool.drain()
}
