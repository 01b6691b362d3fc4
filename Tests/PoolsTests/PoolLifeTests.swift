import Backends
import Batching
import Inference
import Pools
import Synchronization
import Testing

@Test func `a drain answers everything accepted, takes nothing new and frees the instances`() async throws {
  let entered = Gate()
  let goOn = Gate()
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    entered.open()
    goOn.wait()
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(model, max: 2) { $0.maxQueueDelayMicroseconds = 3_600_000_000 }
  let requests = try (0..<5 as Range<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in requests[..<2] { try pool.send(request) }
  entered.wait()
  for request in requests[2...] { try pool.send(request) }
  let drained = Gate()
  pool.drain { drained.open() }
  let late = try OwnedRequest(numbers: [9])
  #expect(throws: InferenceError.unavailable("draining")) { try pool.send(late) }
  for _ in 0..<3 { goOn.open() }
  for request in requests { request.wait() }
  #expect(requests.map(\.numbers) == [[0], [1], [2], [3], [4]])
  await pool.drain()
  drained.wait()
  #expect(model.madeInstances.load(ordering: .relaxed) == 1)
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
}

@Test func `a model's suggestion stays within the limit, and a configuration's number is counted as it is`() {
  let model = ScriptedModel(.numbers, instances: 5000)
  var configuration = ModelConfiguration(name: "scripted")
  #expect(ModelPool.instanceCount(of: configuration, for: model) == ModelPool.instanceLimit)
  var group = InstanceGroup()
  group.count = 1_000_000
  configuration.instanceGroups = [group, InstanceGroup()]
  #expect(ModelPool.instanceCount(of: configuration, for: model) == 1_000_000 + ModelPool.instanceLimit)
}

@Test func `an instance that cannot be made fails the start and takes the others with it`() throws {
  let model = ScriptedModel(.numbers, failingInstance: 2)
  let pool = ModelPool.made(model, instances: 4)
  #expect(throws: InferenceError.unavailable("no device 2")) { try pool.start() }
  #expect(model.madeInstances.load(ordering: .relaxed) == 3)
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
  let request = try OwnedRequest(numbers: [1])
  #expect(throws: InferenceError.unavailable("draining")) { try pool.send(request) }
}

@Test func `a pool is gone when it is drained and its answers are released`() async throws {
  weak var gone: ModelPool?
  do {
    let pool = try ModelPool.started(ScriptedModel(.numbers), instances: 2)
    gone = pool
    let request = try OwnedRequest(numbers: [1])
    try pool.send(request)
    request.wait()
    await pool.drain()
  }
  // The drain's own thread may hold the pool for a moment after it has told us.
  while gone != nil { await Task.yield() }
}

@Test func `every instance warms up on one row of zeros, and a failure is only logged`() async throws {
  let signature = ModelSignature(
    inputs: [
      TensorMetadata(name: "x", datatype: .int64, shape: [-1, 3, -1]),
      TensorMetadata(name: "text", datatype: .bytes, shape: [-1, 2]),
    ], outputs: [TensorMetadata(name: "y", datatype: .int64, shape: [-1, 1])], isBatchable: true)
  let shapes = Guarded<[[[Int64]]]>([])
  let model = ScriptedModel(signature) { (run) throws(InferenceError) in
    let isZero = run.inputs.allSatisfy { $0.bytes.allSatisfy { $0 == 0 } }
    let sizes = run.inputs.map { Int64($0.bytes.count) }
    shapes.withLock { $0.append(run.inputs.map { Array($0.shape) } + [sizes + [isZero ? 1 : 0]]) }
    throw .internal("cold")
  }
  let log = Guarded<[String]>([])
  var configuration = ModelConfiguration(name: "scripted")
  configuration.maxBatchSize = 4
  let pool = ModelPool(
    name: "scripted", version: "7", configuration: configuration, model: model, warmsUp: true,
    log: { line in log.withLock { $0.append(line) } })
  try pool.start()
  #expect(shapes.withLock { $0 } == [[[1, 3, 1], [1, 2], [24, 8, 1]]])
  #expect(log.withLock { $0 } == ["model 'scripted' version 7, instance 0: warm-up failed: cold"])
  #expect(pool.statistics == PoolStatistics())
  await pool.drain()
}

/// The clock stands still but for 50 ns in every run of the model, so every duration is known.
@Test func `statistics have Triton's meaning, to the nanosecond`() async throws {
  let time = Atomic<UInt64>(1000)
  let clock = PoolClock(
    now: { Instant(nanoseconds: time.load(ordering: .relaxed)) }, epochMilliseconds: { 1_700_000_000_123 })
  let entered = Gate()
  let goOn = Gate()
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    entered.open()
    goOn.wait()
    time.add(50, ordering: .relaxed)
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(model, clock: clock)
  let first = try OwnedRequest(numbers: [1], arrival: Instant(nanoseconds: 900))
  try pool.send(first, now: Instant(nanoseconds: 950))
  entered.wait()  // started at 1000, will end at 1050
  let second = try OwnedRequest(numbers: [2, 3], arrival: Instant(nanoseconds: 1000))
  let third = try OwnedRequest(numbers: [4], arrival: Instant(nanoseconds: 1010))
  try pool.send(second, now: Instant(nanoseconds: 1005))
  try pool.send(third, now: Instant(nanoseconds: 1020))
  goOn.open()
  goOn.open()
  for request in [first, second, third] { request.wait() }
  let statistics = pool.statistics
  #expect(statistics.inferenceCount == 4)
  #expect(statistics.executionCount == 2)
  #expect(statistics.lastInferenceMilliseconds == 1_700_000_000_123)
  // Ends: 1050 for the first, 1100 for the pair, which started at 1050.
  #expect(statistics.success == DurationCount(count: 3, nanoseconds: 150 + 100 + 90))
  #expect(statistics.queue == DurationCount(count: 3, nanoseconds: 50 + 45 + 30))
  #expect(statistics.computeInput == DurationCount(count: 3, nanoseconds: 0))
  #expect(statistics.computeInfer == DurationCount(count: 3, nanoseconds: 150))
  #expect(statistics.computeOutput == DurationCount(count: 3, nanoseconds: 0))
  #expect(statistics.fail == DurationCount())
  #expect(statistics.batchSizes.map(\.batchSize) == [1, 3])
  let one = DurationCount(count: 1, nanoseconds: 50)
  #expect(statistics.batchSizes.map(\.computeInfer) == [one, one])
  #expect(statistics.batchCauses == [.free: 2])
  await pool.drain()
}
