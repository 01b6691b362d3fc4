import Access
import Inference
import Pools
import Routing
import ScriptedBackend
import Serving
import Synchronization
import Testing
import Threads

/// An endpoint of a live deployment "blue" that adds 1, and its shadow, in front of a mirror that has started.
private final class World {
  let live: Served
  let shadow: Served
  let mirror: MirrorQueue
  let pairs: Pairs?
  let board = ServingBoard()
  let admission: Admission
  let door: ServingDoor
  let shadowMeter = DeploymentMeter(shards: 1)

  init(
    percent: Int = 50, shadowAdd: Int = 1, script: String = "", liveScript: String = "", limits: MirrorLimits = MirrorLimits(),
    shadowPool: PoolLimits = PoolLimits(), admits: Int = 1000, compares: Bool = false
  ) throws {
    live = try Served(version: "blue", add: 1, script: liveScript)
    shadow = try Served(
      version: "shadow", add: shadowAdd, script: script, limits: shadowPool,
      policy: DeploymentPolicy(meter: shadowMeter))
    pairs = compares ? Pairs() : nil
    mirror = try MirrorQueue(limits: limits, observer: pairs)
    admission = Admission(limit: admits)
    door = ServingDoor(board: board, admission: admission, mirror: mirror)
    board.publish(
      snapshot(
        [live.deployment, shadow.deployment], split: ["blue": 100, "shadow": 0],
        mirror: MirrorRule(deployment: "shadow", percent: percent),
        policy: EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1), comparesMirror: compares)))
    try mirror.start()
  }

  func end() async {
    await live.deployment.pool.drain()
    shadow.gates.open("shadow")
    await shadow.deployment.pool.drain()
    await offPool { [mirror] in mirror.stop() }
  }

  /// Waits until so many copies were answered by the shadow, or refused on their way to it.
  func awaitMirror(_ isTrue: @escaping @Sendable (MirrorCounts) -> Bool) async {
    await offPool { [mirror] in while !isTrue(mirror.counts) { sched_yield_once() } }
  }
}

/// Blocks a thread of its own, and none of Swift concurrency.
private func offPool(_ body: @escaping @Sendable () -> Void) async {
  await withCheckedContinuation { continuation in
    do {
      try OwnThread(name: "wait") {
        body()
        continuation.resume()
      }.detach()
    } catch { continuation.resume() }
  }
}

private final class Pairs: MirrorObserver {
  struct Seen: Hashable {
    var endpoint: String
    var deployments: [String]
    var live: [Float]
    var shadow: [Float]?
    var failure: InferenceError?
  }
  private let seen = Mutex<[Seen]>([])
  var all: [Seen] { seen.withLock { $0 } }

  func observe(_ pair: borrowing MirroredPair) {
    func values(_ tensors: UnsafeBufferPointer<Tensor>) -> [Float] {
      tensors.flatMap { tensor in
        stride(from: 0, to: tensor.bytes.count, by: 4).map {
          tensor.bytes.loadUnaligned(fromByteOffset: $0, as: Float.self)
        }
      }
    }
    var new = Seen(
      endpoint: pair.endpoint, deployments: [pair.liveDeployment, pair.shadowDeployment], live: values(pair.live))
    switch pair.shadow {
    case .outputs(let outputs): new.shadow = values(outputs)
    case .failure(let error): new.failure = error
    }
    seen.withLock { $0.append(new) }
  }
}

@Test func `a mirror sends its exact share of the live requests, and none that is pinned`() async throws {
  let world = try World(percent: 20)
  for index in 0..<100 {
    #expect(try world.door.answer(request(values: [Float(index), 0])) == [Float(index) + 1, 1])
    #expect(try world.door.answer(request(version: "blue")) == [2, 3])
    await world.awaitMirror { $0.answered == $0.sent && $0.sent + $0.dropped == UInt64(index * 20 / 100) || $0.sent > 0 }
  }
  await world.awaitMirror { $0.answered == 20 }
  #expect(world.mirror.counts.sent == 20 && world.mirror.counts.failed == 0 && world.mirror.counts.dropped == 0)
  #expect(world.shadowMeter.snapshot(.mirrored)[.succeeded] == 20)
  #expect(world.shadowMeter.snapshot(.live).requests == 0)
  #expect(world.mirror.requestsHeld == 0)
  await world.end()
}

