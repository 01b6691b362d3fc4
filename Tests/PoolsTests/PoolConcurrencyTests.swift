import Batching
import Glibc
import Inference
import Pools
import Synchronization
import Testing

/// SplitMix64: small, seeded, the same everywhere.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// What one client thread saw.
private struct Tally: Sendable {
  var accepted = 0
  var answered = 0
  var failed = 0
  var problems: [String] = []
}

/// Sends requests of 1 to 4 tagged rows, some at a time, and checks that each answer is its own.
///
/// - Parameter priorities: How many there are to choose from; 0: none is named.
private func converse(
  with pool: ModelPool, client number: Int, requests: Int, isOrdered: Bool, seed: UInt64, mayFail: Bool = false,
  priorities: UInt8 = 0
) -> Tally {
  var random = SeededGenerator(state: seed)
  var tally = Tally()
  let client = Client()
  var inFlight: [UInt: [Int64]] = [:]
  var lastAnswered: UInt = 0
  var tag = Int64(number) << 32 + 1
  var isDraining = false
  while tally.accepted < requests && !isDraining || !inFlight.isEmpty {
    var needsWake = false
    var isRefused = false
    while tally.accepted < requests, !isDraining, !isRefused, inFlight.count < Int.random(in: 1...12, using: &random) {
      let numbers = (0..<Int64.random(in: 1...4, using: &random)).map { tag + $0 }
      tag += 4
      let request = client.makeRequest(numbers: numbers)
      do { try pool.validator.validate(request) } catch { tally.problems.append(error.message) }
      if priorities > 0 { request.pointee.priority = .random(in: 0...priorities, using: &random) }
      if Int.random(in: 0..<16, using: &random) == 0 { request.pointee.cancelled.store(true, ordering: .relaxed) }
      switch pool.submit(request, now: .now()) {
      case .accepted(let wake):
        tally.accepted += 1
        needsWake = needsWake || wake
        inFlight[UInt(numbers[0])] = numbers
      case .draining:
        isDraining = true
        client.free(request)
      case .refused(let error):
        if !mayFail { tally.problems.append(error.message) }
        isRefused = true  // those that were accepted come first
        client.free(request)
      }
    }
    if needsWake { pool.work(until: .never) }
    guard !inFlight.isEmpty else { continue }
    for request in client.receive() {
      let first = UInt(bitPattern: request.pointee.context)
      let expected = inFlight.removeValue(forKey: first)
      tally.answered += 1
      if isOrdered, first <= lastAnswered { tally.problems.append("\(first) after \(lastAnswered)") }
      lastAnswered = first
      if request.pointee.failure == nil {
        if request.pointee.answeredNumbers != expected { tally.problems.append("\(first) got another's rows") }
      } else {
        tally.failed += 1
        if !mayFail, !request.pointee.cancelled.load(ordering: .relaxed) { tally.problems.append("\(first) failed") }
      }
      client.free(request)
    }
  }
  return tally
}

/// Runs the bodies on threads of their own, since they block, and gives what they return.
private func onThreads<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) -> Value) async -> [Value] {
  await withTaskGroup(of: Value.self) { group in
    for index in 0..<count {
      group.addTask {
        await withCheckedContinuation { continuation in
          let box = ThreadBox { continuation.resume(returning: body(index)) }
          var thread = pthread_t()
          pthread_create(&thread, nil, runBox, Unmanaged.passRetained(box).toOpaque())
          pthread_detach(thread)
        }
      }
    }
    return await group.reduce(into: []) { $0.append($1) }
  }
}

private final class ThreadBox: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runBox(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  Unmanaged<ThreadBox>.fromOpaque(argument!).takeRetainedValue().body()
  return nil
}

/// Every run is quick enough for the caller's thread, however slow the machine is.
private let alwaysInline: PoolLimits = {
  var limits = PoolLimits()
  limits.inlineRunLimit = .seconds(3600)
  return limits
}()

