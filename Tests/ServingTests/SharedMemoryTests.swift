import Glibc
import Inference
import Pools
import ScriptedBackend
import Serving
import Testing

/// A POSIX shared memory object of a test's own.
private final class SharedObject {
  let key: String
  private let descriptor: Int32

  init(_ values: [Float], byteCount: Int = 64) throws {
    key = "/apus-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    descriptor = shm_open(key, O_RDWR | O_CREAT | O_EXCL, 0o600)
    try #require(descriptor >= 0)
    resize(byteCount)
    write(values)
  }

  deinit {
    close(descriptor)
    shm_unlink(key)
  }

  func resize(_ byteCount: Int) { ftruncate(descriptor, byteCount) }

  func write(_ values: [Float], at offset: Int = 0) {
    values.withUnsafeBytes { bytes in _ = pwrite(descriptor, bytes.baseAddress, bytes.count, offset) }
  }

  func read(_ count: Int, at offset: Int = 0) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    values.withUnsafeMutableBytes { bytes in _ = pread(descriptor, bytes.baseAddress, bytes.count, offset) }
    return values
  }

  var byteCount: Int { Int(status(of: descriptor)?.st_size ?? -1) }

  /// How many descriptors of this process are open on it, beside its own.
  var users: Int {
    guard let own = status(of: descriptor) else { return -1 }
    return (Int32(0)..<4096).count {
      guard $0 != descriptor, let other = status(of: $0) else { return false }
      return other.st_ino == own.st_ino && other.st_dev == own.st_dev
    }
  }

  private func status(of descriptor: Int32) -> stat? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status : nil
  }
}

/// A door to one model that adds 1, and a table of regions.
private struct SharingWorld {
  let served: Served
  let admission = Admission(limit: 10)
  let regions: SharedMemoryRegions
  let door: ServingDoor

  init(_ regions: SharedMemoryRegions = SharedMemoryRegions(), script: String = "") throws {
    self.regions = regions
    served = try Served(script: script)
    let board = ServingBoard()
    board.publish(snapshot([served.deployment]))
    door = ServingDoor(board: board, admission: admission, sharedMemory: regions)
  }

  func submit(_ request: OwnedRequest) -> ServingDoor.Submission { door.submission(of: request) }

  /// Waits for an accepted request's answer and makes it ready to send.
  func answer(_ request: OwnedRequest) {
    door.endOfTurn()
    request.wait()
    door.prepareAnswer(request.pointer)
  }

  func end() async {
    #expect(admission.requestsInFlight == 0)
    await served.deployment.pool.drain()
  }
}

private let regionName: StaticString = "r"

/// A request whose input of two numbers lies in region "r", and whose output goes there if `outputAt` says where.
private func sharing(
  inputAt: Int = 0, inputBytes: Int = 8, outputAt: Int? = nil, outputBytes: Int = 8, shape: [Int64] = [1, 2]
) throws -> OwnedRequest {
  let request = try OwnedRequest(
    model: "m", inputs: [OwnedRequest.Value(name: "X", datatype: .fp32, shape: shape, bytes: [])],
    requestedOutputs: [(name: "Y", classCount: 0)])
  let region = UnsafeRawBufferPointer(start: regionName.utf8Start, count: regionName.utf8CodeUnitCount)
  var isNoted = request.pointer.pointee.note(
    SharedTensor(role: .input, position: 0, region: region, offset: inputAt, byteCount: inputBytes))
  #expect(isNoted)
  if let outputAt {
    isNoted = request.pointer.pointee.note(
      SharedTensor(role: .output, position: 0, region: region, offset: outputAt, byteCount: outputBytes))
    #expect(isNoted)
  }
  return request
}

// MARK: - Regions

@Test func `a region is there as it was registered until it is unregistered`() throws {
  let object = try SharedObject([])
  let regions = SharedMemoryRegions()
  try regions.register("b", key: object.key, offset: 8, byteSize: 56)
  try regions.register("a", key: String(object.key.dropFirst()), offset: 0, byteSize: 1)
  #expect(try regions.entries().map(\.name) == ["a", "b"])
  let entry = try #require(try regions.entries("b").first)
  #expect(entry.key == object.key && entry.offset == 8 && entry.byteSize == 56)
  #expect(object.users == 2)
  regions.unregister("b")
  regions.unregister("never there")
  #expect(try regions.entries().map(\.name) == ["a"])
  #expect(throws: InferenceError.notFound("shared memory region 'b' is not registered")) { try regions.entries("b") }
  regions.unregister("")
  #expect(try regions.entries().isEmpty)
  #expect(object.users == 0)
}

@Test func `a name is registered once, even for the same region`() throws {
  let object = try SharedObject([])
  let regions = SharedMemoryRegions()
  try regions.register("r", key: object.key, offset: 0, byteSize: 8)
  #expect(throws: InferenceError.alreadyExists("shared memory region 'r' is registered already")) {
    try regions.register("r", key: object.key, offset: 0, byteSize: 8)
  }
  #expect(object.users == 1)
  regions.unregister("r")
  try regions.register("r", key: object.key, offset: 0, byteSize: 16)
}

