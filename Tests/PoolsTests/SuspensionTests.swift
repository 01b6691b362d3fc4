import Backends
import Inference
import Pools
import Synchronization
import Testing
import Threads

/// A pool whose reloads the test holds, counts and fails.
private final class Scene: @unchecked Sendable {  // set up once, before anything runs
  let loading = Gate()
  let goOn = Gate()
  let failure = Guarded<InferenceError?>(nil)
  let loads = Atomic<Int>(0)
  /// Holds the second instance of a model that was loaded again, where `holdsSecond`.
  let second = Gate()
  let holdsSecond: Bool
  /// Models in memory.
  weak var first: ScriptedModel?
  let pool: ModelPool

  init(
    instances: Int = 2, limits: PoolLimits = PoolLimits(), signature: ModelSignature = .numbers, holdsSecond: Bool = false
  ) throws {
    self.holdsSecond = holdsSecond
    let model = ScriptedModel(.numbers)
    first = model
    let box = Box()
    pool = ModelPool.made(model, max: 1, instances: instances, limits: limits, reload: { () throws(InferenceError) in
      try box.scene!.reload(signature)
    })
    box.scene = self
    try pool.start()
  }

  private final class Box: @unchecked Sendable {  // written once, before the first reload
    weak var scene: Scene?
  }

  private func reload(_ signature: ModelSignature) throws(InferenceError) -> any LoadedModel {
    loads.add(1, ordering: .relaxed)
    loading.open()
    goOn.wait()
    if let failure = failure.withLock({ $0 }) { throw failure }
    return ScriptedModel(signature, making: { [second, holdsSecond] in if holdsSecond, $0 == 1 { second.wait() } })
  }

  func suspend() async { while !pool.suspend() { await Task.yield() } }
}

@Test func `a suspended pool has no instance and no model, and remembers what the model takes`() async throws {
  let scene = try Scene()
  #expect(scene.pool.memoryUsage.map(\.byteCount) == [1 << 20])
  await scene.suspend()
  #expect(scene.pool.isSuspended)
  #expect(scene.first == nil)
  #expect(scene.pool.load.instances == PoolLoad.Instances(wanted: 2))
  #expect(scene.pool.memoryUsage.isEmpty)
  #expect(scene.pool.memoryUsageWhenLoaded.map(\.byteCount) == [1 << 20])
  #expect(!scene.pool.suspend())
  await scene.pool.drain()
}

@Test func `an instance that is back serves who comes while another is on its way`() async throws {
  let scene = try Scene(holdsSecond: true)
  await scene.suspend()
  scene.goOn.open()
  for number in 1...3 as ClosedRange<Int64> {
    let request = try OwnedRequest(numbers: [number])
    try scene.pool.send(request)
    request.wait()
    // Until the instance sleeps again: awake, it would come to the next by itself.
    while scene.pool.load.instances.busy > 0 { await Task.yield() }
  }
  #expect(scene.pool.isSuspended)
  scene.second.open()
  while scene.pool.isSuspended { await Task.yield() }
  await scene.pool.drain()
}

