import Access
import Inference
import Pools
import Routing
import ScriptedBackend
import Serving
import Testing

@Test func `an identical request is answered without a run, and the counters say so as Triton's do`() async throws {
  let world = try CacheWorld()
  for _ in 0..<3 { #expect(try world.door.answer(request(values: [1, 2])) == [2, 3]) }
  let counted = world.statistics
  #expect(counted.executionCount == 1 && counted.inferenceCount == 1)
  #expect(counted.success.count == 3 && counted.queue.count == 3)
  #expect(counted.cacheHit.count == 2 && counted.cacheMiss.count == 1)
  #expect(counted.computeInfer.count == 1)
  #expect(counted.cacheMiss.nanoseconds > 0 && counted.cacheHit.nanoseconds <= counted.success.nanoseconds)
  await world.end()
}

@Test func `a hit says name, datatype, shape and version as the run did`() async throws {
  let world = try CacheWorld()
  var seen: [[OwnedRequest.Value]] = []
  for _ in 0..<2 {
    let request = try request(values: [1, 2, 3, 4], shape: [2, 2])
    try world.submit(request)
    request.wait()
    world.door.prepareAnswer(request.pointer)
    seen.append(request.outputs)
    #expect(String(decoding: request.pointer.pointee.answeredVersion, as: UTF8.self) == "1")
    world.door.finish(request.pointer)
  }
  #expect(seen[0] == seen[1])
  #expect(seen[0] == [OwnedRequest.Value(name: "Y", datatype: .fp32, shape: [2, 2], elements: [2, 3, 4, 5] as [Float])])
  #expect(world.runs == 1)
  await world.end()
}

/// Every pair of these requests differs in one thing only.
@Test func `other bytes, another shape, other outputs or another parameter of the backend's is another request`() async throws {
  let world = try CacheWorld(script: "input Z FP32 -1 -1 -1\noutput W FP32 -1 2")
  func make(
    _ x: [Float] = [1, 2], z: [Int64] = [1, 2, 3], outputs: [String] = [], parameters: [String: Int64] = [:]
  ) throws -> OwnedRequest {
    try OwnedRequest(
      model: "m",
      inputs: [
        OwnedRequest.Value(name: "Z", datatype: .fp32, shape: z, elements: Array(repeating: 0, count: 6) as [Float]),
        OwnedRequest.Value(name: "X", datatype: .fp32, shape: [1, 2], elements: x),
      ], requestedOutputs: outputs.map { (name: $0, classCount: 0) }, parameters: parameters)
  }
  let kinds: [() throws -> OwnedRequest] = [
    { try make() }, { try make([1, 3]) }, { try make([-0.0, 2]) }, { try make([0, 2]) }, { try make(z: [1, 3, 2]) },
    { try make(z: [1, 6, 1]) }, { try make(outputs: ["Y"]) }, { try make(outputs: ["W"]) },
    { try make(outputs: ["Y", "W"]) }, { try make(outputs: ["W", "Y"]) }, { try make(parameters: ["own": 1]) },
    { try make(parameters: ["own": 2]) }, { try make(parameters: ["one": 1]) },
  ]
  for kind in kinds { #expect(try world.runs(for: kind()) == 1) }
  for kind in kinds { #expect(try world.runs(for: kind()) == 0) }
  // What says when it runs, and nothing else, makes no difference.
  #expect(try world.runs(for: make(parameters: ["priority": 3, "timeout": 0, "sequence_id": 0])) == 0)
  await world.end()
}

@Test func `classes are made of the kept answer, which stays as it was`() async throws {
  let world = try CacheWorld()
  func make(classes: Int) throws -> OwnedRequest {
    try request(values: [8, 7], requestedOutputs: [(name: "Y", classCount: classes)])
  }
  for (classes, expected) in [(1, "\u{f}\0\0\09.000000:0:zero"), (0, ""), (1, "\u{f}\0\0\09.000000:0:zero")] {
    let request = try make(classes: classes)
    try world.submit(request)
    request.wait()
    world.door.prepareAnswer(request.pointer)
    let output = try #require(request.outputs.first)
    if classes > 0 {
      #expect(String(decoding: output.bytes, as: UTF8.self) == expected)
    } else {
      #expect(output.elements(as: Float.self) == [9, 8])
    }
    world.door.finish(request.pointer)
  }
  #expect(world.runs == 1)
  await world.end()
}

@Test func `a model that does not ask for it, or that keeps its order, is computed each time`() async throws {
  for keepsOrder in [false, true] {
    let world = try CacheWorld {
      $0.usesResponseCache = keepsOrder
      if !keepsOrder { return }
      $0.dynamicBatching = DynamicBatching()
      $0.dynamicBatching?.preserveOrdering = true
    }
    for _ in 0..<2 { #expect(try world.runs(for: request()) == 1) }
    #expect(world.statistics.cacheMiss.count == 0 && world.cache.heldBytes == 0)
    await world.end()
  }
}

@Test func `without a cache, a model that asks for one is computed each time`() async throws {
  let world = try CacheWorld()
  let door = ServingDoor(board: world.board, admission: world.admission)
  for _ in 0..<2 { #expect(try door.answer(request()) == [2, 3]) }
  #expect(world.runs == 2)
  await world.end()
}

@Test func `an answer is kept for all doors`() async throws {
  let world = try CacheWorld()
  #expect(try world.door.answer(request()) == [2, 3])
  #expect(try world.makeDoor().answer(request()) == [2, 3])
  #expect(world.runs == 1)
  await world.end()
}

@Test func `a reload of the same version begins with nothing`() async throws {
  let world = try CacheWorld()
  #expect(try world.door.answer(request()) == [2, 3])
  let next = try Served(add: 2) { $0.usesResponseCache = true }
  world.board.publish(snapshot([next.deployment]))
  #expect(try world.door.answer(request()) == [3, 4])
  #expect(try world.door.answer(request()) == [3, 4])
  #expect(next.deployment.pool.statistics.executionCount == 1)
  // Another policy for the same pool is no reload.
  world.board.publish(snapshot([next.deployment.with(DeploymentPolicy())]))
  #expect(try world.door.answer(request()) == [3, 4])
  #expect(next.deployment.pool.statistics.executionCount == 1)
  await next.deployment.pool.drain()
  await world.end()
}

@Test func `what was used longest ago goes first, and no more is held than the limit`() async throws {
  let first = try CacheWorld()
  _ = try first.door.answer(request())
  let answerBytes = first.cache.heldBytes
  #expect(answerBytes > 0)
  await first.end()

  let world = try CacheWorld(limitBytes: 6 * answerBytes)
  func make(_ number: Int) throws -> OwnedRequest { try request(values: [Float(number), 0]) }
  for number in 0..<10 {
    #expect(try world.runs(for: make(number)) == 1)
    #expect(world.cache.heldBytes <= world.cache.limitBytes)
  }
  let kept = world.cache.heldBytes / answerBytes
  #expect(kept >= 3 && kept < 6)
  let oldest = 10 - kept
  for number in oldest..<10 { #expect(try world.runs(for: make(number)) == 0) }
  // Used again, the oldest is the newest: another one goes in its place.
  #expect(try world.runs(for: make(oldest)) == 0)
  #expect(try world.runs(for: make(100)) == 1)
  #expect(try world.runs(for: make(oldest)) == 0)
  #expect(try world.runs(for: make(oldest + 1)) == 1)
  await world.end()
}

@Test func `an answer larger than a quarter of the cache is not kept`() async throws {
  let world = try CacheWorld(limitBytes: 600)
  for _ in 0..<2 { #expect(try world.runs(for: request()) == 1) }
  #expect(world.cache.heldBytes == 0)
  await world.end()
}

@Test func `an answer that has been evicted stays for those who have it`() async throws {
  let world = try CacheWorld(limitBytes: 2000)
  #expect(try world.door.answer(request()) == [2, 3])
  let holder = try request()
  try world.submit(holder)
  holder.wait()
  for number in 0..<20 { _ = try world.door.answer(request(values: [Float(number), 7])) }
  #expect(try world.runs(for: request()) == 1)
  world.door.prepareAnswer(holder.pointer)
  #expect(holder.outputs.first?.elements(as: Float.self) == [2, 3])
  world.door.finish(holder.pointer)
  await world.end()
}

@Test func `hits are metered, named by their deployment, and not mirrored`() async throws {
  let meter = DeploymentMeter(shards: 1)
  func make(_ version: String) throws -> Served {
    try Served(version: version, policy: DeploymentPolicy(meter: meter)) { $0.usesResponseCache = true }
  }
  let blue = try make("blue")
  let shadow = try make("shadow")
  let board = ServingBoard()
  let policy = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1))
  board.publish(
    snapshot(
      [blue.deployment, shadow.deployment], split: ["blue": 100], mirror: MirrorRule(deployment: "shadow", percent: 50),
      policy: policy))
  let mirror = try MirrorQueue()
  let door = ServingDoor(
    board: board, admission: Admission(limit: 10), mirror: mirror, cache: ResponseCache(limitBytes: 1 << 20))
  for _ in 0..<10 {
    let request = try request()
    try #require(door.submit(request.pointer, now: .now()) == .accepted)
    door.endOfTurn()
    request.wait()
    door.prepareAnswer(request.pointer)
    #expect(request.outputs.first?.elements(as: Float.self) == [2, 3])
    #expect(String(decoding: request.pointer.pointee.answeredDeployment, as: UTF8.self) == "blue")
    door.finish(request.pointer)
  }
  #expect(meter.snapshot()[.succeeded] == 10)
  #expect(blue.deployment.pool.statistics.executionCount == 1)
  // The first was run, and not chosen; the second, fourth and so on were chosen, and not run.
  #expect(mirror.requestsHeld == 0)
  for served in [blue, shadow] { await served.deployment.pool.drain() }
}

@Test func `a caller without a right to an endpoint gets nothing of what is kept`() async throws {
  let served = try Served(version: "blue") { $0.usesResponseCache = true }
  let cache = ResponseCache(limitBytes: 1 << 20)
  let admission = Admission(limit: 10)
  let board = ServingBoard()
  let open = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1))
  board.publish(snapshot([served.deployment], split: ["blue": 100], policy: open))
  let door = ServingDoor(board: board, admission: admission, cache: cache)
  #expect(try door.answer(request()) == [2, 3])
  #expect(try door.answer(request()) == [2, 3])
  let inside = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 2), isPrivate: true)
  board.publish(snapshot([served.deployment], split: ["blue": 100], policy: inside))
  #expect(refusal(door.submission(of: try request()))?.code == .notFound)
  #expect(served.deployment.pool.statistics.cacheHit.count == 1)
  await served.deployment.pool.drain()
}
