import Inference
import Pools
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

extension ModelPool {
  /// Two priorities, the second the default, one request a run.
  fileprivate static func started(_ model: ScriptedModel, policies: [Int: QueuePolicy]) throws -> ModelPool {
    try started(model, max: 1) {
      $0.priorityLevels = 2
      $0.defaultPriorityLevel = 2
      $0.priorityQueuePolicies = policies
    }
  }
}

private func urgent(_ number: Int64, caller: UInt64 = 0) throws -> OwnedRequest {
  let request = try OwnedRequest(numbers: [number], parameters: ["priority": 1])
  request.pointer.pointee.caller = caller
  return request
}

@Test func `a full priority refuses, and says which it is and how many of it may wait`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model, policies: [1: policy(size: 1)])
  let first = try held.occupy(pool)
  let waiting = [try urgent(1), try OwnedRequest(numbers: [2]), try OwnedRequest(numbers: [3])]
  try pool.send(waiting[0])
  let surplus = try urgent(4)
  #expect(
    throws: InferenceError.resourceExhausted(
      "Exceeds maximum queue size of priority 1: 1 requests are waiting; the limit is 1")
  ) { try pool.send(surplus) }
  #expect(surplus.pointer.pointee.retryAfterNanoseconds > 0)
  for request in waiting[1...] { try pool.send(request) }
  for _ in 0..<4 { held.goOn.open() }
  for request in [first] + waiting { request.wait() }
  #expect(waiting.map(\.numbers) == [[1], [2], [3]])
  #expect(pool.statistics.failures == [.rejected: 1])
  await pool.drain()
}

@Test func `one that makes room in its full priority is told which that is`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model, policies: [1: policy(size: 3)])
  let first = try held.occupy(pool)
  let many = [try urgent(1, caller: 7), try urgent(2, caller: 7), try urgent(3, caller: 7)]
  for request in many { try pool.send(request) }
  let single = try urgent(4, caller: 8)
  try pool.send(single)
  many[2].wait()
  #expect(
    many[2].failure
      == .resourceExhausted(
        "Exceeds maximum queue size of priority 1: 3 requests are waiting; the limit is 3; "
          + "another came first by its priority or its caller's share"))
  for _ in 0..<4 { held.goOn.open() }
  for request in [first, single, many[0], many[1]] { request.wait() }
  #expect(single.numbers == [4])
  await pool.drain()
}

@Test func `each priority's time ends while the instance is busy still`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(
    held.model, policies: [1: policy(timeout: 2000), 2: policy(override: true)])
  let first = try held.occupy(pool)
  let patient = try OwnedRequest(numbers: [1])
  let hurried = try OwnedRequest(numbers: [2], parameters: ["timeout": 1000])
  let late = try urgent(3)
  for request in [patient, hurried, late] { try pool.send(request) }
  for request in [hurried, late] {
    request.wait()
    #expect(request.failure?.code == .deadlineExceeded)
    #expect(request.failure?.message.hasPrefix("Request timeout expired") == true)
  }
  #expect(pool.load.queuedRequests == 1)
  for _ in 0..<2 { held.goOn.open() }
  for request in [first, patient] { request.wait() }
  #expect(patient.numbers == [1])
  #expect(held.model.runs.withLock { $0 } == [1, 1])
  #expect(pool.statistics.failures == [.rejected: 2])
  await pool.drain()
}

@Test func `where a priority's late requests may be delayed, they go after all that are in time`() async throws {
  let order = Guarded<[Int64]>([])
  let held = HeldModel { (run) throws(InferenceError) in
    order.withLock { $0 += run.values() }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(held.model, policies: [1: policy(timeout: 1, action: .delay)])
  let first = try held.occupy(pool)
  let late = try urgent(1)
  let patient = try OwnedRequest(numbers: [2])
  try pool.send(late, now: Instant(nanoseconds: 1))
  try pool.send(patient)
  for _ in 0..<3 { held.goOn.open() }
  for request in [first, late, patient] { request.wait() }
  #expect(order.withLock { $0 } == [0, 2, 1])
  #expect(late.numbers == [1])
  #expect(pool.statistics.failures.isEmpty)
  await pool.drain()
}