@Test func `the first request brings the model back once, and all that wait are answered`() async throws {
  let scene = try Scene()
  await scene.suspend()
  let requests = try (1...5 as ClosedRange<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in requests { try scene.pool.send(request) }
  scene.loading.wait()
  #expect(!scene.pool.suspend())
  #expect(scene.pool.load.queuedRequests == 5)
  scene.goOn.open()
  for request in requests { request.wait() }
  #expect(requests.map(\.numbers) == [[1], [2], [3], [4], [5]])
  #expect(scene.loads.load(ordering: .relaxed) == 1)
  while scene.pool.isSuspended { await Task.yield() }
  #expect(scene.pool.load.instances.ready == 2)
  scene.goOn.open()
  await scene.suspend()
  let again = try OwnedRequest(numbers: [6])
  try scene.pool.send(again)
  again.wait()
  #expect(again.numbers == [6])
  await scene.pool.drain()
}

@Test func `a reload that fails tells those who wait, and the next request tries again`() async throws {
  let scene = try Scene()
  await scene.suspend()
  scene.failure.withLock { $0 = .invalidArgument("/models/1/model.onnx can't be read") }
  let requests = [try OwnedRequest(numbers: [1]), try OwnedRequest(numbers: [2])]
  for request in requests { try scene.pool.send(request) }
  scene.goOn.open()
  for request in requests {
    request.wait()
    // Not the caller's fault, and no file of the server is his business.
    #expect(request.failure?.code == .unavailable)
    #expect(request.failure?.message.contains("can't be loaded again") == true)
    #expect(request.failure?.message.contains("/models") == false)
  }
  scene.failure.withLock { $0 = nil }
  scene.goOn.open()
  let next = try OwnedRequest(numbers: [3])
  try scene.pool.send(next)
  next.wait()
  #expect(next.numbers == [3])
  await scene.pool.drain()
}

@Test func `a model that came back with other inputs is refused`() async throws {
  var signature = ModelSignature.numbers
  signature.inputs[0].name = "z"
  let scene = try Scene(signature: signature)
  await scene.suspend()
  scene.goOn.open()
  let request = try OwnedRequest(numbers: [1])
  try scene.pool.send(request)
  request.wait()
  #expect(request.failure?.code == .unavailable)
  #expect(scene.pool.isSuspended)
  await scene.pool.drain()
}

@Test func `who waits for a reload waits no longer than its deadline, and the queue is bounded`() async throws {
  var limits = PoolLimits()
  limits.maxQueuedRequests = 2
  let scene = try Scene(limits: limits)
  await scene.suspend()
  let patient = try OwnedRequest(numbers: [1])
  let hasty = try OwnedRequest(numbers: [2], deadline: Instant.now().advanced(byNanoseconds: 5_000_000))
  try scene.pool.send(patient)
  try scene.pool.send(hasty)
  hasty.wait()  // while the model is being loaded
  #expect(hasty.failure?.code == .deadlineExceeded)
  let second = try OwnedRequest(numbers: [3])
  try scene.pool.send(second)
  let surplus = try OwnedRequest(numbers: [4])
  #expect(throws: InferenceError.self) { try scene.pool.send(surplus) }
  scene.goOn.open()
  for request in [patient, second] { request.wait() }
  #expect([patient, second].map(\.numbers) == [[1], [3]])
  await scene.pool.drain()
}

@Test func `a drain while the model is away brings it back for those who wait`() async throws {
  let scene = try Scene()
  await scene.suspend()
  let request = try OwnedRequest(numbers: [1])
  try scene.pool.validator.validate(request.pointer)
  guard case .accepted(let needsWake) = scene.pool.submit(request.pointer, now: .now()) else { return }
  #expect(needsWake)
  let drained = Gate()
  scene.pool.drain { drained.open() }  // before anybody called wake()
  scene.goOn.open()
  request.wait()
  #expect(request.numbers == [1])
  drained.wait()
}

@Test func `a pool with requests in it, or that cannot reload, is not suspended`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model)
  #expect(!pool.suspend())
  let request = try held.occupy(pool)
  held.goOn.open()
  request.wait()
  await pool.drain()
}

@Test func `the number of instances may change while the model is away`() async throws {
  let scene = try Scene()
  await scene.suspend()
  try scene.pool.resize(to: 3)
  #expect(scene.pool.load.instances == PoolLoad.Instances(wanted: 3))
  scene.goOn.open()
  let request = try OwnedRequest(numbers: [1])
  try scene.pool.send(request)
  request.wait()
  while scene.pool.isSuspended { await Task.yield() }
  #expect(scene.pool.load.instances.ready == 3)
  await scene.pool.drain()
}

@Test func `the pool knows when it was used last`() async throws {
  let pool = try ModelPool.started(ScriptedModel(.numbers))
  let started = pool.lastUsed
  let request = try OwnedRequest(numbers: [1])
  let now = started.advanced(byNanoseconds: 77)
  try pool.send(request, now: now)
  request.wait()
  #expect(pool.lastUsed == now)
  await pool.drain()
}
