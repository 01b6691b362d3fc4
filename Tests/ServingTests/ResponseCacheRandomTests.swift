import Glibc
import Inference
import Pools
import ScriptedBackend
import Serving
import Synchronization
import Testing
import Threads

/// Threads with a door each, as event loops have, send few different requests over and over, take some back, and give some
/// deadlines that pass, while the model is loaded again behind them and the cache has room for some of the answers only.
///
/// ```
/// lane 0  submit… endOfTurn  take: prepareAnswer, finish … ┐
/// lane 1  submit…                                          ├─ one cache, one board
/// lane 2  submit…                                          ┘
/// main                          publishes 2, drains 1   publishes 3, drains 2 …
/// ```
///
/// Each request comes back once, with its own answer and from a model no older than the one that was there when it was
/// submitted, or with the failure that it asked for.
@Test(arguments: [1, 2, 3] as [UInt64])
func `whatever is cancelled, late or reloaded, each request is answered once and rightly`(seed: UInt64) async throws {
  func make(_ generation: Int) throws -> ServingDeployment {
    try Served(add: generation) { $0.usesResponseCache = true }.deployment
  }
  var current = try make(1)
  let board = ServingBoard()
  board.publish(snapshot([current]))
  let shared = Shared()
  let admission = Admission(limit: 1000)
  // One answer takes some 300 bytes: six of the eight are kept.
  let cache = ResponseCache(limitBytes: 2200, mostWaiting: 3)
  let lanes = try (0..<3).map { index in
    try Lane(
      ServingDoor(board: board, admission: admission, cache: cache, shard: index), shared, seed: 10 * seed + UInt64(index))
  }
  let threads = try lanes.map { lane in try OwnThread(name: "lane") { lane.run() } }
  for generation in 2...8 {
    let next = try make(generation)
    let answered = shared.answered.load(ordering: .relaxed)
    await offPool { while shared.answered.load(ordering: .relaxed) < answered + 100 { sched_yield_once() } }
    board.publish(snapshot([next]))
    shared.generation.store(generation, ordering: .releasing)
    await current.pool.drain()
    current = next
  }
  shared.isOver.store(true, ordering: .relaxed)
  await offPool { for thread in threads { thread.join() } }
  #expect(lanes.flatMap(\.wrong) == [])
  #expect(admission.requestsInFlight == 0)
  #expect(cache.heldBytes <= cache.limitBytes)
  #expect(shared.hits.load(ordering: .relaxed) > 0)
  await current.pool.drain()
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

private final class Shared: Sendable {
  /// The newest model that is surely published, by what it adds.
  let generation = Atomic<Int>(1)
  let answered = Atomic<Int>(0)
  let hits = Atomic<Int>(0)
  let isOver = Atomic<Bool>(false)
}

/// One thread with a door and a mailbox. `@unchecked Sendable`: its thread's alone until that has ended.
private final class Lane: @unchecked Sendable {
  private static let mostOnTheWay = 12

  private(set) var wrong: [String] = []
  private let door: ServingDoor
  private let shared: Shared
  private let mailbox: ReplyMailbox
  private let readEnd: Int32
  private let writeEnd: Int32
  private var random: SplitMix
  private var onTheWay: [RequestPointer: Sent] = [:]

  private struct Sent {
    var value: Float
    var generation: Int
    var arena: UnsafeMutablePointer<Arena>
    var mayFail: Bool
  }

  init(_ door: ServingDoor, _ shared: Shared, seed: UInt64) throws {
    var ends: [Int32] = [-1, -1]
    let status = pipe(&ends)
    try #require(status == 0)
    self.door = door
    self.shared = shared
    (readEnd, writeEnd) = (ends[0], ends[1])
    mailbox = ReplyMailbox(wakeDescriptor: writeEnd)
    random = SplitMix(seed: seed)
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  func run() {
    while !shared.isOver.load(ordering: .relaxed) || !onTheWay.isEmpty {
      if !shared.isOver.load(ordering: .relaxed) {
        for _ in 0..<Int.random(in: 0...4, using: &random) where onTheWay.count < Lane.mostOnTheWay { submit() }
      }
      if Int.random(in: 0..<4, using: &random) == 0, let request = onTheWay.keys.randomElement(using: &random) {
        onTheWay[request]?.mayFail = true
        door.cancel(request)
      }
      door.endOfTurn()
      if onTheWay.isEmpty { continue }
      var count: UInt64 = 0
      while read(readEnd, &count, 8) < 0 && errno == EINTR {}
      var next = mailbox.take()
      while let request = next {
        next = request.pointee.next
        take(request)
      }
    }
    door.endOfTurn()
  }

  private func submit() {
    let number = Int.random(in: 0..<8, using: &random)
    let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
    arena.initialize(to: Arena())
    let request = RequestPointer.allocate(capacity: 1)
    InferenceRequest.initialize(request, arena: arena, replyTo: .passUnretained(mailbox))
    request.pointee.modelName = UnsafeRawBufferPointer(keep([UInt8(ascii: "m")], arena))
    let name = UnsafeRawBufferPointer(keep([UInt8(ascii: "X")], arena))
    let shape = keep([1, 2] as [Int64], arena)
    let values = keep([Float(100 * number), Float(200 * number)], arena)
    request.pointee.inputs = keep(
      [
        Tensor(
          name: name, datatype: .fp32, shape: UnsafeBufferPointer(shape), bytes: UnsafeRawBufferPointer(values))
      ], arena)
    request.pointee.arrival = .now()
    var sent = Sent(
      value: Float(100 * number), generation: shared.generation.load(ordering: .acquiring), arena: arena, mayFail: false)
    if Int.random(in: 0..<8, using: &random) == 0 {
      request.pointee.deadline = .now().advanced(byNanoseconds: .random(in: 0..<200_000, using: &random))
      sent.mayFail = true
    }
    switch door.submit(request, now: .now()) {
    case .accepted: onTheWay[request] = sent
    case .refused(let error):
      wrong.append("refused: \(error)")
      free(request, arena)
    case .needsVerification: wrong.append("the model is open")
    }
  }

  private func take(_ request: RequestPointer) {
    guard let sent = onTheWay.removeValue(forKey: request) else { return wrong.append("answered twice") }
    door.prepareAnswer(request)
    if let failure = request.pointee.failure {
      let isOwn = failure.code == .cancelled || failure.code == .deadlineExceeded
      if !isOwn || !sent.mayFail { wrong.append("failed: \(failure)") }
    } else if let output = request.pointee.outputs.first, output.bytes.count == 8 {
      let first = output.bytes.loadUnaligned(as: Float.self) - sent.value
      let second = output.bytes.loadUnaligned(fromByteOffset: 4, as: Float.self) - 2 * sent.value
      if first != second || Int(first) < sent.generation || Int(first) > 8 {
        wrong.append("\(sent.value) sent to model \(sent.generation): \(first), \(second)")
      }
      // Only a pool's own answer has a pool.
      if request.pointee.answeredBy == nil { shared.hits.wrappingAdd(1, ordering: .relaxed) }
    } else {
      wrong.append("no output")
    }
    door.finish(request)
    shared.answered.wrappingAdd(1, ordering: .relaxed)
    free(request, sent.arena)
  }

  private func free(_ request: RequestPointer, _ arena: UnsafeMutablePointer<Arena>) {
    request.deinitialize(count: 1)
    request.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
  }

  private func keep<Value>(
    _ values: [Value], _ arena: UnsafeMutablePointer<Arena>
  ) -> UnsafeMutableBufferPointer<Value> {
    let kept = UnsafeMutableBufferPointer(
      start: arena.pointee.allocate(Value.self, count: values.count)!, count: values.count)
    _ = kept.initialize(from: values)
    return kept
  }
}

/// The same numbers in every run. Source: Steele and others, "Fast splittable pseudorandom number generators", 2014.
private struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var number = state
    number = (number ^ (number >> 30)) &* 0xbf58_476d_1ce4_e5b9
    number = (number ^ (number >> 27)) &* 0x94d0_49bb_1331_11eb
    return number ^ (number >> 31)
  }
}
