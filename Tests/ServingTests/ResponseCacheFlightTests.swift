import Access
import Inference
import Pools
import ScriptedBackend
import Serving
import Testing

// The gate "run" holds every run, so that a test decides what is in flight when others come.

@Test func `identical requests in flight are computed once, whichever door they came by`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let other = world.makeDoor()
  let leader = try request()
  try world.submit(leader)
  world.gates.awaitWaiting(at: "run")
  let waiting = try (0..<4).map { _ in try request() }
  for (index, request) in waiting.enumerated() { try world.submit(request, to: index % 2 == 0 ? world.door : other) }
  // They count like any other.
  #expect(world.admission.requestsInFlight == 5)
  #expect(world.served.deployment.pool.load.queuedRequests == 0)
  world.gates.open("run")
  #expect(world.take(leader) == .success([2, 3]))
  for (index, request) in waiting.enumerated() {
    #expect(world.take(request, at: index % 2 == 0 ? world.door : other) == .success([2, 3]))
  }
  let counted = world.statistics
  #expect(counted.executionCount == 1 && counted.inferenceCount == 1)
  #expect(counted.success.count == 5 && counted.cacheHit.count == 4 && counted.cacheMiss.count == 1)
  #expect(try world.runs(for: request()) == 0)
  await world.end()
}

@Test func `those who wait get the tensors where the leader wants classes`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let leader = try request(values: [8, 7], requestedOutputs: [(name: "Y", classCount: 1)])
  try world.submit(leader)
  let follower = try request(values: [8, 7], requestedOutputs: [(name: "Y", classCount: 0)])
  try world.submit(follower)
  world.gates.open("run")
  leader.wait()
  world.door.prepareAnswer(leader.pointer)
  #expect(leader.outputs.first?.datatype == .bytes)
  world.door.finish(leader.pointer)
  #expect(world.take(follower) == .success([9, 8]))
  #expect(world.runs == 1)
  await world.end()
}

@Test func `those who wait are answered though nothing is kept`() async throws {
  let world = try CacheWorld(script: "hold-run run", limitBytes: 1)
  let requests = try (0..<3).map { _ in try request() }
  for request in requests { try world.submit(request) }
  world.gates.open("run")
  for request in requests { #expect(world.take(request) == .success([2, 3])) }
  #expect(world.runs == 1 && world.cache.heldBytes == 0)
  await world.end()
}

@Test func `a leader whose caller is gone answers those who wait, if it ran`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let leader = try request()
  try world.submit(leader)
  world.gates.awaitWaiting(at: "run")
  let follower = try request()
  try world.submit(follower)
  world.door.cancel(leader.pointer)
  world.gates.open("run")
  leader.wait()
  // As the service does where the caller is gone: no `prepareAnswer`.
  world.door.finish(leader.pointer)
  #expect(world.take(follower) == .success([2, 3]))
  #expect(world.runs == 1)
  #expect(try world.runs(for: request()) == 0)
  await world.end()
}

@Test func `a leader that is cancelled in the queue passes the lead on`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let blocker = try world.occupy(gate: "run")
  let leader = try request()
  try world.submit(leader)
  let waiting = try (0..<3).map { _ in try request() }
  for request in waiting { try world.submit(request) }
  world.door.cancel(leader.pointer)
  world.gates.open("run")
  #expect(world.take(blocker) == .success([0, 0]))
  #expect(world.take(leader).failureCode == .cancelled)
  for request in waiting { #expect(world.take(request) == .success([2, 3])) }
  // The blocker's, and one for all three.
  #expect(world.runs == 2)
  #expect(world.statistics.cacheMiss.count == 3 && world.statistics.cacheHit.count == 2)
  await world.end()
}

