import Access
import Inference
import Pools
import ScriptedBackend
import Serving
import Testing

private let second: UInt64 = 1_000_000_000

private func at(_ nanoseconds: UInt64) -> Instant { Instant(nanoseconds: 1000 * second + nanoseconds) }

/// A door to one deployment of an endpoint with these limits.
private struct Limited {
  let served: Served
  let limiter: RequestLimiter
  let admission = Admission(limit: 100)
  let door: ServingDoor

  init(_ limits: RequestLimits, script: String = "", timeout: Duration = .zero) throws {
    served = try Served(version: "blue", script: script)
    limiter = RequestLimiter(limits, of: "endpoint 'm'")
    let board = ServingBoard()
    let policy = EndpointPolicy(
      name: "m", access: .open(endpoint: 1, generation: 1), requestTimeout: timeout, limiter: limiter)
    board.publish(snapshot([served.deployment], split: ["blue": 100], policy: policy))
    door = ServingDoor(board: board, admission: admission)
  }

  /// Nil: it was let in and answered.
  func refusal(at now: Instant) throws -> (error: InferenceError, retryAfter: UInt64)? {
    let request = try request()
    switch door.submit(request.pointer, now: now) {
    case .refused(let error): return (error, request.pointer.pointee.retryAfterNanoseconds)
    case .needsVerification: Issue.record("the endpoint is open")
    case .accepted:
      door.endOfTurn()
      request.wait()
      door.finish(request.pointer, now: now)
    }
    return nil
  }
}