@Test(arguments: [(false, UInt64(0)), (true, 0), (false, 200), (true, 200)], [false, true])
func `under concurrent clients none is lost, doubled or given another's rows, and order is kept where promised`(
  policy: (isOrdered: Bool, delay: UInt64), runsOnAnyThread: Bool
) async throws {
  let (isOrdered, delay) = policy
  let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread)
  let pool = try ModelPool.started(model, max: 8, instances: 3, limits: alwaysInline) {
    $0.preserveOrdering = isOrdered
    $0.maxQueueDelayMicroseconds = delay
  }
  let tallies = await onThreads(4) { index in
    converse(with: pool, client: index + 1, requests: 400, isOrdered: isOrdered, seed: UInt64(index) + 1)
  }
  for tally in tallies {
    #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
    #expect(tally.answered == 400)
  }
  let statistics = pool.statistics
  #expect(statistics.success.count + statistics.fail.count == 1600)
  #expect(statistics.fail.count == UInt64(tallies.reduce(0) { $0 + $1.failed }))
  #expect(statistics.batchSizes.allSatisfy { $0.batchSize <= 8 })
  #expect(pool.load.queuedAndRunning == 0)
  await pool.drain()
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
}

@Test(arguments: [false, true])
func `a drain under load answers every request that was accepted`(runsOnAnyThread: Bool) async throws {
  for seed in 1...8 as ClosedRange<UInt64> {
    let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread)
    let pool = try ModelPool.started(model, instances: 2, limits: alwaysInline)
    let started = Gate()
    async let tallies = onThreads(3) { index in
      started.open()
      return converse(
        with: pool, client: index + 1, requests: .max, isOrdered: false, seed: seed &* 100 &+ UInt64(index))
    }
    _ = await onThreads(1) { _ in
      for _ in 0..<3 { started.wait() }
      let isDrained = Gate()
      pool.drain { isDrained.open() }
      isDrained.wait()
    }
    for tally in await tallies {
      #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
      #expect(tally.answered == tally.accepted)
    }
    #expect(model.liveInstances.load(ordering: .relaxed) == 0)
  }
}

/// Clients and a person who turns the number of instances up and down as fast as it goes.
@Test(arguments: [false, true], [UInt64(0), 100])
func `under resizing none is lost, doubled or given another's rows`(runsOnAnyThread: Bool, delay: UInt64) async throws {
  let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread)
  let pool = try ModelPool.started(model, max: 8, instances: 2, limits: alwaysInline) {
    $0.maxQueueDelayMicroseconds = delay
  }
  let isOver = Guarded(false)
  async let resizes = onThreads(1) { _ in
    var random = SeededGenerator(state: 7)
    var count = 0
    while !isOver.withLock({ $0 }) || count < 50 {
      do { try pool.resize(to: Int.random(in: 1...6, using: &random)) } catch { return -1 }
      count += 1
    }
    return count
  }
  let tallies = await onThreads(4) { index in
    converse(with: pool, client: index + 1, requests: 800, isOrdered: false, seed: UInt64(index) + 1)
  }
  isOver.withLock { $0 = true }
  #expect(await resizes[0] >= 50)
  for tally in tallies {
    #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
    #expect(tally.answered == 800)
  }
  await pool.drain()
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
}

/// Clients that pause now and then, so that the pool can be suspended, and a person who does so whenever it can be.
@Test(arguments: [false, true])
func `under suspensions none is lost, doubled or given another's rows`(runsOnAnyThread: Bool) async throws {
  let pool = ModelPool.made(
    ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread), instances: 3, limits: alwaysInline,
    reload: { () throws(InferenceError) in ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread) })
  try pool.start()
  let isOver = Guarded(false)
  let suspensions = Atomic<Int>(0)
  async let suspending = onThreads(1) { _ in
    while !isOver.withLock({ $0 }) {
      if pool.suspend() { suspensions.add(1, ordering: .relaxed) }
      do { try pool.resize(to: 1 + suspensions.load(ordering: .relaxed) % 4) } catch { return false }
    }
    return true
  }
  var tallies: [Tally] = []
  // Until there were any: only an idle pool is suspended, and clients who never pause leave it no chance.
  repeat {
    tallies += await onThreads(2) { index in
      converse(with: pool, client: index + 1, requests: 600, isOrdered: false, seed: UInt64(index) + 1)
    }
  } while suspensions.load(ordering: .relaxed) < 10 && tallies.count < 2000
  isOver.withLock { $0 = true }
  #expect(await suspending[0])
  #expect(suspensions.load(ordering: .relaxed) >= 10)
  for tally in tallies {
    #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
    #expect(tally.answered == 600)
  }
  await pool.drain()
}

