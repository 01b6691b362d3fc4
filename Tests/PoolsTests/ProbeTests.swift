import Inference
import Pools
import Synchronization
import Testing
import Threads

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

private func policy(delay: Int = 10, period: Int = 10, failures: Int = 3, successes: Int = 1) -> ProbePolicy {
  var policy = ProbePolicy()
  policy.initialDelay = .seconds(delay)
  policy.period = .seconds(period)
  policy.failureThreshold = failures
  policy.successThreshold = successes
  return policy
}

// MARK: - The state of one probe

@Test func `the defaults of a probe are Azure ML's`() {
  let policy = ProbePolicy()
  #expect(policy.initialDelay == .seconds(10))
  #expect(policy.period == .seconds(10))
  #expect(policy.timeout == .seconds(2))
  #expect(policy.successThreshold == 1)
  #expect(policy.failureThreshold == 30)
}

@Test func `a probe looks first after its delay and then once a period`() {
  var probe = ProbeState(policy(delay: 5, period: 10, failures: 1), at: at(0))
  #expect(probe.look(at: at(4), runningSince: at(0), run: 1) == .none)
  #expect(probe.look(at: at(5), runningSince: at(0), run: 1) == .fail)
  #expect(probe.next == at(15))
  #expect(probe.look(at: at(14), runningSince: nil, run: 1) == .none)
  #expect(probe.look(at: at(15), runningSince: nil, run: 1) == .recover)
}

@Test func `a run as long as the timeout is no failure, and one that is longer is`() {
  var probe = ProbeState(policy(failures: 1), at: at(0))
  #expect(probe.look(at: at(10), runningSince: at(8), run: 1) == .none)
  #expect(probe.look(at: at(20), runningSince: Instant(nanoseconds: at(18).nanoseconds - 1), run: 2) == .fail)
}

@Test func `failures count in a row and in one run only, and failing is told once`() {
  var probe = ProbeState(policy(failures: 3), at: at(0))
  #expect(probe.look(at: at(10), runningSince: at(1), run: 1) == .none)
  #expect(probe.look(at: at(20), runningSince: at(1), run: 1) == .none)
  #expect(probe.look(at: at(30), runningSince: at(25), run: 2) == .none)  // another run: progress
  #expect(probe.look(at: at(40), runningSince: at(25), run: 2) == .none)
  #expect(probe.look(at: at(50), runningSince: nil, run: 2) == .none)  // a success
  for time in [60, 70] as [UInt64] { #expect(probe.look(at: at(time), runningSince: at(51), run: 3) == .none) }
  #expect(probe.look(at: at(80), runningSince: at(51), run: 3) == .fail)
  #expect(!probe.isPassing)
  #expect(probe.look(at: at(90), runningSince: at(51), run: 3) == .none)
}

@Test func `a failing probe recovers after so many successes in a row`() {
  var probe = ProbeState(policy(failures: 1, successes: 2), at: at(0))
  #expect(probe.look(at: at(10), runningSince: at(1), run: 1) == .fail)
  #expect(probe.look(at: at(20), runningSince: nil, run: 1) == .none)
  #expect(probe.look(at: at(30), runningSince: at(21), run: 2) == .none)
  #expect(probe.look(at: at(40), runningSince: nil, run: 2) == .none)
  #expect(probe.look(at: at(50), runningSince: nil, run: 2) == .recover)
  #expect(probe.isPassing)
}

// MARK: - In a pool

/// A model that stops in every run of `stuckNumber` until told, whoever interrupts it.
private final class Scene: Sendable {
  static let stuckNumber: Int64 = 13
  let entered = Gate()
  let goOn = Gate()
  let time = Guarded<UInt64>(1_000_000_000)
  let threadEnds = Gate()
  let model: ScriptedModel
  let pool: ModelPool

  init(
    instances: Int = 1, max: Int = 8, runsOnAnyThread: Bool = false, liveness: ProbePolicy? = nil,
    readiness: ProbePolicy? = nil, signature: ModelSignature = .numbers
  ) throws {
    var limits = PoolLimits()
    limits.liveness = liveness
    limits.readiness = readiness
    let (entered, goOn, time) = (entered, goOn, time)
    model = ScriptedModel(signature, canInterrupt: false, runsOnAnyThread: runsOnAnyThread) {
      (run) throws(InferenceError) in
      if run.values().contains(Scene.stuckNumber) {
        entered.open()
        goOn.wait()
      }
      return try ScriptedModel.echo(run)
    }
    let clock = PoolClock(now: { Instant(nanoseconds: time.withLock { $0 }) }, epochMilliseconds: { 0 })
    pool = try ModelPool.started(model, max: max, instances: instances, limits: limits, clock: clock)
  }

  func send(_ numbers: [Int64]) throws -> OwnedRequest {
    let request = try OwnedRequest(numbers: numbers)
    try pool.send(request)
    return request
  }

  /// Gets an instance stuck, and returns what it runs.
  func stick() throws -> OwnedRequest {
    let request = try send([Scene.stuckNumber])
    entered.wait()
    return request
  }

  func probe(at seconds: UInt64) {
    time.withLock { $0 = at(seconds).nanoseconds }
    pool.probe(at: at(seconds))
  }

  func awaitInstances(_ isRight: (PoolLoad.Instances) -> Bool) async {
    while !isRight(pool.load.instances) { await Task.yield() }
  }
}

@Test func `a stuck instance is restarted, its requests are told, and another takes its place`() async throws {
  let scene = try Scene(liveness: policy(failures: 2))
  let stuck = try scene.stick()
  let waiting = try scene.send([1])
  scene.probe(at: 11)
  #expect(scene.pool.load.instances == .init(wanted: 1, ready: 1, busy: 1))
  #expect(scene.pool.instanceStates == [InstanceState(number: 0, activity: .running(since: at(1)))])
  scene.probe(at: 21)
  stuck.wait()
  #expect(
    stuck.failure
      == .internal("instance 0 was restarted after 20 s in one run; its liveness probe allows 2000 ms"))
  waiting.wait()
  #expect(waiting.numbers == [1])
  await scene.awaitInstances { $0 == .init(wanted: 1, ready: 1, busy: 0, abandoned: 1) }
  #expect(scene.pool.statistics.failures == [.backend: 1])
  #expect(scene.pool.load.queuedAndRunning == 0)
  // The old one wakes up: what it brings is thrown away, and all it had is freed.
  scene.goOn.open()
  await scene.awaitInstances { $0.abandoned == 0 }
  while scene.model.liveInstances.load(ordering: .relaxed) > 1 { await Task.yield() }
  #expect(scene.pool.statistics.success.count == 1)
  #expect(stuck.outputs.isEmpty)
  await scene.pool.drain()
  #expect(scene.model.liveInstances.load(ordering: .relaxed) == 0)
}