@Test func `a burst is let in at once, and then one request for each share of a second`() async throws {
  let world = try Limited(RequestLimits(requestsPerSecond: 10, burst: 3))
  for _ in 0..<3 { #expect(try world.refusal(at: at(0)) == nil) }
  let refused = try #require(try world.refusal(at: at(0)))
  #expect(refused.error == .resourceExhausted("rate-limiting: endpoint 'm' takes 10 requests a second"))
  #expect(refused.retryAfter == second / 10)
  #expect(try world.refusal(at: at(second / 10 - 1))?.retryAfter == 1)
  #expect(try world.refusal(at: at(second / 10)) == nil)
  #expect(try world.refusal(at: at(second / 10))?.retryAfter == second / 10)
  #expect(world.limiter.requestsInFlight == 0)
  #expect(world.admission.requestsInFlight == 0)
  await world.served.deployment.pool.drain()
}

/// 60 virtual seconds of callers who try all the time.
@Test func `over a minute no more requests are let in than the rate and one burst allow`() async throws {
  let world = try Limited(RequestLimits(requestsPerSecond: 7, burst: 2))
  var count = 0
  var now: UInt64 = 0
  while now < 60 * second {
    if try world.refusal(at: at(now)) == nil { count += 1 }
    now += 31_000_000
  }
  #expect((60 * 7 - 1...60 * 7 + 2).contains(count))
  await world.served.deployment.pool.drain()
}

@Test func `without a burst of its own, a second's requests may come at once`() async throws {
  let world = try Limited(RequestLimits(requestsPerSecond: 5))
  for _ in 0..<5 { #expect(try world.refusal(at: at(0)) == nil) }
  #expect(try world.refusal(at: at(0)) != nil)
  await world.served.deployment.pool.drain()
}

@Test func `bytes are let in by the second, and a large request waits for its own`() async throws {
  // A request has 8 bytes of input.
  let world = try Limited(RequestLimits(bytesPerSecond: 8))
  #expect(try world.refusal(at: at(0)) == nil)
  #expect(try world.refusal(at: at(0)) == nil)
  let refused = try #require(try world.refusal(at: at(0)))
  #expect(refused.error == .resourceExhausted("rate-limiting: endpoint 'm' takes 8 bytes of input a second"))
  #expect(refused.retryAfter == second)
  #expect(try world.refusal(at: at(second)) == nil)
  await world.served.deployment.pool.drain()
}

@Test func `requests in flight are bounded, and each that ends makes room`() async throws {
  let world = try Limited(RequestLimits(maxInFlight: 2), script: "hold-run all")
  let first = try request()
  let second = try request()
  let third = try request()
  #expect(world.door.submit(first.pointer, now: .now()) == .accepted)
  #expect(world.door.submit(second.pointer, now: .now()) == .accepted)
  #expect(
    refusal(world.door.submit(third.pointer, now: .now()))
      == .resourceExhausted("too many pending requests: 2 of endpoint 'm' are in flight; the limit is 2"))
  #expect(third.pointer.pointee.retryAfterNanoseconds == 100_000_000)
  world.door.endOfTurn()
  world.served.gates.open("all")
  first.wait()
  world.door.finish(first.pointer, now: first.pointer.pointee.arrival.advanced(byNanoseconds: 7_000_000))
  // What the first one took is what the next one is told to wait.
  let fourth = try request()
  #expect(world.door.submit(third.pointer, now: .now()) == .accepted)
  #expect(refusal(world.door.submit(fourth.pointer, now: .now()))?.code == .resourceExhausted)
  #expect(fourth.pointer.pointee.retryAfterNanoseconds == 7_000_000)
  world.door.endOfTurn()
  for request in [second, third] {
    request.wait()
    world.door.finish(request.pointer)
  }
  #expect(world.limiter.requestsInFlight == 0)
  await world.served.deployment.pool.drain()
}

@Test func `what is refused later on takes no place`() async throws {
  let world = try Limited(RequestLimits(maxInFlight: 1))
  for _ in 0..<3 {
    let wrong = try request(shape: [2, 2])
    #expect(refusal(world.door.submit(wrong.pointer, now: .now()))?.code == .invalidArgument)
    let stranger = try request(version: "green")
    #expect(refusal(world.door.submit(stranger.pointer, now: .now()))?.code == .notFound)
  }
  #expect(world.limiter.requestsInFlight == 0)
  #expect(world.admission.requestsInFlight == 0)
  await world.served.deployment.pool.drain()
}

@Test func `an endpoint's time-out ends before the caller's deadline, and never after it`() async throws {
  let world = try Limited(RequestLimits(), timeout: .milliseconds(5000))
  let now = Instant.now()
  for (deadline, expected): (Instant, Instant) in [
    (.never, now.advanced(byNanoseconds: 5 * second)),
    (now.advanced(byNanoseconds: 9 * second), now.advanced(byNanoseconds: 5 * second)),
    (now.advanced(byNanoseconds: 3 * second), now.advanced(byNanoseconds: 3 * second)),
  ] {
    let request = try request(deadline: deadline, arrival: now)
    #expect(world.door.submit(request.pointer, now: now) == .accepted)
    #expect(request.pointer.pointee.deadline == expected)
    world.door.endOfTurn()
    request.wait()
    world.door.finish(request.pointer)
  }
  await world.served.deployment.pool.drain()
}

@Test func `requests of so many connections are let in, and the last of one makes room for another`() async throws {
  let world = try Limited(RequestLimits(maxConnections: 2), script: "hold-run all")
  func request(by connection: UInt) throws -> OwnedRequest {
    let request = try ServingTests.request()
    request.pointer.pointee.connection = connection
    return request
  }
  let held = try [7, 7, 9].map(request(by:))
  for request in held { #expect(world.door.submit(request.pointer, now: .now()) == .accepted) }
  let other = try request(by: 8)
  let refused = InferenceError.resourceExhausted("too many connections: endpoint 'm' takes requests of 2 at a time")
  #expect(refusal(world.door.submit(other.pointer, now: .now())) == refused)
  #expect(other.pointer.pointee.retryAfterNanoseconds > 0)
  #expect(world.limiter.connectionsInUse == 2)
  world.door.endOfTurn()
  world.served.gates.open("all")
  held.forEach { $0.wait() }
  world.door.finish(held[0].pointer)
  // The other request of connection 7 is still there.
  #expect(refusal(world.door.submit(other.pointer, now: .now())) == refused)
  world.door.finish(held[1].pointer)
  #expect(world.door.submit(other.pointer, now: .now()) == .accepted)
  world.door.endOfTurn()
  other.wait()
  for request in [held[2], other] { world.door.finish(request.pointer) }
  #expect(world.limiter.connectionsInUse == 0)
  await world.served.deployment.pool.drain()
}

@Test func `what is refused later on takes no connection's place`() async throws {
  let world = try Limited(RequestLimits(requestsPerSecond: 1, maxConnections: 1))
  #expect(try world.refusal(at: at(0)) == nil)
  #expect(try world.refusal(at: at(0))?.error.message.hasPrefix("rate-limiting") == true)
  let wrong = try request(shape: [2, 2])
  #expect(refusal(world.door.submit(wrong.pointer, now: at(second)))?.code == .invalidArgument)
  #expect(world.limiter.connectionsInUse == 0)
  await world.served.deployment.pool.drain()
}

@Test func `a deployment's own time-out holds beside the endpoint's`() async throws {
  let served = try Served(version: "blue", policy: DeploymentPolicy(requestTimeout: .seconds(2)))
  let board = ServingBoard()
  let policy = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1), requestTimeout: .seconds(5))
  board.publish(snapshot([served.deployment], split: ["blue": 100], policy: policy))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  let request = try request()
  #expect(door.submit(request.pointer, now: .now()) == .accepted)
  #expect(request.pointer.pointee.deadline == request.pointer.pointee.arrival.advanced(byNanoseconds: 2 * second))
  door.endOfTurn()
  request.wait()
  door.finish(request.pointer)
  await served.deployment.pool.drain()
}