/// Some runs are stuck until a gate opens, which it does now and then; each probe finds every run too long, so instances
/// are taken at any moment of a run: before it begins to block, while it does, and just as it ends.
@Test(arguments: [false, true], [false, true])
func `under restarts at any moment each request is answered once, with its own rows if at all`(
  runsOnAnyThread: Bool, isOrdered: Bool
) async throws {
  let goOn = Gate()
  let time = Atomic<UInt64>(1)
  let runs = Atomic<Int>(0)
  let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread) { (run) throws(InferenceError) in
    if runs.add(1, ordering: .relaxed).newValue % 5 == 0 { goOn.wait() }
    return try ScriptedModel.echo(run)
  }
  var limits = alwaysInline
  var liveness = ProbePolicy()
  liveness.initialDelay = .zero
  liveness.period = .zero
  liveness.failureThreshold = 1
  limits.liveness = liveness
  let clock = PoolClock(
    now: { Instant(nanoseconds: time.load(ordering: .relaxed)) }, epochMilliseconds: { 0 })
  let pool = try ModelPool.started(model, max: 8, instances: 3, limits: limits, clock: clock) {
    $0.preserveOrdering = isOrdered
  }
  let isOver = Guarded(false)
  async let probes = onThreads(1) { _ in
    var count = 0
    var open = 0
    while !isOver.withLock({ $0 }) || pool.load.instances.abandoned > 0 {
      let now = time.add(10_000_000_000, ordering: .relaxed).newValue
      pool.probe(at: Instant(nanoseconds: now))
      count += 1
      if count % 3 == 0 {
        goOn.open()
        open += 1
      }
    }
    return count
  }
  var tallies: [Tally] = []
  // Until there were restarts: a run that is let go at once is none too long.
  repeat {
    tallies += await onThreads(4) { index in
      converse(
        with: pool, client: index + 1, requests: 300, isOrdered: isOrdered, seed: UInt64(index) + 1, mayFail: true)
    }
  } while pool.statistics.failures[.backend, default: 0] == 0 && tallies.count < 2000
  isOver.withLock { $0 = true }
  #expect(await probes[0] > 0)
  for tally in tallies {
    #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
    #expect(tally.answered == 300)
  }
  let statistics = pool.statistics
  #expect(statistics.failures[.backend, default: 0] > 0)
  #expect(statistics.success.count + UInt64(tallies.reduce(0) { $0 + $1.failed }) == UInt64(tallies.count * 300))
  #expect(pool.load.queuedAndRunning == 0)
  await pool.drain()
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
}

