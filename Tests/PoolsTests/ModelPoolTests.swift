import Inference
import Pools
import Testing

@Test func `a request alone is answered, with the pool and version that did it`() async throws {
  let pool = try ModelPool.started(ScriptedModel(.numbers))
  let request = try OwnedRequest(numbers: [4, 5])
  try pool.send(request)
  request.wait()
  #expect(request.failure == nil)
  #expect(request.outputs.map(\.name) == ["y"])
  #expect(request.outputs.map(\.shape) == [[2, 1]])
  #expect(request.numbers == [4, 5])
  #expect(String(decoding: request.pointer.pointee.answeredVersion, as: UTF8.self) == "7")
  #expect(request.pointer.pointee.answeredBy?.takeUnretainedValue() === pool)
  await pool.drain()
}

@Test func `a batch of one sees the request's own bytes, unless they are misaligned`() async throws {
  let seen = Guarded<[UInt]>([])
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    seen.withLock { $0.append(UInt(bitPattern: run.inputs[0].bytes.baseAddress)) }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(model)
  let aligned = try OwnedRequest(numbers: [1])
  let start = UInt(bitPattern: aligned.pointer.pointee.inputs[0].bytes.baseAddress)
  try pool.send(aligned)
  aligned.wait()

  let odd = try OwnedRequest(numbers: [7])
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16)
  defer { memory.deallocate() }
  memory.storeBytes(of: 99, toByteOffset: 3, as: Int64.self)
  odd.pointer.pointee.inputs[0].bytes = UnsafeRawBufferPointer(rebasing: memory[3..<11])
  try pool.send(odd)
  odd.wait()
  #expect(odd.numbers == [99])
  let addresses = seen.withLock { $0 }
  #expect(addresses[0] == start)
  #expect(addresses[1] % 8 == 0)
  await pool.drain()
}

@Test func `requests that come while the instance is busy run together, and each gets its own rows`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model)
  let first = try held.occupy(pool)
  let others = [try OwnedRequest(numbers: [1, 2]), try OwnedRequest(numbers: [3]), try OwnedRequest(numbers: [4, 5, 6])]
  for request in others { try pool.send(request) }
  #expect(
    pool.load
      == PoolLoad(queuedRequests: 3, runningRequests: 1, instances: .init(wanted: 1, ready: 1, busy: 1)))
  held.goOn.open()
  held.goOn.open()
  for request in [first] + others { request.wait() }
  #expect(held.model.runs.withLock { $0 } == [1, 6])
  #expect(others.map(\.numbers) == [[1, 2], [3], [4, 5, 6]])
  #expect(others.map { $0.outputs[0].shape } == [[2, 1], [1, 1], [3, 1]])
  #expect(pool.load.queuedAndRunning == 0)
  await pool.drain()
}