/// The requests have other shapes but equal keys, so they form one batch and run one after the other.
@Test func `the rest of a stuck instance's batch is told too`() async throws {
  let signature = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .int64, shape: [-1, -1])],
    outputs: [TensorMetadata(name: "y", datatype: .int64, shape: [-1, -1])], isBatchable: true)
  let scene = try Scene(liveness: policy(failures: 1), signature: signature)
  func request(_ columns: Int) throws -> OwnedRequest {
    try OwnedRequest(inputs: [
      .init(
        name: "x", datatype: .int64, shape: [1, Int64(columns)],
        elements: Array(repeating: Scene.stuckNumber, count: columns))
    ])
  }
  let first = try request(1)
  try scene.pool.send(first)
  scene.entered.wait()
  let others = [try request(2), try request(3), try request(4)]
  for request in others {
    try scene.pool.validator.validate(request.pointer)
    request.pointer.pointee.shapeKey = 1
    _ = scene.pool.submit(request.pointer, now: at(1))
  }
  scene.goOn.open()
  first.wait()
  scene.entered.wait()
  scene.probe(at: 100)
  for request in others {
    request.wait()
    #expect(request.failure?.code == .internal)
  }
  scene.goOn.open()
  await scene.awaitInstances { $0 == .init(wanted: 1, ready: 1, busy: 0, abandoned: 0) }
  #expect(scene.model.runs.withLock { $0 } == [1, 1])
  await scene.pool.drain()
}

@Test func `with liveness on a run reads its own copy, so that it may outlive its request`() async throws {
  for liveness in [nil, policy()] {
    let seen = Guarded<UInt>(0)
    let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
      seen.withLock { $0 = UInt(bitPattern: run.inputs[0].bytes.baseAddress) }
      return try ScriptedModel.echo(run)
    }
    var limits = PoolLimits()
    limits.liveness = liveness
    let pool = try ModelPool.started(model, limits: limits)
    let request = try OwnedRequest(numbers: [4])
    let own = UInt(bitPattern: request.pointer.pointee.inputs[0].bytes.baseAddress)
    try pool.send(request)
    request.wait()
    #expect(request.numbers == [4])
    #expect((seen.withLock { $0 } == own) == (liveness == nil))
    await pool.drain()
  }
}