@Test func `the lead goes to the first who still waits, and those before are told why not`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let blocker = try world.occupy(gate: "run")
  let leader = try request(deadline: Instant(nanoseconds: 1))
  try world.submit(leader)
  let gone = try request()
  let late = try request(deadline: Instant(nanoseconds: 1))
  let last = try request()
  for request in [gone, late, last] { try world.submit(request) }
  world.door.cancel(gone.pointer)
  world.gates.open("run")
  #expect(world.take(blocker) == .success([0, 0]))
  #expect(world.take(leader).failureCode == .deadlineExceeded)
  #expect(world.take(gone).failureCode == .cancelled)
  #expect(world.take(late).failureCode == .deadlineExceeded)
  #expect(world.take(last) == .success([2, 3]))
  #expect(world.statistics.failures[.cancelled] == 3)
  await world.end()
}

@Test func `one that is gone gets the answer like the others when it comes`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let leader = try request()
  let gone = try request()
  let stays = try request()
  for request in [leader, gone, stays] { try world.submit(request) }
  world.door.cancel(gone.pointer)
  world.door.endOfTurn()
  world.gates.open("run")
  #expect(world.take(leader) == .success([2, 3]))
  // Exactly once, so that its memory is free.
  #expect(world.take(gone) == .success([2, 3]))
  #expect(world.take(stays) == .success([2, 3]))
  await world.end()
}

@Test func `where nobody is left to lead, the next request begins anew`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let blocker = try world.occupy(gate: "run")
  let requests = try (0..<2).map { _ in try request() }
  for request in requests {
    try world.submit(request)
    world.door.cancel(request.pointer)
  }
  world.gates.open("run")
  #expect(world.take(blocker) == .success([0, 0]))
  for request in requests { #expect(world.take(request).failureCode == .cancelled) }
  #expect(world.runs == 1)
  #expect(try world.runs(for: request()) == 1)
  await world.end()
}

