import Backends
import Glibc
import Inference
import Pools
import Routing
import ScriptedBackend
import Serving
import Testing

@Test func `a request is answered by the highest version, or by the one it names`() async throws {
  let deployments = [try Served(version: "1", add: 1).deployment, try Served(version: "2", add: 2).deployment]
  let board = ServingBoard()
  board.publish(snapshot(deployments))
  let admission = Admission(limit: 10)
  let door = ServingDoor(board: board, admission: admission)
  for (version, expected) in [("", [3, 4] as [Float]), ("1", [2, 3]), ("2", [3, 4])] {
    let request = try request(version: version)
    #expect(door.submit(request.pointer, now: .now()) == .accepted)
    #expect(admission.requestsInFlight == 1)
    door.endOfTurn()
    request.wait()
    door.prepareAnswer(request.pointer)
    #expect(request.failure == nil)
    #expect(request.outputs.first?.elements(as: Float.self) == expected)
    door.finish(request.pointer)
    #expect(admission.requestsInFlight == 0)
  }
  for deployment in deployments { await deployment.pool.drain() }
}

@Test func `an output wanted as classes comes back as classes`() async throws {
  let deployment = try Served().deployment
  let board = ServingBoard()
  board.publish(snapshot([deployment]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  let request = try request(values: [1, 2, 8, 7], shape: [2, 2], requestedOutputs: [(name: "Y", classCount: 1)])
  #expect(door.submit(request.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  // The deployment may be gone from the snapshot by the time the answer comes.
  board.publish(.empty)
  door.refresh()
  request.wait()
  door.prepareAnswer(request.pointer)
  let output = try #require(request.outputs.first)
  #expect(output.datatype == .bytes && output.shape == [2, 1])
  #expect(String(decoding: output.bytes, as: UTF8.self) == "\u{e}\0\0\03.000000:1:one\u{f}\0\0\09.000000:0:zero")
  door.finish(request.pointer)
  await deployment.pool.drain()
}

@Test func `what routing, checks or parameters refuse comes back at once and takes no place`() async throws {
  let deployment = try Served().deployment
  let board = ServingBoard()
  board.publish(snapshot([deployment]))
  let admission = Admission(limit: 10)
  let door = ServingDoor(board: board, admission: admission)
  func code(_ request: OwnedRequest) -> InferenceError.Code? {
    refusal(door.submit(request.pointer, now: .now()))?.code
  }
  #expect(code(try request("stranger")) == .notFound)
  #expect(code(try request(version: "9")) == .notFound)
  #expect(code(try request(version: "one")) == .invalidArgument)
  #expect(code(try request(shape: [2, 2])) == .invalidArgument)
  #expect(code(try request(parameters: ["priority": -1])) == .invalidArgument)
  #expect(code(try request(parameters: ["timeout": -1])) == .invalidArgument)
  #expect(code(try request(parameters: ["sequence_id": 7])) == .unimplemented)
  #expect(code(try request(parameters: ["sequence_start": 1])) == .invalidArgument)
  #expect(code(try request(parameters: ["triton_secret": 1])) == .invalidArgument)
  #expect(code(try request(parameters: ["triton_enable_empty_final_response": 1])) == .invalidArgument)
  #expect(admission.requestsInFlight == 0)
  await deployment.pool.drain()
}

@Test func `parameters that are harmless or the backend's own pass`() async throws {
  let deployment = try Served().deployment
  let board = ServingBoard()
  board.publish(snapshot([deployment]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  let request = try request(parameters: ["priority": 3, "timeout": 0, "sequence_id": 0, "my_own": 5, "trit": 1])
  #expect(door.submit(request.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  request.wait()
  door.finish(request.pointer)
  await deployment.pool.drain()
}

@Test func `a server that is full refuses with the numbers, and admits again when an answer is out`() async throws {
  let served = try Served(script: "hold-run all")
  let board = ServingBoard()
  board.publish(snapshot([served.deployment]))
  let door = ServingDoor(board: board, admission: Admission(limit: 2))
  let first = try request()
  let second = try request()
  let third = try request()
  #expect(door.submit(first.pointer, now: .now()) == .accepted)
  #expect(door.submit(second.pointer, now: .now()) == .accepted)
  #expect(
    refusal(door.submit(third.pointer, now: .now()))
      == .resourceExhausted("2 requests are in flight; the limit of this server is 2"))
  door.endOfTurn()
  served.gates.open("all")
  first.wait()
  door.finish(first.pointer)
  #expect(door.submit(third.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  second.wait()
  third.wait()
  door.finish(second.pointer)
  door.finish(third.pointer)
  await served.deployment.pool.drain()
}

@Test func `a pool that drains without a newer snapshot refuses, and one that is replaced does not`() async throws {
  let old = try Served(version: "1", add: 1).deployment
  let new = try Served(version: "2", add: 2).deployment
  let board = ServingBoard()
  board.publish(snapshot([old]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  await old.pool.drain()
  // Nothing newer is there: the request is refused, and takes no place.
  let refused = try request()
  #expect(refusal(door.submit(refused.pointer, now: .now()))?.code == .unavailable)
  board.publish(snapshot([new]))
  let request = try request()
  #expect(door.submit(request.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  request.wait()
  #expect(request.outputs.first?.elements(as: Float.self) == [3, 4])
  door.finish(request.pointer)
  await new.pool.drain()
}

/// A thread submits without a pause while pools are replaced under it, until a request has met a pool between the
/// publication of the next one and its own end: the timeline below, which nobody can force from outside.
///
/// ```
/// door      reads generation ──────────────────────────▶ submits to old: draining ─▶ reads again ─▶ submits to new
/// control                       publishes new ─▶ drains old
/// ```
@Test func `a request that loses the race with a reload goes to the new pool`() async throws {
  let served = try Served()
  let board = ServingBoard()
  board.publish(snapshot([served.deployment]))
  let race = Race()
  let requests = try (0..<64).map { _ in try request() }
  // The thread's alone until it ends.
  let door = UncheckedBox(ServingDoor(board: board, admission: Admission(limit: 64)))
  race.start {
    let accepted = requests.filter { race.note(door.value.submit($0.pointer, now: .now())) }
    door.value.endOfTurn()
    for request in accepted {
      request.wait()
      if let failure = request.failure { race.note(failure) }
      door.value.finish(request.pointer)
    }
    return door.value.reroutedCount > 0
  }
  var current = served.deployment
  while !race.isDecided {
    let pool = ModelPool(name: "m", version: "1", configuration: current.configuration, model: served.model)
    try pool.start()
    let next = ServingDeployment(
      name: "m", version: "1", pool: pool, signature: current.signature, configuration: current.configuration,
      labels: current.labels)
    board.publish(snapshot([next]))
    await current.pool.drain()
    current = next
  }
  await race.end()
  #expect(race.failures == [])
  #expect(door.value.reroutedCount > 0)
  await current.pool.drain()
}

@Test func `a pool's refusal is the request's, with the place given back`() async throws {
  var limits = PoolLimits()
  limits.maxQueuedRequests = 1
  let served = try Served(script: "hold-run all", limits: limits)
  let board = ServingBoard()
  board.publish(snapshot([served.deployment]))
  let admission = Admission(limit: 10)
  let door = ServingDoor(board: board, admission: admission)
  let running = try request(requestedOutputs: [(name: "Y", classCount: 1)])
  #expect(door.submit(running.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  served.gates.awaitWaiting(at: "all")
  let queued = try request()
  #expect(door.submit(queued.pointer, now: .now()) == .accepted)
  let refused = try request(requestedOutputs: [(name: "Y", classCount: 1)])
  #expect(refusal(door.submit(refused.pointer, now: .now()))?.code == .resourceExhausted)
  #expect(refused.pointer.pointee.servedBy == nil)
  #expect(admission.requestsInFlight == 2)
  served.gates.open("all")
  door.endOfTurn()
  for request in [running, queued] {
    request.wait()
    door.finish(request.pointer)
  }
  #expect(admission.requestsInFlight == 0)
  await served.deployment.pool.drain()
}
