import Inference
import Pools
import Synchronization
import Testing
import Threads

@Test func `a pool that grows runs more at once, and numbers its instances without gaps`() async throws {
  let instances = Guarded<Set<Int>>([])
  let held = HeldModel { (run) throws(InferenceError) in
    instances.withLock { _ = $0.insert(run.instance) }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(held.model, max: 1)
  try pool.resize(to: 3)
  #expect(pool.load.instances == PoolLoad.Instances(wanted: 3, ready: 3, busy: 0))
  let requests = try (0..<3).map { _ in try held.occupy(pool) }
  #expect(pool.load.instances == PoolLoad.Instances(wanted: 3, ready: 3, busy: 3))
  for _ in requests { held.goOn.open() }
  for request in requests { request.wait() }
  #expect(instances.withLock { $0 } == [0, 1, 2])
  await pool.drain()
  #expect(held.model.liveInstances.load(ordering: .relaxed) == 0)
}

@Test func `a pool that shrinks lets each instance finish, and answers what waits with the others`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model, max: 1, instances: 3)
  let running = try (0..<3).map { _ in try held.occupy(pool) }
  let waiting = try (1...4 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in waiting { try pool.send(request) }
  try pool.resize(to: 1)
  #expect(pool.load.instances == PoolLoad.Instances(wanted: 1, ready: 1, busy: 1))
  #expect(held.model.liveInstances.load(ordering: .relaxed) == 3)
  for _ in 0..<7 { held.goOn.open() }
  for request in running + waiting { request.wait() }
  #expect(waiting.map(\.numbers) == [[1], [2], [3], [4]])
  while held.model.liveInstances.load(ordering: .relaxed) > 1 { await Task.yield() }
  try pool.resize(to: 2)
  #expect(pool.load.instances.ready == 2)
  #expect(held.model.madeInstances.load(ordering: .relaxed) == 4)
  await pool.drain()
}

@Test func `an instance that cannot be made leaves the pool as it was, and says why`() async throws {
  let model = ScriptedModel(.numbers, failingInstance: 2)
  let pool = try ModelPool.started(model, instances: 1)
  #expect(throws: InferenceError.unavailable("no device 2")) { try pool.resize(to: 4) }
  while model.liveInstances.load(ordering: .relaxed) > 1 { await Task.yield() }
  #expect(pool.load.instances == PoolLoad.Instances(wanted: 1, ready: 1, busy: 0))
  let request = try OwnedRequest(numbers: [5])
  try pool.send(request)
  request.wait()
  #expect(request.numbers == [5])
  await pool.drain()
}

@Test func `a number of instances outside the limits is refused by name`() async throws {
  var limits = PoolLimits()
  limits.maxInstances = 4
  let pool = try ModelPool.started(ScriptedModel(.numbers), limits: limits)
  for count in [-1, 0, 5] {
    #expect(throws: InferenceError.invalidArgument("instances: expected 1 to 4, got \(count)")) {
      try pool.resize(to: count)
    }
  }
  await pool.drain()
  #expect(throws: InferenceError.self) { try pool.resize(to: 2) }
}