@Test func `a model's failure is each request's own: all are run`() async throws {
  let world = try CacheWorld(script: "hold-run run\nfail-run broken")
  let leader = try request()
  try world.submit(leader)
  world.gates.awaitWaiting(at: "run")
  let waiting = try (0..<3).map { _ in try request() }
  for request in waiting { try world.submit(request) }
  world.gates.open("run")
  #expect(world.take(leader) == .failure(.internal("broken")))
  for request in waiting { #expect(world.take(request) == .failure(.internal("broken"))) }
  #expect(world.statistics.failures[.backend] == 4)
  #expect(world.statistics.cacheMiss.count == 4 && world.statistics.cacheHit.count == 0)
  #expect(world.cache.heldBytes == 0)
  await world.end()
}

@Test func `one that finds no room when it goes on is refused with the pool's words`() async throws {
  var limits = PoolLimits()
  limits.maxQueuedRequests = 1
  let world = try CacheWorld(script: "hold-run run", limits: limits)
  let blocker = try world.occupy(gate: "run")
  let leader = try request(deadline: Instant(nanoseconds: 1))
  try world.submit(leader)
  let next = try request()
  let last = try request()
  for request in [next, last] { try world.submit(request) }
  world.gates.open("run")
  #expect(world.take(blocker) == .success([0, 0]))
  // The leader is out of the queue, for its deadline. Before the door hears of it, a stranger takes the one place.
  leader.wait()
  world.gates.close("run")
  let running = try world.occupy(gate: "run", values: [-2, -2])
  let stranger = try request(values: [5, 5])
  try world.submit(stranger)
  world.door.prepareAnswer(leader.pointer)
  world.door.finish(leader.pointer)
  world.door.endOfTurn()
  #expect(world.take(next).failureCode == .resourceExhausted)
  #expect(world.take(last).failureCode == .resourceExhausted)
  world.gates.open("run")
  #expect(world.take(running) == .success([-1, -1]))
  #expect(world.take(stranger) == .success([6, 6]))
  await world.end()
}

@Test func `past the bound of those who wait, a request is run by itself`() async throws {
  let world = try CacheWorld(script: "hold-run run", mostWaiting: 2)
  let leader = try request()
  try world.submit(leader)
  world.gates.awaitWaiting(at: "run")
  let others = try (0..<4).map { _ in try request() }
  for request in others { try world.submit(request) }
  #expect(world.served.deployment.pool.load.queuedRequests == 2)
  world.gates.open("run")
  for request in [leader] + others { #expect(world.take(request) == .success([2, 3])) }
  #expect(world.statistics.cacheHit.count == 2 && world.statistics.cacheMiss.count == 3)
  await world.end()
}

@Test func `a pool that drains answers its leader, and so all who wait`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let leader = try request()
  try world.submit(leader)
  world.gates.awaitWaiting(at: "run")
  let follower = try request()
  try world.submit(follower)
  let next = try Served(add: 2) { $0.usesResponseCache = true }
  world.board.publish(snapshot([next.deployment]))
  world.served.deployment.pool.drain {}
  // What comes now is the new one's, and waits for nobody.
  #expect(try world.door.answer(request()) == [3, 4])
  world.gates.open("run")
  #expect(world.take(leader) == .success([2, 3]))
  #expect(world.take(follower) == .success([2, 3]))
  await next.deployment.pool.drain()
  await world.end()
}

@Test func `those who lose their leader while the pool drains go to the new one`() async throws {
  let world = try CacheWorld(script: "hold-run run")
  let other = world.makeDoor()
  let blocker = try world.occupy(gate: "run")
  let leader = try request()
  try world.submit(leader)
  let waiting = try (0..<3).map { _ in try request() }
  for request in waiting { try world.submit(request, to: other) }
  world.door.cancel(leader.pointer)
  let next = try Served(add: 2) { $0.usesResponseCache = true }
  world.board.publish(snapshot([next.deployment]))
  world.served.deployment.pool.drain {}
  world.gates.open("run")
  #expect(world.take(blocker) == .success([0, 0]))
  #expect(world.take(leader).failureCode == .cancelled)
  for request in waiting { #expect(world.take(request, at: other) == .success([3, 4])) }
  #expect(next.deployment.pool.statistics.executionCount == 1)
  await next.deployment.pool.drain()
  await world.end()
}

@Test func `those who lose their leader with the whole model are told, and leave its limits`() async throws {
  let served = try Served(version: "blue", script: "hold-run run") { $0.usesResponseCache = true }
  var limits = RequestLimits()
  limits.maxInFlight = 4
  let limiter = RequestLimiter(limits, of: "endpoint 'm'")
  let policy = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1), limiter: limiter)
  let board = ServingBoard()
  board.publish(snapshot([served.deployment], split: ["blue": 100], policy: policy))
  let admission = Admission(limit: 100)
  let door = ServingDoor(board: board, admission: admission, cache: ResponseCache(limitBytes: 1 << 20))
  func submit(_ request: OwnedRequest) throws {
    try #require(door.submit(request.pointer, now: .now()) == .accepted)
    door.endOfTurn()
  }
  func take(_ request: OwnedRequest) -> InferenceError? {
    request.wait()
    door.prepareAnswer(request.pointer)
    let failure = request.failure
    door.finish(request.pointer)
    door.endOfTurn()
    return failure
  }
  let blocker = try request(values: [-1, -1])
  try submit(blocker)
  served.gates.awaitWaiting(at: "run")
  let leader = try request()
  let followers = try (0..<2).map { _ in try request() }
  for request in [leader] + followers { try submit(request) }
  door.cancel(leader.pointer)
  board.publish(.empty)
  served.deployment.pool.drain {}
  served.gates.open("run")
  #expect(take(blocker) == nil)
  #expect(take(leader)?.code == .cancelled)
  for request in followers { #expect(take(request)?.code == .notFound) }
  #expect(admission.requestsInFlight == 0)
  // All four places are free again.
  let again = try Served(version: "blue")
  board.publish(snapshot([again.deployment], split: ["blue": 100], policy: policy))
  let requests = try (0..<4).map { _ in try request() }
  for request in requests { try submit(request) }
  for request in requests { #expect(take(request) == nil) }
  for served in [served, again] { await served.deployment.pool.drain() }
}
