import Glibc
import Inference
import Pools
import Testing
import Threads

/// A model that notes the thread of every run, and a clock by which a run takes as long as the test says.
private final class Scene: @unchecked Sendable {  // the pool is set once, before anything runs
  let threads = Guarded<[pthread_t]>([])
  let time = Guarded<UInt64>(1_000_000_000)
  let runNanoseconds = Guarded<UInt64>(1000)
  private(set) var pool: ModelPool!

  init(
    max: Int = 8, instances: Int = 1, runsOnAnyThread: Bool = true,
    script: @escaping ScriptedModel.Script = ScriptedModel.echo
  ) throws {
    let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread) {
      [threads, time, runNanoseconds] (run) throws(InferenceError) in
      threads.withLock { $0.append(pthread_self()) }
      let length = runNanoseconds.withLock { $0 }
      time.withLock { $0 += length }
      return try script(run)
    }
    let clock = PoolClock(
      now: { [time] in time.withLock { Instant(nanoseconds: $0) } }, epochMilliseconds: { 0 })
    pool = try ModelPool.started(model, max: max, instances: instances, clock: clock)
  }

  func submit(_ request: OwnedRequest) throws {
    try pool.validator.validate(request.pointer)
    guard case .accepted = pool.submit(request.pointer, now: pool.clockNow) else {
      throw InferenceError.internal("not accepted")
    }
  }

  /// Sends one request of so many rows, as a loop does at the end of its turn.
  ///
  /// - Returns: Whether it ran on the calling thread.
  func runsHere(rows: Int = 1, until: Instant = .never) throws -> Bool {
    let request = try OwnedRequest(numbers: Array(repeating: 7, count: rows))
    try submit(request)
    pool.work(until: until)
    request.wait()
    #expect(request.failure == nil)
    #expect(request.numbers == Array(repeating: 7, count: rows))
    return ranHere
  }

  /// Whether the last run was on the calling thread.
  var ranHere: Bool { pthread_equal(threads.withLock { $0.last! }, pthread_self()) != 0 }

  /// Whether one of many requests runs here. An instance can be borrowed only once its thread sleeps, which it does some
  /// time after it has answered.
  func someRunHere(rows: Int = 1) throws -> Bool {
    for _ in 0..<100_000 where try runsHere(rows: rows) { return true }
    return false
  }

  func neverRunsHere(rows: Int = 1, until: Instant = .never) throws -> Bool {
    for _ in 0..<200 where try runsHere(rows: rows, until: until) { return false }
    return true
  }
}

extension ModelPool {
  fileprivate var clockNow: Instant { .now() }
}

@Test func `a quick model's batches run on the caller's thread once they are known to be quick`() async throws {
  let scene = try Scene()
  #expect(try !scene.runsHere())
  #expect(try scene.someRunHere())
  #expect(scene.pool.statistics.success.count == UInt64(scene.threads.withLock { $0.count }))
  await scene.pool.drain()
}

@Test func `a slow model stays on its own thread`() async throws {
  let scene = try Scene()
  scene.runNanoseconds.withLock { $0 = 51_000 }
  #expect(try scene.neverRunsHere())
  await scene.pool.drain()
}

@Test func `a model bound to its threads never runs on another`() async throws {
  let scene = try Scene(runsOnAnyThread: false)
  #expect(try scene.neverRunsHere())
  await scene.pool.drain()
}

@Test func `a larger batch than any known goes to the instance's thread first`() async throws {
  let scene = try Scene()
  #expect(try scene.someRunHere(rows: 2))
  #expect(try !scene.runsHere(rows: 3))
  #expect(try scene.someRunHere(rows: 3))
  #expect(try scene.someRunHere(rows: 1))
  await scene.pool.drain()
}

@Test func `one slow run sends batches of its size back to the instance's thread, and smaller ones not`() async throws {
  let scene = try Scene()
  #expect(try scene.someRunHere(rows: 4))
  scene.runNanoseconds.withLock { $0 = 60_000 }
  #expect(try scene.someRunHere(rows: 4))  // the one that tells
  #expect(try scene.neverRunsHere(rows: 4))
  scene.runNanoseconds.withLock { $0 = 1000 }
  #expect(try scene.someRunHere(rows: 3))
  await scene.pool.drain()
}

@Test func `a slow run that fails tells as much as one that succeeds`() async throws {
  let fails = Guarded(false)
  let scene = try Scene { (run) throws(InferenceError) in
    if fails.withLock({ $0 }) { throw .internal("slow and bad") }
    return try ScriptedModel.echo(run)
  }
  #expect(try scene.someRunHere())
  fails.withLock { $0 = true }
  scene.runNanoseconds.withLock { $0 = 60_000 }
  var failedHere = false
  for _ in 0..<100_000 where !failedHere {
    let request = try OwnedRequest(numbers: [1])
    try scene.submit(request)
    scene.pool.work(until: .never)
    request.wait()
    failedHere = scene.ranHere
  }
  #expect(failedHere)
  fails.withLock { $0 = false }
  #expect(try scene.neverRunsHere())
  await scene.pool.drain()
}

@Test func `nothing begins on the caller's thread when its time is over`() async throws {
  let scene = try Scene()
  #expect(try scene.someRunHere())
  #expect(try scene.neverRunsHere(until: Instant(nanoseconds: 1)))
  await scene.pool.drain()
}

@Test func `what is left when the time is over goes to the instance's thread`() async throws {
  let scene = try Scene(max: 1)
  #expect(try scene.someRunHere())
  let requests = try (0..<20 as Range<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in requests { try scene.submit(request) }
  let begin = scene.time.withLock { $0 }
  scene.pool.work(until: Instant(nanoseconds: begin + 5000))
  for request in requests { request.wait() }
  #expect(requests.map(\.numbers) == (0..<20).map { [$0] })
  await scene.pool.drain()
}

@Test func `a drain waits for the run on another's thread, and the rest is answered`() async throws {
  let holds = Guarded(false)
  let entered = Gate()
  let goOn = Gate()
  let scene = try Scene(max: 1) { (run) throws(InferenceError) in
    if holds.withLock({ $0 }) {
      entered.open()
      goOn.wait()
    }
    return try ScriptedModel.echo(run)
  }
  #expect(try scene.someRunHere())
  // Held on a thread of its own, which borrows the instance; or on the instance's, if that was not asleep again.
  holds.withLock { $0 = true }
  let requests = try (0..<3 as Range<Int64>).map { try OwnedRequest(numbers: [$0]) }
  for request in requests { try scene.submit(request) }
  let worker = try OwnThread(name: "loop") { scene.pool.work(until: .never) }
  entered.wait()
  let drained = Guarded(false)
  let isDrained = Gate()
  scene.pool.drain {
    drained.withLock { $0 = true }
    isDrained.open()
  }
  #expect(drained.withLock { $0 } == false)
  for _ in requests { goOn.open() }
  for request in requests { request.wait() }
  #expect(requests.map(\.numbers) == [[0], [1], [2]])
  worker.join()
  isDrained.wait()
}