@Test func `an instance that fails its readiness gets nothing new until it passes again`() async throws {
  let scene = try Scene(instances: 2, max: 1, readiness: policy(failures: 1))
  let stuck = try scene.stick()
  scene.probe(at: 11)
  #expect(scene.pool.load.instances == .init(wanted: 2, ready: 1, busy: 0))
  #expect(Set(scene.pool.instanceStates.map(\.activity)) == [.ready, .stuck(since: at(1))])
  scene.goOn.open()
  stuck.wait()
  #expect(stuck.failure == nil)  // it took long, and was answered
  // Only the other one is left to get stuck; a third request waits although the first instance is free.
  let second = try scene.stick()
  let third = try scene.send([7])
  #expect(scene.pool.load.queuedRequests == 1)
  #expect(scene.pool.load.instances == .init(wanted: 2, ready: 1, busy: 1))
  scene.probe(at: 12)  // not due
  #expect(scene.pool.load.instances.ready == 1)
  scene.time.withLock { $0 = at(20).nanoseconds }
  scene.probe(at: 21)
  third.wait()
  #expect(third.numbers == [7])
  scene.goOn.open()
  second.wait()
  await scene.pool.drain()
}

@Test func `a drain does not wait for a thread that was left behind`() async throws {
  let scene = try Scene(liveness: policy(failures: 1))
  let stuck = try scene.stick()
  let waiting = try scene.send([2])
  let drained = Gate()
  scene.pool.drain { drained.open() }
  scene.probe(at: 100)
  stuck.wait()
  waiting.wait()
  #expect(waiting.numbers == [2])
  drained.wait()
  #expect(scene.pool.load.instances.abandoned == 1)
  #expect(scene.model.liveInstances.load(ordering: .relaxed) == 1)
  scene.goOn.open()
  while scene.model.liveInstances.load(ordering: .relaxed) > 0 { await Task.yield() }
}

@Test func `an instance that leaves is freed by its probe when it is stuck, and not replaced`() async throws {
  let scene = try Scene(instances: 2, max: 1, liveness: policy(failures: 1))
  let stuck = [try scene.stick(), try scene.stick()]
  try scene.pool.resize(to: 1)
  scene.probe(at: 100)
  for request in stuck { request.wait() }
  await scene.awaitInstances { $0 == .init(wanted: 1, ready: 1, busy: 0, abandoned: 2) }
  for _ in stuck { scene.goOn.open() }
  await scene.awaitInstances { $0.abandoned == 0 }
  await scene.pool.drain()
  #expect(scene.model.madeInstances.load(ordering: .relaxed) == 3)
}

/// The caller's thread borrows the instance and is stuck in its run; the others are served all the same.
@Test func `an instance that a caller runs is taken from it too`() async throws {
  let scene = try Scene(max: 1, runsOnAnyThread: true, liveness: policy(failures: 1))
  // Cheap by the scene's clock, which stands still: known to be quick from the first run on.
  let first = try scene.send([1])
  first.wait()
  let stuck = try OwnedRequest(numbers: [Scene.stuckNumber])
  try scene.pool.validator.validate(stuck.pointer)
  guard case .accepted = scene.pool.submit(stuck.pointer, now: at(1)) else { return }
  let worker = try OwnThread(name: "loop") { scene.pool.work(until: .never) }
  scene.entered.wait()
  scene.probe(at: 100)
  stuck.wait()
  #expect(stuck.failure?.code == .internal)
  let next = try scene.send([2])
  next.wait()
  #expect(next.numbers == [2])
  scene.goOn.open()
  worker.join()
  await scene.awaitInstances { $0 == .init(wanted: 1, ready: 1, busy: 0) }
  await scene.pool.drain()
  #expect(scene.model.liveInstances.load(ordering: .relaxed) == 0)
}

@Test func `past the limit of stuck threads nobody takes their place, and requests are refused by name`() async throws {
  let scene = try Scene(max: 1, liveness: policy(failures: 1))
  var time: UInt64 = 100
  for count in 1...ModelPool.abandonedLimit {
    let stuck = try scene.stick()
    scene.probe(at: time)
    stuck.wait()
    time += 100
    if count < ModelPool.abandonedLimit { await scene.awaitInstances { $0.ready == 1 } }
  }
  #expect(scene.pool.load.instances == .init(wanted: 1, ready: 0, busy: 0, abandoned: ModelPool.abandonedLimit))
  let request = try OwnedRequest(numbers: [1])
  let failure = InferenceError.unavailable(
    "model 'scripted' has no instance: those it had are stuck, and no other could be made")
  #expect(throws: failure) { try scene.pool.send(request) }
  scene.goOn.open()
  await scene.awaitInstances { $0.abandoned < ModelPool.abandonedLimit }
  scene.probe(at: time)
  await scene.awaitInstances { $0.ready == 1 }
  try scene.pool.send(request)
  request.wait()
  #expect(request.numbers == [1])
  for _ in 1..<ModelPool.abandonedLimit { scene.goOn.open() }
  await scene.pool.drain()
  while scene.model.liveInstances.load(ordering: .relaxed) > 0 { await Task.yield() }
}