@Test(arguments: [
  (0, 65, "offset 0 and byte_size 65 reach past the end"), (64, 1, "offset 64 and byte_size 1 reach past the end"),
  (57, 8, "which has 64 bytes"), (0, 0, "byte_size is 0; expected 1 or more"),
  (UInt64.max, 1, "more together than 2^63 - 1"),
  (1, UInt64.max, "more together than 2^63 - 1"), (UInt64(Int64.max), 1, "more together than 2^63 - 1"),
] as [(UInt64, UInt64, String)])
func `a region that its object does not hold is refused with the sizes`(
  offset: UInt64, byteSize: UInt64, words: String
) throws {
  let object = try SharedObject([])
  let regions = SharedMemoryRegions()
  let error = #expect(throws: InferenceError.self) {
    try regions.register("r", key: object.key, offset: offset, byteSize: byteSize)
  }
  #expect(error?.code == .invalidArgument && error?.message.contains(words) == true, "\(String(describing: error))")
  #expect(error?.message.hasPrefix("shared memory region 'r'") == true)
  #expect(try object.users == 0 && regions.entries().isEmpty)
}

@Test(arguments: [
  "", "/", "..", "/..", ".", "a/b", "/../etc/passwd", "//a", "/a/", "a\0b", String(repeating: "a", count: 256),
])
func `a key that names no object in the folder of shared memory is refused`(key: String) throws {
  let regions = SharedMemoryRegions()
  let error = #expect(throws: InferenceError.self) { try regions.register("r", key: key, offset: 0, byteSize: 1) }
  #expect(error?.code == .invalidArgument && error?.message.contains("expected the name of a shared memory object") == true)
}

@Test func `an object that is not there, and a name that is none, are refused`() throws {
  let object = try SharedObject([])
  let regions = SharedMemoryRegions()
  func code(_ name: String, _ key: String) -> InferenceError.Code? {
    do throws(InferenceError) { try regions.register(name, key: key, offset: 0, byteSize: 1) } catch { return error.code }
    return nil
  }
  #expect(code("r", object.key + "-missing") == .notFound)
  #expect(code("", object.key) == .invalidArgument)
  #expect(code(String(repeating: "n", count: 257), object.key) == .invalidArgument)
  #expect(code(String(repeating: "n", count: 256), object.key) == nil)
}

@Test func `there are no more regions than the limit`() throws {
  let object = try SharedObject([])
  var limits = SharedMemoryRegions.Limits()
  limits.maxRegions = 2
  let regions = SharedMemoryRegions(limits: limits)
  try regions.register("a", key: object.key, offset: 0, byteSize: 1)
  try regions.register("b", key: object.key, offset: 0, byteSize: 1)
  #expect(throws: InferenceError.resourceExhausted("2 shared memory regions are registered; that is the limit")) {
    try regions.register("c", key: object.key, offset: 0, byteSize: 1)
  }
  regions.unregister("a")
  try regions.register("c", key: object.key, offset: 0, byteSize: 1)
}

// MARK: - Requests

@Test func `an input is read from its region and an output written to its place`() async throws {
  let object = try SharedObject([0, 0, 1, 2])
  let world = try SharingWorld()
  try world.regions.register("r", key: object.key, offset: 4, byteSize: 60)
  let request = try sharing(inputAt: 4, outputAt: 20)
  #expect(world.submit(request) == .accepted)
  world.answer(request)
  #expect(request.failure == nil)
  let output = try #require(request.outputs.first)
  #expect(output.shape == [1, 2] && output.bytes.isEmpty)
  #expect(object.read(8) == [0, 0, 1, 2, 0, 0, 2, 3])
  world.door.finish(request.pointer)
  world.regions.unregister("r")
  #expect(object.users == 0)
  await world.end()
}

/// The run is held, so all that follows its submission comes before it.
@Test func `what is written to an input's region after its request has come changes nothing`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld(script: "hold-run all")
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  let request = try sharing()
  #expect(world.submit(request) == .accepted)
  object.write([100, 200])
  world.served.gates.open("all")
  world.answer(request)
  #expect(request.outputs.first?.elements(as: Float.self) == [2, 3])
  world.door.finish(request.pointer)
  await world.end()
}

@Test func `a region that is unregistered is there for the requests that use it until they are done`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld(script: "hold-run all")
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  let request = try sharing(outputAt: 8)
  #expect(world.submit(request) == .accepted)
  world.regions.unregister("r")
  #expect(object.users == 1)
  let late = try sharing()
  #expect(refusal(world.submit(late)) == .notFound("input 'X': shared memory region 'r' is not registered"))
  world.served.gates.open("all")
  world.answer(request)
  #expect(request.failure == nil)
  #expect(object.read(2, at: 8) == [2, 3])
  world.door.finish(request.pointer)
  #expect(object.users == 0)
  await world.end()
}

