import Inference
import Pools
import Synchronization
import Testing

/// A model of which each run waits at the gate of its number, one request a run, and a client that receives in the order in
/// which the answers left.
private final class Scene: Sendable {
  static let failing: Int64 = 13
  let entered = (0..<20).map { _ in Gate() }
  let goOn = (0..<20).map { _ in Gate() }
  /// The numbers in the order in which they began to run.
  let order = Guarded<[Int64]>([])
  /// In nanoseconds; 10 s at first.
  let time = Guarded<UInt64>(10_000_000_000)
  let client = Client()
  let model: ScriptedModel
  let pool: ModelPool

  init(
    instances: Int, limits: PoolLimits = PoolLimits(), _ configure: (inout DynamicBatching) -> Void = { _ in }
  ) throws {
    let (entered, goOn, order, time) = (entered, goOn, order, time)
    model = ScriptedModel(.numbers, canInterrupt: false) { (run) throws(InferenceError) in
      let number = run.values()[0]
      order.withLock { $0.append(number) }
      entered[Int(number)].open()
      goOn[Int(number)].wait()
      guard number != Scene.failing else { throw .internal("broken") }
      return try ScriptedModel.echo(run)
    }
    let clock = PoolClock(now: { Instant(nanoseconds: time.withLock { $0 }) }, epochMilliseconds: { 0 })
    pool = try ModelPool.started(model, max: 1, instances: instances, limits: limits, clock: clock) {
      $0.preserveOrdering = true
      configure(&$0)
    }
  }

  /// - Parameter seconds: When it comes, if that is not now.
  @discardableResult
  func submit(
    _ number: Int64, priority: UInt8 = 0, at seconds: UInt64? = nil, isCancelled: Bool = false
  ) throws -> RequestPointer {
    let request = client.makeRequest(numbers: [number])
    request.pointee.priority = priority
    request.pointee.cancelled.store(isCancelled, ordering: .relaxed)
    try pool.validator.validate(request)
    let now = seconds.map { $0 * 1_000_000_000 } ?? time.withLock { $0 }
    switch pool.submit(request, now: Instant(nanoseconds: now)) {
    case .accepted(let needsWake):
      if needsWake { pool.wake() }
      return request
    case .draining:
      client.free(request)
      throw InferenceError.unavailable("draining")
    case .refused(let error):
      client.free(request)
      throw error
    }
  }

  /// Submits one and returns when it runs.
  func begin(_ number: Int64) throws {
    try submit(number)
    entered[Int(number)].wait()
  }

  /// The next so many answers, by number, with what each failed of.
  func receive(_ count: Int) -> (numbers: [Int64], failures: [InferenceError.Code?]) {
    var received: [RequestPointer] = []
    while received.count < count { received += client.receive() }
    defer { for request in received { client.free(request) } }
    return (
      received.map { Int64(UInt(bitPattern: $0.pointee.context)) }, received.map { $0.pointee.failure?.code }
    )
  }

  /// Executions are counted before their answers are posted, or held back.
  func awaitSuccesses(_ count: UInt64) async {
    while pool.statistics.success.count < count { await Task.yield() }
  }
}