/// The shadow's gate stays shut: its copies never come back. Every live answer is there all the same, and right.
@Test func `a shadow that never answers delays nobody, and copies past the limit are dropped and counted`() async throws {
  var limits = MirrorLimits()
  limits.maxRequests = 3
  let world = try World(percent: 50, script: "hold-run shadow", limits: limits)
  for index in 0..<40 { #expect(try world.door.answer(request(values: [Float(index), 0])) == [Float(index) + 1, 1]) }
  #expect(world.mirror.counts[.requestLimit] == 17)
  #expect(world.mirror.counts.answered == 0)
  #expect(world.mirror.requestsHeld == 3)
  #expect(world.admission.requestsInFlight == 0)
  await world.end()
}

@Test func `bytes of copies are bounded too`() async throws {
  var limits = MirrorLimits()
  limits.maxBytes = 4000
  let world = try World(percent: 50, script: "hold-run shadow", limits: limits)
  for _ in 0..<40 { #expect(try world.door.answer(request()) == [2, 3]) }
  #expect(world.mirror.counts[.byteLimit] > 10)
  #expect(world.mirror.requestsHeld >= 1 && world.mirror.requestsHeld <= 3)
  await world.end()
}

@Test func `a shadow that fails changes no live answer, and is counted`() async throws {
  // It takes rows of three, and gets rows of two.
  let world = try World(percent: 50, script: "input Z FP32 -1 3")
  for _ in 0..<10 { #expect(try world.door.answer(request()) == [2, 3]) }
  await world.awaitMirror { $0.failed == 5 }
  #expect(world.mirror.counts.sent == 0 && world.shadowMeter.snapshot(.mirrored)[.invalid] == 5)
  await world.end()
}

@Test func `a shadow whose queue is half full gets no more`() async throws {
  var pool = PoolLimits()
  pool.maxQueuedRequests = 4
  let world = try World(percent: 50, script: "hold-run shadow", shadowPool: pool)
  // One that runs, three that wait.
  for index in 0..<16 {
    #expect(try world.door.answer(request()) == [2, 3])
    let count = UInt64((index + 1) / 2)
    await world.awaitMirror { $0.sent + $0.dropped == count }
    if index == 1 { world.shadow.gates.awaitWaiting(at: "shadow") }
  }
  #expect(world.mirror.counts.sent == 4)
  #expect(world.mirror.counts[.shadowBusy] == 4)
  await world.end()
}

@Test func `a server that is half full sends no copies`() async throws {
  let world = try World(percent: 50, liveScript: "hold-run live", admits: 4)
  let waiting = try (0..<4).map { _ in try request() }
  for request in waiting { #expect(world.door.submit(request.pointer, now: .now()) == .accepted) }
  world.door.endOfTurn()
  world.live.gates.open("live")
  for request in waiting {
    request.wait()
    world.door.finish(request.pointer)
  }
  // The second and the fourth were sampled; the fourth found three before it.
  #expect(world.mirror.counts[.serverBusy] == 1)
  await world.awaitMirror { $0.answered == 1 }
  await world.end()
}

@Test func `a live deployment with a queue sends no copies`() async throws {
  let world = try World(percent: 50, liveScript: "hold-run live")
  let waiting = try (0..<12).map { _ in try request() }
  // One instance takes four rows at once, so four may wait without being a queue.
  for request in waiting { #expect(world.door.submit(request.pointer, now: .now()) == .accepted) }
  #expect(world.mirror.counts[.liveBusy] == 4)
  world.door.endOfTurn()
  world.live.gates.open("live")
  for request in waiting {
    request.wait()
    world.door.finish(request.pointer)
  }
  await world.awaitMirror { $0.answered == 2 }
  await world.end()
}

@Test func `an observer gets both answers of each copied request`() async throws {
  let world = try World(percent: 50, shadowAdd: 10, compares: true)
  let pairs = try #require(world.pairs)
  for index in 0..<10 { #expect(try world.door.answer(request(values: [Float(index), 0])) == [Float(index) + 1, 1]) }
  await world.awaitMirror { $0.compared == 5 }
  #expect(pairs.all.map(\.live) == [1, 3, 5, 7, 9].map { [Float($0) + 1, 1] })
  #expect(pairs.all.map(\.shadow) == [1, 3, 5, 7, 9].map { [Float($0) + 10, 10] })
  #expect(pairs.all.allSatisfy { $0.endpoint == "m" && $0.deployments == ["blue", "shadow"] })
  #expect(world.mirror.requestsHeld == 0)
  await world.end()
}

@Test func `answers are compared as tensors where the caller wanted classes`() async throws {
  let world = try World(percent: 50, compares: true)
  for _ in 0..<2 {
    let request = try request(values: [5, 7], requestedOutputs: [(name: "Y", classCount: 1)])
    #expect(world.door.submit(request.pointer, now: .now()) == .accepted)
    world.door.endOfTurn()
    request.wait()
    world.door.prepareAnswer(request.pointer)
    #expect(request.outputs.first?.datatype == .bytes)
    world.door.finish(request.pointer)
    world.door.endOfTurn()
  }
  await world.awaitMirror { $0.compared == 1 }
  #expect(world.pairs?.all.first?.live == [6, 8] && world.pairs?.all.first?.shadow == [6, 8])
  await world.end()
}

@Test func `a live request that nobody waits for is not compared, and its copy goes`() async throws {
  let world = try World(percent: 50, compares: true)
  for _ in 0..<2 {
    let request = try request()
    #expect(world.door.submit(request.pointer, now: .now()) == .accepted)
    world.door.cancel(request.pointer)
    world.door.endOfTurn()
    request.wait()
    // As the service does where the caller is gone: no `prepareAnswer`.
    world.door.finish(request.pointer)
    world.door.endOfTurn()
  }
  await offPool { [mirror = world.mirror] in while mirror.requestsHeld > 0 { sched_yield_once() } }
  #expect(world.mirror.counts.compared == 0)
  await world.end()
}

@Test func `a shadow's failure is shown beside the live answer`() async throws {
  let world = try World(percent: 50, script: "input Z FP32 -1 3", compares: true)
  for _ in 0..<2 { #expect(try world.door.answer(request()) == [2, 3]) }
  await world.awaitMirror { $0.compared == 1 }
  #expect(world.pairs?.all.first?.failure?.code == .invalidArgument)
  await world.end()
}