/// Some are cancelled, some time out, some fail, some are refused, and some make room for others: each way out of the pool.
@Test(arguments: [1, 2, 3, 4] as [UInt64], [false, true])
func `with priorities that have policies of their own none is lost, or overtaken on its way out`(
  seed: UInt64, runsOnAnyThread: Bool
) async throws {
  let runs = Atomic<Int>(0)
  let model = ScriptedModel(.numbers, runsOnAnyThread: runsOnAnyThread) { (run) throws(InferenceError) in
    if runs.add(1, ordering: .relaxed).newValue % 7 == 0 { throw .invalidArgument("this one") }
    return try ScriptedModel.echo(run)
  }
  var limits = alwaysInline
  limits.maxQueuedRequests = 12
  let pool = try ModelPool.started(model, max: 8, instances: 3, limits: limits) {
    $0.preserveOrdering = true
    $0.maxQueueDelayMicroseconds = seed % 2 == 0 ? 0 : 100
    $0.priorityLevels = 3
    $0.defaultPriorityLevel = 2
    var policy = QueuePolicy()
    policy.maxQueueSize = 4
    $0.priorityQueuePolicies[1] = policy
    policy.defaultTimeoutMicroseconds = 60
    policy.maxQueueSize = 0
    $0.priorityQueuePolicies[2] = policy
    policy.timeoutAction = .delay
    $0.priorityQueuePolicies[3] = policy
  }
  let tallies = await onThreads(4) { index in
    converse(
      with: pool, client: index + 1, requests: 400, isOrdered: true, seed: seed &* 10 &+ UInt64(index), mayFail: true,
      priorities: 3)
  }
  for tally in tallies {
    #expect(tally.problems.isEmpty, "\(tally.problems.prefix(5))")
    #expect(tally.answered == 400)
  }
  #expect(pool.load.queuedAndRunning == 0)
  #expect(pool.load.heldAnswers == 0)
  await pool.drain()
  #expect(model.liveInstances.load(ordering: .relaxed) == 0)
}

/// Two instances; the first request is held in one while the second is done in the other.
@Test func `with preserved order an answer waits for those submitted before it`() async throws {
  let entered = Gate()
  let goOn = Gate()
  let done = Gate()
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    if run.values() == [1] {
      entered.open()
      goOn.wait()
    } else {
      done.open()
    }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(model, instances: 2) { $0.preserveOrdering = true }
  let client = Client()
  let first = client.makeRequest(numbers: [1])
  let second = client.makeRequest(numbers: [2])
  for request in [first, second] {
    try pool.validator.validate(request)
    _ = pool.submit(request, now: .now())
    pool.wake()
    if request == first { entered.wait() }
  }
  done.wait()
  // The second's execution is counted before it is posted, and posting it is what must not happen yet.
  while pool.statistics.executionCount < 1 { await Task.yield() }
  goOn.open()
  var received: [RequestPointer] = []
  while received.count < 2 { received += client.receive() }
  #expect(received == [first, second])
  for request in received { client.free(request) }
  await pool.drain()
}

/// Counts, and prints, what a request costs between `submit` and its mailbox with a model that takes no time.
/// `BENCH_ROUNDS` makes the run long enough to read the time.
@Test func `a million small requests would cost little: the loop runs small here`() async throws {
  let total = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 2000
  let pool = try ModelPool.started(ScriptedModel(.numbers, canInterrupt: false), max: 64)
  let report = await onThreads(1) { _ in measure(pool, total: total) }
  #expect(report[0].answered >= total)
  print("pool: \(report[0].nanoseconds / UInt64(total)) ns a request, \(pool.statistics.executionCount) runs")
  await pool.drain()
}

/// Turns of 64 requests, recycled, as one event loop would have them.
private func measure(_ pool: ModelPool, total: Int) -> (answered: Int, nanoseconds: UInt64) {
  let client = Client()
  let requests = (1...64 as ClosedRange<Int64>).map { client.makeRequest(numbers: [$0]) }
  for request in requests { try? pool.validator.validate(request) }
  var answered = 0
  let start = Instant.now()
  var free = requests
  while answered < total {
    var needsWake = false
    let now = Instant.now()
    for request in free {
      if case .accepted(let wake) = pool.submit(request, now: now) { needsWake = needsWake || wake }
    }
    if needsWake { pool.wake() }
    free = client.receive()
    for request in free {
      request.pointee.releaseAnswer()
      request.pointee.arena.pointee.reset()
    }
    answered += free.count
  }
  let nanoseconds = Instant.now().nanoseconds(since: start)
  while free.count < requests.count { free += client.receive() }
  for request in free { client.free(request) }
  return (answered, nanoseconds)
}