@Test func `BYTES are joined and cut element by element, and outputs come as they were requested`() async throws {
  let signature = ModelSignature(
    inputs: [
      TensorMetadata(name: "text", datatype: .bytes, shape: [-1, 2]),
      TensorMetadata(name: "x", datatype: .int64, shape: [-1, 1]),
    ],
    outputs: [
      TensorMetadata(name: "copy", datatype: .bytes, shape: [-1, 2]),
      TensorMetadata(name: "y", datatype: .int64, shape: [-1, 1]),
    ], isBatchable: true)
  func elements(_ strings: [String]) -> [UInt8] {
    strings.flatMap { [UInt8($0.utf8.count), 0, 0, 0] + Array($0.utf8) }
  }
  func request(_ strings: [String], _ numbers: [Int64], _ wanted: [String]) throws -> OwnedRequest {
    let rows = Int64(numbers.count)
    return try OwnedRequest(
      inputs: [
        .init(name: "x", datatype: .int64, shape: [rows, 1], elements: numbers),
        .init(name: "text", datatype: .bytes, shape: [rows, 2], bytes: elements(strings)),
      ], requestedOutputs: wanted.map { ($0, 0) })
  }
  let wanted = Guarded<UInt64>(0)
  let held = HeldModel(signature) { (run) throws(InferenceError) in
    wanted.withLock { $0 = run.wanted }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(held.model)
  let first = try request(["", "b"], [1], ["y"])
  try pool.send(first)
  held.entered.wait()
  let second = try request(["one", "", "three", "4"], [2, 3], ["y", "copy"])
  let third = try request(["longer than the others", "x"], [4], ["copy"])
  try pool.send(second)
  try pool.send(third)
  held.goOn.open()
  held.goOn.open()
  for request in [first, second, third] { request.wait() }
  #expect(held.model.runs.withLock { $0 } == [1, 3])
  #expect(wanted.withLock { $0 } == 0b11)
  #expect(first.outputs.map(\.name) == ["y"])
  #expect(second.outputs.map(\.name) == ["y", "copy"])
  #expect(second.outputs[0].elements(as: Int64.self) == [2, 3])
  #expect(second.outputs[1].bytes == elements(["one", "", "three", "4"]))
  #expect(third.outputs.map(\.bytes) == [elements(["longer than the others", "x"])])
  #expect(third.outputs.map(\.shape) == [[1, 2]])
  await pool.drain()
}

@Test func `an output with the wrong number of rows fails the whole batch, and names both`() async throws {
  let held = HeldModel { (run) throws(InferenceError) in
    [.init(name: "", datatype: .int64, shape: [1, 1], elements: [Int64(0)])]
  }
  let pool = try ModelPool.started(held.model)
  let first = try held.occupy(pool)
  let others = [try OwnedRequest(numbers: [1]), try OwnedRequest(numbers: [2, 3])]
  for request in others { try pool.send(request) }
  held.goOn.open()
  held.goOn.open()
  for request in [first] + others { request.wait() }
  #expect(first.failure == nil)
  for request in others { #expect(request.failure == .internal("output 'y' has 1 rows for a batch of 3")) }
  await pool.drain()
}

@Test func `an output that the backend leaves unset is an error that names it`() async throws {
  let pool = try ModelPool.started(ScriptedModel(.numbers) { (_) throws(InferenceError) in [nil] })
  let request = try OwnedRequest(numbers: [1])
  try pool.send(request)
  request.wait()
  #expect(request.failure == .internal("output 'y' is wanted, but the backend did not set it"))
  await pool.drain()
}

@Test func `one bad request does not fail its neighbours`() async throws {
  let held = HeldModel { (run) throws(InferenceError) in
    guard !run.values().contains(-1) else { throw .invalidArgument("x holds -1") }
    return try ScriptedModel.echo(run)
  }
  let pool = try ModelPool.started(held.model)
  let first = try held.occupy(pool)
  let others = [try OwnedRequest(numbers: [1]), try OwnedRequest(numbers: [-1]), try OwnedRequest(numbers: [2])]
  for request in others { try pool.send(request) }
  for _ in 0..<5 { held.goOn.open() }
  for request in [first] + others { request.wait() }
  #expect(others.map(\.numbers) == [[1], [], [2]])
  #expect(others.map(\.failure) == [nil, .invalidArgument("x holds -1"), nil])
  #expect(held.model.runs.withLock { $0 } == [1, 3, 1, 1, 1])
  #expect(pool.statistics.executionCount == 3)
  #expect(pool.statistics.inferenceCount == 3)
  #expect(pool.statistics.fail.count == 1)
  #expect(pool.statistics.failures == [.backend: 1])
  await pool.drain()
}

@Test func `different shapes never share a batch, even if their keys are equal`() async throws {
  let signature = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .int64, shape: [-1, -1])],
    outputs: [TensorMetadata(name: "y", datatype: .int64, shape: [-1, -1])], isBatchable: true)
  let held = HeldModel(signature)
  let pool = try ModelPool.started(held.model)
  func request(_ columns: Int) throws -> OwnedRequest {
    try OwnedRequest(inputs: [
      .init(name: "x", datatype: .int64, shape: [1, Int64(columns)], elements: (0..<columns).map { Int64($0) })
    ])
  }
  let first = try request(1)
  try pool.send(first)
  held.entered.wait()
  let others = [try request(2), try request(3), try request(2), try request(3)]
  for request in others {
    try pool.validator.validate(request.pointer)
    request.pointer.pointee.shapeKey = 1  // a collision
    _ = pool.submit(request.pointer, now: .now())
  }
  for _ in 0..<3 { held.goOn.open() }
  for request in [first] + others { request.wait() }
  #expect(others.map { $0.outputs.map(\.shape) } == [[[1, 2]], [[1, 3]], [[1, 2]], [[1, 3]]])
  #expect(held.model.runs.withLock { $0 } == [1, 2, 2] || held.model.runs.withLock { $0 } == [1, 1, 1, 1, 1])
  await pool.drain()
}