@Test func `an object that was cut short after registration fails the request and nothing more`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld(script: "hold-run all")
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  let running = try sharing(outputAt: 8)
  #expect(world.submit(running) == .accepted)
  object.resize(4)
  let refused = try #require(refusal(world.submit(try sharing())))
  #expect(refused.code == .invalidArgument)
  #expect(refused.message.contains("input 'X'") && refused.message.contains("which has 4 bytes"))
  world.served.gates.open("all")
  world.answer(running)
  let failure = try #require(running.failure)
  #expect(failure.code == .invalidArgument)
  #expect(failure.message.contains("output 'Y'") && failure.message.contains("which has 4 bytes"))
  #expect(object.byteCount == 4)
  world.door.finish(running.pointer)
  object.resize(64)
  object.write([1, 2])
  let again = try sharing(outputAt: 8)
  #expect(world.submit(again) == .accepted)
  world.answer(again)
  #expect(again.failure == nil && object.read(2, at: 8) == [2, 3])
  world.door.finish(again.pointer)
  await world.end()
}

@Test(arguments: [(60, 8), (64, 1), (65, 0), (0, 65), (Int.max, 1), (1, Int.max), (Int.max, Int.max)])
func `a tensor that its region does not hold is refused with the sizes`(offset: Int, byteCount: Int) async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld()
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  for request in [
    try sharing(inputAt: offset, inputBytes: byteCount), try sharing(outputAt: offset, outputBytes: byteCount),
  ] {
    let error = try #require(refusal(world.submit(request)))
    #expect(error.code == .invalidArgument)
    #expect(
      error.message.hasSuffix(
        "shared_memory_offset \(offset) and shared_memory_byte_size \(byteCount) reach past the end of "
          + "shared memory region 'r', which has 64 bytes"))
  }
  await world.end()
}

@Test func `an output larger than its place fails the request, and nothing is written`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld()
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  let request = try sharing(outputAt: 8, outputBytes: 7)
  #expect(world.submit(request) == .accepted)
  world.answer(request)
  #expect(
    request.failure
      == .invalidArgument("output 'Y' has 8 bytes; shared_memory_byte_size gives it 7 in shared memory region 'r'"))
  #expect(object.read(4) == [1, 2, 0, 0])
  world.door.finish(request.pointer)
  await world.end()
}

@Test func `nothing is written for a caller who is gone`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld(script: "hold-run all")
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  let request = try sharing(outputAt: 8)
  #expect(world.submit(request) == .accepted)
  world.door.endOfTurn()
  world.served.gates.awaitWaiting(at: "all")
  request.cancel()
  world.served.gates.open("all")
  world.answer(request)
  #expect(request.failure?.code == .cancelled)
  #expect(object.read(2, at: 8) == [0, 0])
  world.door.finish(request.pointer)
  await world.end()
}

@Test func `copies of inputs are bounded, and given back when a request is refused or done`() async throws {
  let object = try SharedObject([1, 2])
  var limits = SharedMemoryRegions.Limits()
  limits.maxCopiedBytes = 20
  let world = try SharingWorld(SharedMemoryRegions(limits: limits), script: "hold-run all")
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  // More than would fit together; each is refused for its shape.
  for _ in 0..<10 { #expect(refusal(world.submit(try sharing(shape: [2, 2])))?.code == .invalidArgument) }
  let requests = [try sharing(), try sharing()]
  for request in requests { #expect(world.submit(request) == .accepted) }
  let third = try sharing()
  #expect(
    refusal(world.submit(third))
      == .resourceExhausted(
        "input 'X': requests in hand hold 16 bytes copied out of shared memory, and 8 more would be over the limit of 20"))
  world.served.gates.open("all")
  for request in requests {
    world.answer(request)
    world.door.finish(request.pointer)
  }
  #expect(world.submit(third) == .accepted)
  world.answer(third)
  world.door.finish(third.pointer)
  #expect(refusal(world.submit(try sharing(inputBytes: 21)))?.code == .resourceExhausted)
  await world.end()
}

@Test func `without a table the error names the option that allows shared memory`() async throws {
  let served = try Served()
  let board = ServingBoard()
  board.publish(snapshot([served.deployment]))
  let admission = Admission(limit: 10)
  let door = ServingDoor(board: board, admission: admission)
  let request = try sharing()
  let error = try #require(refusal(door.submit(request.pointer, now: .now())))
  #expect(error.code == .failedPrecondition && error.message.contains("--shared-memory"))
  #expect(admission.requestsInFlight == 0)
  await served.deployment.pool.drain()
}

@Test func `where only private callers share memory, others are refused`() async throws {
  let object = try SharedObject([1, 2])
  let world = try SharingWorld(SharedMemoryRegions(isForPrivateCallers: true))
  try world.regions.register("r", key: object.key, offset: 0, byteSize: 64)
  #expect(world.regions.admits(isPrivate: true) && !world.regions.admits(isPrivate: false))
  let stranger = try sharing()
  #expect(refusal(world.submit(stranger))?.code == .permissionDenied)
  let own = try sharing()
  own.pointer.pointee.isPrivate = true
  #expect(world.submit(own) == .accepted)
  world.answer(own)
  #expect(own.outputs.first?.elements(as: Float.self) == [2, 3])
  world.door.finish(own.pointer)
  await world.end()
}
