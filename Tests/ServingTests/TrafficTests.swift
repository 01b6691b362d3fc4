import Access
import Inference
import Pools
import Routing
import Serving
import Synchronization
import Testing
import Threads

@Test func `a pin reaches a deployment without traffic, and the answer says who it was`() async throws {
  let blue = try Served(version: "blue", add: 1)
  let green = try Served(version: "green", add: 2)
  let board = ServingBoard()
  board.publish(
    snapshot(
      [blue.deployment, green.deployment], split: ["blue": 100, "green": 0],
      policy: EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1))))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  for (version, values, name) in [("", [2, 3] as [Float], "blue"), ("green", [3, 4], "green"), ("blue", [2, 3], "blue")] {
    let request = try request(version: version)
    #expect(door.submit(request.pointer, now: .now()) == .accepted)
    door.endOfTurn()
    request.wait()
    door.prepareAnswer(request.pointer)
    #expect(request.outputs.first?.elements(as: Float.self) == values)
    #expect(String(decoding: request.pointer.pointee.answeredDeployment, as: UTF8.self) == name)
    door.finish(request.pointer)
    #expect(request.pointer.pointee.answeredDeployment.isEmpty && request.pointer.pointee.servedBy == nil)
  }
  let stranger = try request(version: "red")
  #expect(
    refusal(door.submit(stranger.pointer, now: .now())) == .notFound("deployment 'red' of endpoint 'm' is not found"))
  for served in [blue, green] { await served.deployment.pool.drain() }
}

@Test func `an endpoint without traffic is not found`() async throws {
  let blue = try Served(version: "blue")
  let board = ServingBoard()
  board.publish(snapshot([blue.deployment], split: [:]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  #expect(
    refusal(door.submission(of: try request()))
      == .notFound("endpoint 'm' has no deployment with traffic"))
  #expect(try door.answer(request(version: "blue")) == [2, 3])
  await blue.deployment.pool.drain()
}

@Test func `a priority is noted, and one past the last is the last`() async throws {
  let blue = try Served(version: "blue")
  let board = ServingBoard()
  board.publish(snapshot([blue.deployment], split: ["blue": 100]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  for (given, noted): (Int64, UInt8) in [(0, 0), (1, 1), (255, 255), (100_000, 255)] {
    let request = try request(parameters: ["priority": given])
    #expect(door.submit(request.pointer, now: .now()) == .accepted)
    #expect(request.pointer.pointee.priority == noted)
    door.endOfTurn()
    request.wait()
    door.finish(request.pointer)
  }
  await blue.deployment.pool.drain()
}

/// Three threads submit without a pause while traffic moves to and fro two hundred times, and between the changes one
/// deployment is replaced and drained. Every request is answered, and by a deployment that had traffic at some time.
@Test func `changes of traffic under load lose no request`() async throws {
  let blue = try Served(version: "blue", add: 1)
  let greens = try (0..<8).map { _ in try Served(version: "green", add: 2) }
  let board = ServingBoard()
  let admission = Admission(limit: 1000)
  let first = snapshot([blue.deployment, greens[0].deployment], split: ["blue": 100])
  board.publish(first)
  let isOver = Atomic<Bool>(false)
  let answered = Mutex<[Float: Int]>([:])
  let failures = Mutex<[InferenceError]>([])
  let shared = Shared(isOver: isOver, answered: answered, failures: failures)
  let threads = try (0..<3).map { shard in
    try OwnThread(name: "caller") {
      let door = ServingDoor(board: board, admission: admission, shard: shard)
      while !shared.isOver.load(ordering: .acquiring) {
        do throws(InferenceError) {
          let requests = try (0..<8).map { _ throws(InferenceError) in
            try OwnedRequest(
              model: "m", inputs: [.init(name: "X", datatype: .fp32, shape: [1, 2], elements: [0, 0] as [Float])])
          }
          for request in requests {
            if case .refused(let error) = door.submit(request.pointer, now: .now()) { throw error }
          }
          door.endOfTurn()
          for request in requests {
            request.wait()
            if let failure = request.failure { shared.failures.withLock { $0.append(failure) } }
            let value = request.outputs.first?.elements(as: Float.self).first ?? -1
            door.finish(request.pointer)
            shared.answered.withLock { $0[value, default: 0] += 1 }
          }
        } catch {
          shared.failures.withLock { $0.append(error) }
          return
        }
      }
    }
  }
  var last = first
  for (index, green) in greens.enumerated() {
    for percent in [0, 10, 50, 100, 30] {
      let next = snapshot(
        [blue.deployment, green.deployment], split: ["blue": 100 - percent, "green": percent], after: last)
      board.publish(next)
      last = next
      let seen = shared.total
      while shared.total < seen + 50, shared.failures.withLock({ $0.isEmpty }) { await Task.yield() }
    }
    if index > 0 { await greens[index - 1].deployment.pool.drain() }
  }
  shared.isOver.store(true, ordering: .releasing)
  await withCheckedContinuation { continuation in
    do {
      try OwnThread(name: "join") {
        for thread in threads { thread.join() }
        continuation.resume()
      }.detach()
    } catch { continuation.resume() }
  }
  #expect(shared.failures.withLock { $0 } == [])
  #expect(Set(shared.answered.withLock { $0.keys }) == [1, 2])
  #expect(admission.requestsInFlight == 0)
  await blue.deployment.pool.drain()
  await greens[7].deployment.pool.drain()
}

/// What the threads of a test share.
private final class Shared: Sendable {
  let isOver: Atomic<Bool>
  let answered: Mutex<[Float: Int]>
  let failures: Mutex<[InferenceError]>

  init(
    isOver: consuming Atomic<Bool>, answered: consuming Mutex<[Float: Int]>, failures: consuming Mutex<[InferenceError]>
  ) {
    self.isOver = isOver
    self.answered = answered
    self.failures = failures
  }

  var total: Int { answered.withLock { $0.values.reduce(0, +) } }
}