@Suite(.timeLimit(.minutes(1))) struct ReplyOrderTests {
  @Test func `three instances end in any order, and the answers leave in the order of submission`() async throws {
    let scene = try Scene(instances: 3)
    for number in 1...3 as ClosedRange<Int64> { try scene.begin(number) }
    for number in 4...6 as ClosedRange<Int64> { try scene.submit(number) }
    for (done, next) in [(3, 4), (2, 5), (5, 6)] {
      scene.goOn[done].open()
      scene.entered[next].wait()
    }
    scene.goOn[6].open()
    scene.goOn[4].open()
    await scene.awaitSuccesses(5)
    scene.goOn[1].open()
    let answers = scene.receive(6)
    #expect(answers.numbers == [1, 2, 3, 4, 5, 6])
    #expect(answers.failures.allSatisfy { $0 == nil })
    #expect(scene.pool.load.heldAnswers == 0)
    await scene.pool.drain()
  }

  @Test func `the failed, the cancelled and the late leave in their turn too, and block nobody`() async throws {
    let scene = try Scene(instances: 2) { $0.queuePolicy.defaultTimeoutMicroseconds = 5_000_000 }
    try scene.begin(1)
    try scene.begin(Scene.failing)
    try scene.submit(3, isCancelled: true)
    try scene.submit(4, at: 1)
    try scene.submit(5)
    scene.goOn[Int(Scene.failing)].open()
    scene.entered[5].wait()
    scene.goOn[5].open()
    await scene.awaitSuccesses(1)
    #expect(scene.pool.statistics.failures == [.backend: 1, .cancelled: 1, .rejected: 1])
    scene.goOn[1].open()
    let answers = scene.receive(5)
    #expect(answers.numbers == [1, Scene.failing, 3, 4, 5])
    #expect(answers.failures == [nil, .internal, .cancelled, .deadlineExceeded, nil])
    await scene.pool.drain()
  }

  @Test func `one that is cancelled or late itself lets those behind it go`() async throws {
    let scene = try Scene(instances: 1) { $0.queuePolicy.defaultTimeoutMicroseconds = 5_000_000 }
    try scene.begin(1)
    try scene.submit(2, isCancelled: true)
    try scene.submit(3)
    try scene.submit(4, at: 1)
    try scene.submit(5)
    for number in [1, 3, 5] { scene.goOn[number].open() }
    #expect(scene.receive(5).numbers == [1, 2, 3, 4, 5])
    await scene.pool.drain()
  }

  @Test func `a request that is refused takes no place`() async throws {
    let scene = try Scene(instances: 1) { $0.queuePolicy.maxQueueSize = 1 }
    try scene.begin(1)
    try scene.submit(2)
    #expect(throws: InferenceError.self) { try scene.submit(3) }
    for number in [1, 2, 4] { scene.goOn[number].open() }
    #expect(scene.receive(2).numbers == [1, 2])
    try scene.submit(4)
    #expect(scene.receive(1).numbers == [4])
    await scene.pool.drain()
  }

  @Test func `an urgent request runs first, and its answer waits for those accepted before it`() async throws {
    let scene = try Scene(instances: 1) {
      $0.priorityLevels = 2
      $0.defaultPriorityLevel = 2
    }
    try scene.begin(1)
    try scene.submit(2)
    try scene.submit(3, priority: 1)
    scene.goOn[1].open()
    scene.entered[3].wait()
    scene.goOn[3].open()
    scene.entered[2].wait()
    #expect(scene.receive(1).numbers == [1])
    #expect(scene.pool.load.heldAnswers == 1)
    scene.goOn[2].open()
    #expect(scene.receive(2).numbers == [2, 3])
    await scene.pool.drain()
  }

  @Test func `one that is late and may be delayed keeps its place, and those behind it do not wait longer`() async throws {
    let scene = try Scene(instances: 1) {
      $0.queuePolicy.defaultTimeoutMicroseconds = 5_000_000
      $0.queuePolicy.timeoutAction = .delay
    }
    try scene.begin(1)
    try scene.submit(2, at: 1)
    try scene.submit(3)
    for number in 1...3 { scene.goOn[number].open() }
    #expect(scene.receive(3).numbers == [1, 2, 3])
    #expect(scene.order.withLock { $0 } == [1, 2, 3])
    await scene.pool.drain()
  }

  @Test func `one that is stuck is answered by its probe, and lets those behind it go`() async throws {
    var limits = PoolLimits()
    var liveness = ProbePolicy()
    liveness.initialDelay = .zero
    liveness.period = .zero
    liveness.failureThreshold = 1
    limits.liveness = liveness
    let scene = try Scene(instances: 2, limits: limits)
    try scene.begin(1)
    for number in [2, 3] { scene.goOn[number].open() }
    for number in 2...3 as ClosedRange<Int64> { try scene.submit(number) }
    await scene.awaitSuccesses(2)
    scene.time.withLock { $0 += 10_000_000_000 }
    scene.pool.probe(at: Instant(nanoseconds: scene.time.withLock { $0 }))
    let answers = scene.receive(3)
    #expect(answers.numbers == [1, 2, 3])
    #expect(answers.failures == [.internal, nil, nil])
    scene.goOn[1].open()
    while scene.pool.load.instances.abandoned > 0 { await Task.yield() }
    await scene.pool.drain()
  }

  @Test func `no more answers are held back than requests may wait`() async throws {
    var limits = PoolLimits()
    limits.maxQueuedRequests = 3
    let scene = try Scene(instances: 2, limits: limits)
    try scene.begin(1)
    for number in 2...4 as ClosedRange<Int64> {
      scene.goOn[Int(number)].open()
      try scene.begin(number)
      await scene.awaitSuccesses(UInt64(number) - 1)
    }
    while scene.pool.load.heldAnswers < 3 { await Task.yield() }
    #expect(
      throws: InferenceError.resourceExhausted(
        "Exceeds maximum queue size: 3 answers wait for an earlier one to leave; the limit is 3")
    ) { try scene.submit(5) }
    scene.goOn[1].open()
    #expect(scene.receive(4).numbers == [1, 2, 3, 4])
    scene.goOn[5].open()
    try scene.submit(5)
    #expect(scene.receive(1).numbers == [5])
    #expect(scene.pool.statistics.failures == [.rejected: 1])
    await scene.pool.drain()
  }

  /// More rounds than the ring of answers has places, each with one that is held back and one that never ran.
  @Test func `cancelled ones leave nothing behind`() async throws {
    weak var gone: ModelPool?
    do {
      let scene = try Scene(instances: 2)
      gone = scene.pool
      for round in 1...200 as ClosedRange<UInt64> {
        try scene.begin(1)
        scene.goOn[2].open()
        let held = try scene.submit(2)
        await scene.awaitSuccesses(2 * round - 1)
        held.pointee.cancelled.store(true, ordering: .relaxed)
        try scene.submit(3, isCancelled: true)
        scene.goOn[1].open()
        let answers = scene.receive(3)
        #expect(answers.numbers == [1, 2, 3])
        #expect(answers.failures == [nil, nil, .cancelled])
      }
      #expect(scene.pool.load.queuedAndRunning == 0)
      #expect(scene.pool.load.heldAnswers == 0)
      await scene.pool.drain()
    }
    while gone != nil { await Task.yield() }
  }
}