@Test func `a full queue refuses, and says how full it is`() async throws {
  for code in [InferenceError.Code.resourceExhausted, .unavailable] {
    let held = HeldModel()
    var limits = PoolLimits()
    limits.queueFullCode = code
    let pool = try ModelPool.started(held.model, limits: limits) { $0.queuePolicy.maxQueueSize = 8 }
    let first = try held.occupy(pool)
    var waiting: [OwnedRequest] = []
    for number in 0..<8 as Range<Int64> {
      waiting.append(try OwnedRequest(numbers: [number]))
      try pool.send(waiting.last!)
    }
    let surplus = try OwnedRequest(numbers: [9])
    #expect(
      throws: InferenceError(code, "Exceeds maximum queue size: 8 requests are waiting; the limit is 8")
    ) { try pool.send(surplus) }
    for _ in 0..<2 { held.goOn.open() }
    for request in [first] + waiting { request.wait() }
    #expect(pool.statistics.failures == [.rejected: 1])
    await pool.drain()
  }
}

@Test func `the cancelled and the late in the queue are answered and never run`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model) { $0.queuePolicy.allowTimeoutOverride = true }
  let first = try held.occupy(pool)
  let past = Instant(nanoseconds: 1)
  let cancelled = try OwnedRequest(numbers: [1])
  let late = try OwnedRequest(numbers: [2], deadline: past)
  let timedOut = try OwnedRequest(numbers: [3], parameters: ["timeout": 1])
  let good = try OwnedRequest(numbers: [4])
  try pool.send(cancelled)
  try pool.send(late)
  try pool.send(timedOut, now: past)
  try pool.send(good)
  cancelled.cancel()
  held.goOn.open()
  held.goOn.open()
  for request in [first, cancelled, late, timedOut, good] { request.wait() }
  #expect(cancelled.failure?.code == .cancelled)
  #expect(late.failure?.code == .deadlineExceeded)
  #expect(timedOut.failure?.code == .deadlineExceeded)
  #expect(timedOut.failure?.message.hasPrefix("Request timeout expired") == true)
  #expect(good.numbers == [4])
  #expect(held.model.runs.withLock { $0 } == [1, 1])
  #expect(pool.statistics.failures == [.cancelled: 2, .rejected: 1])
  await pool.drain()
}

@Test func `a run is stopped when all of its requests are cancelled, and not before`() async throws {
  let entered = Gate()
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    entered.open()
    if run.values() == [0] { return try ScriptedModel.echo(run) }
    run.interruption.wait()
    throw .cancelled("stopped")
  }
  let pool = try ModelPool.started(model) {
    $0.preferredBatchSizes = [2]
    $0.maxQueueDelayMicroseconds = 3_600_000_000
  }
  let pair = [try OwnedRequest(numbers: [1]), try OwnedRequest(numbers: [2])]
  for request in pair { try pool.send(request) }
  entered.wait()
  pair[0].cancel()
  pool.noticeCancellation()
  #expect(pool.load.runningRequests == 2)
  pair[1].cancel()
  pool.noticeCancellation()
  for request in pair { request.wait() }
  for request in pair { #expect(request.failure == .cancelled("cancelled while the model ran")) }
  #expect(pool.statistics.failures == [.cancelled: 2])
  await pool.drain()
}

@Test func `a run is stopped when the last deadline in it has passed`() async throws {
  let model = ScriptedModel(.numbers) { (run) throws(InferenceError) in
    run.interruption.wait()
    throw .cancelled("stopped")
  }
  let pool = try ModelPool.started(model)
  // The deadline must be ahead when the batch forms; if a slow machine misses that, the queue answers with its own
  // text.
  let request = try OwnedRequest(numbers: [1], deadline: Instant.now().advanced(byNanoseconds: 20_000_000))
  try pool.send(request)
  request.wait()
  #expect(request.failure?.code == .deadlineExceeded)
  await pool.drain()
}

@Test func `an answer whose arena is full fails alone`() async throws {
  let held = HeldModel()
  let pool = try ModelPool.started(held.model)
  let first = try held.occupy(pool)
  let client = Client(arenaLimit: 400)
  let poor = client.makeRequest(numbers: [1])
  while poor.pointee.arena.pointee.allocate(byteCount: 16) != nil {}
  let rich = try OwnedRequest(numbers: [2])
  try pool.validator.validate(poor)
  _ = pool.submit(poor, now: .now())
  try pool.send(rich)
  held.goOn.open()
  held.goOn.open()
  first.wait()
  rich.wait()
  #expect(rich.numbers == [2])
  #expect(client.receive().map { $0.pointee.failure?.code } == [.resourceExhausted])
  #expect(pool.statistics.failures == [.other: 1])
  client.free(poor)
  await pool.drain()
}
