import Backends
import Inference
import Pools
import Synchronization
import Testing

/// A pool whose instances warm up on batches of numbers; what each run of an instance saw is noted by its number.
private final class Scene: Sendable {
  static let stuckNumber: Int64 = 13
  let seen = Guarded<[Int: [[Int64]]]>([:])
  let entered = Gate()
  let goOn = Gate()
  let log = Guarded<[String]>([])
  let model: ScriptedModel
  let pool: ModelPool

  /// - Parameter failing: The instance whose runs fail.
  init(
    _ batches: [WarmUpBatch], instances: Int = 1, warmsUp: Bool = true, failing: Int? = nil,
    limits: PoolLimits = PoolLimits(), clock: PoolClock = .system
  ) {
    let (seen, entered, goOn, log) = (seen, entered, goOn, log)
    let script: ScriptedModel.Script = { (run) throws(InferenceError) in
      seen.withLock { $0[run.instance, default: []].append(run.values()) }
      if run.instance == failing { throw .internal("cold") }
      if run.values().contains(Scene.stuckNumber) {
        entered.open()
        goOn.wait()
      }
      return try ScriptedModel.echo(run)
    }
    model = ScriptedModel(.numbers, canInterrupt: false, script: script)
    var configuration = ModelConfiguration(name: "scripted")
    configuration.maxBatchSize = 4
    var group = InstanceGroup()
    group.count = instances
    configuration.instanceGroups = [group]
    pool = ModelPool(
      name: "scripted", version: "7", configuration: configuration, model: model, limits: limits, clock: clock,
      warmsUp: warmsUp, warmUpBatches: batches,
      reload: { () throws(InferenceError) in ScriptedModel(.numbers, script: script) },
      log: { line in log.withLock { $0.append(line) } })
  }

  var runs: [Int: [[Int64]]] { seen.withLock { $0 } }
}

private func batch(_ title: String, _ number: Int64, rows: Int = 1, count: Int = 1) -> WarmUpBatch {
  WarmUpBatch(
    title: title, inputs: [OwnedRequest.Value(name: "x", datatype: .int64, shape: [1, 1], elements: [number])], rows: rows,
    count: count)
}

@Test(arguments: [true, false])
func `every instance runs the pool's batches in place of zeros, and none of it is counted`(warmsUp: Bool) async throws {
  let scene = Scene([batch("a", 7, rows: 3, count: 2), batch("b", 5)], instances: 2, warmsUp: warmsUp)
  try scene.pool.start()
  #expect(scene.runs == [0: [[7, 7, 7], [7, 7, 7], [5]], 1: [[7, 7, 7], [7, 7, 7], [5]]])
  #expect(scene.pool.statistics == PoolStatistics())
  #expect(scene.log.withLock { $0 }.isEmpty)
  await scene.pool.drain()
}

@Test func `a batch that fails fails the start with its title and the model's words`() throws {
  let scene = Scene([batch("sample 'a'", 7)], instances: 3, failing: 1)
  #expect(throws: InferenceError.internal("sample 'a' failed: cold")) { try scene.pool.start() }
  #expect(scene.model.liveInstances.load(ordering: .relaxed) == 0)
  #expect(
    scene.log.withLock { $0 }
      == ["model 'scripted' version 7, instance 1: not made: sample 'a' failed: cold"])
}

@Test func `a batch that the model does not take is refused before it runs`() throws {
  let wrong: [(OwnedRequest.Value, String)] = [
    (
      OwnedRequest.Value(name: "x", datatype: .int64, shape: [1, 2], elements: [1, 2] as [Int64]),
      "input 'x' has shape [1,2]; the model takes [-1,1]"
    ),
    (
      OwnedRequest.Value(name: "x", datatype: .int32, shape: [1, 1], elements: [1] as [Int32]),
      "input 'x' has datatype INT32; the model takes INT64"
    ),
    (
      OwnedRequest.Value(name: "z", datatype: .int64, shape: [1, 1], elements: [1] as [Int64]),
      "input 'z' is not one of the model's; it takes 'x'"
    ),
  ]
  for (value, message) in wrong {
    let scene = Scene([WarmUpBatch(title: "sample 'a'", inputs: [value])])
    #expect(throws: InferenceError.invalidArgument("sample 'a': \(message)")) { try scene.pool.start() }
    #expect(scene.runs.isEmpty)
  }
}

@Test func `an instance that is added later warms up too, and one that fails at it is not added`() async throws {
  let scene = Scene([batch("sample 'a'", 7)], failing: 2)
  try scene.pool.start()
  try scene.pool.resize(to: 2)
  #expect(scene.runs == [0: [[7]], 1: [[7]]])
  #expect(throws: InferenceError.internal("sample 'a' failed: cold")) { try scene.pool.resize(to: 3) }
  #expect(scene.pool.load.instances.ready == 2)
  let request = try OwnedRequest(numbers: [4])
  try scene.pool.send(request)
  request.wait()
  #expect(request.numbers == [4])
  await scene.pool.drain()
}

@Test func `a pool that was suspended warms up before it answers`() async throws {
  let scene = Scene([batch("sample 'a'", 7, rows: 2)])
  try scene.pool.start()
  while !scene.pool.suspend() { await Task.yield() }
  let request = try OwnedRequest(numbers: [4])
  try scene.pool.send(request)
  request.wait()
  #expect(scene.runs == [0: [[7, 7], [7, 7], [4]]])
  await scene.pool.drain()
}

@Test func `an instance that takes a stuck one's place warms up before it serves`() async throws {
  let time = Guarded<UInt64>(1_000_000_000)
  var liveness = ProbePolicy()
  liveness.failureThreshold = 1
  var limits = PoolLimits()
  limits.liveness = liveness
  let clock = PoolClock(now: { Instant(nanoseconds: time.withLock { $0 }) }, epochMilliseconds: { 0 })
  let scene = Scene([batch("sample 'a'", 7)], limits: limits, clock: clock)
  try scene.pool.start()
  let stuck = try OwnedRequest(numbers: [Scene.stuckNumber])
  try scene.pool.send(stuck)
  scene.entered.wait()
  time.withLock { $0 = 100_000_000_000 }
  scene.pool.probe(at: Instant(nanoseconds: 100_000_000_000))
  stuck.wait()
  let next = try OwnedRequest(numbers: [4])
  try scene.pool.send(next)
  next.wait()
  #expect(scene.runs == [0: [[7], [Scene.stuckNumber], [7], [4]]])
  scene.goOn.open()
  await scene.pool.drain()
}
