import Control
import Inference
import Pools
import ScriptedBackend
import Serving
import Synchronization
import Testing
import Wire

/// Requests from one thread of its own, one after another, until it is told to stop.
private final class Traffic: Sendable {
  private let isStopped = Atomic<Bool>(false)
  private let answered = Atomic<Int>(0)
  private let failures = Mutex<[InferenceError]>([])
  private let progress = Signal()
  private let ended = Atomic<Bool>(false)

  init(_ world: World, _ model: String) {
    let door = UncheckedBox(world.door())
    startThread { [self] in
      while !isStopped.load(ordering: .acquiring) {
        let request = try! world.zeros(model)
        switch door.value.submit(request.pointer, now: .now()) {
        case .refused(let error): failures.withLock { $0.append(error) }
        case .needsVerification: failures.withLock { $0.append(.internal("a repository's model is open")) }
        case .accepted:
          door.value.endOfTurn()
          request.wait()
          if let failure = request.failure { failures.withLock { $0.append(failure) } }
          door.value.finish(request.pointer)
        }
        answered.wrappingAdd(1, ordering: .relaxed)
        progress.raise()
      }
      ended.store(true, ordering: .releasing)
      progress.raise()
    }
  }

  /// Blocks until so many more requests are answered.
  func awaitMore(_ count: Int) {
    let start = answered.load(ordering: .relaxed)
    progress.wait { answered.load(ordering: .relaxed) >= start + count }
  }

  /// - Returns: Every failure that a request met.
  func stop() -> [InferenceError] {
    isStopped.store(true, ordering: .releasing)
    progress.wait { ended.load(ordering: .acquiring) }
    return failures.withLock { $0 }
  }
}

@Test func `reloads under traffic fail no request`() async throws {
  let world = World()
  world.repository.writeModel("m", add: 0)
  #expect(try await world.lifecycle.start().isEmpty)
  let traffic = [Traffic(world, "m"), Traffic(world, "m")]
  for round in 1...20 {
    world.repository.writeModel("m", version: round % 2 + 1, add: round)
    world.repository.remove("m/\((round + 1) % 2 + 1)")
    try await world.lifecycle.load("m")
    #expect(try world.answer("m") == Float(round))
    for stream in traffic { stream.awaitMore(3) }
  }
  for stream in traffic { #expect(stream.stop() == []) }
  await world.lifecycle.drainAll()
}

@Test func `a failed reload leaves the old version serving and the server ready`() async throws {
  let world = World()
  world.repository.writeModel("m", add: 1)
  #expect(try await world.lifecycle.start().isEmpty)
  world.repository.writeModel("m", version: 2, "fail it is cursed")
  #expect(
    await world.loadFailure("m") == .invalidArgument("load failed for model 'm': version 2: it is cursed"))
  #expect(try world.answer("m") == 1)
  #expect(try world.index() == ["m 1 READY ", "m 2 UNAVAILABLE it is cursed"])
  world.repository.write("m/config.pbtxt", "nonsense")
  #expect(await world.loadFailure("m")?.code == .invalidArgument)
  #expect(try world.answer("m") == 1)
  world.repository.remove("m")
  #expect(await world.loadFailure("m")?.code == .internal)
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}

@Test func `a load is all or nothing over the versions of a model`() async throws {
  let world = World()
  world.repository.write("m/config.pbtxt", "version_policy { all {} }")
  world.repository.writeModel("m", version: 1)
  world.repository.writeModel("m", version: 2, "fail no")
  #expect(try await world.lifecycle.start()["m"]?.message == "load failed for model 'm': version 2: no")
  #expect(!world.lifecycle.isServerReady)
  #expect(
    try world.index() == [
      "m 1 UNAVAILABLE not loaded, because another version failed to load", "m 2 UNAVAILABLE no",
    ])
  world.repository.writeModel("m", version: 2, add: 2)
  try await world.lifecycle.load("m")
  #expect(try world.answer("m", version: "1") == 1)
  #expect(try world.answer("m") == 2)
  #expect(world.lifecycle.isServerReady)
  await world.lifecycle.drainAll()
}

/// A request is held inside the model while it is unloaded: it is answered, and only then is the version gone.
@Test func `an unload answers what it has accepted, and nothing new`() async throws {
  let world = World()
  world.repository.writeModel("m", "hold-run all")
  let door = world.door()
  world.backend.gates.open("all")  // The warm-up runs pass the gate too.
  #expect(try await world.lifecycle.start().isEmpty)
  world.backend.gates.close("all")

  let request = try world.zeros("m")
  #expect(door.submit(request.pointer, now: .now()) == .accepted)
  door.endOfTurn()
  await awaitOffPool { world.backend.gates.awaitWaiting(at: "all") }
  try await world.lifecycle.unload("m")
  #expect(try world.index() == ["m 1 UNLOADING "])
  #expect(throws: InferenceError.notFound("Request for unknown model: 'm' has no available versions")) {
    try world.answer("m")
  }
  #expect(
    throws: InferenceError.unavailable("Request for model 'm' version 1, which is not ready: its state is UNLOADING")
  ) { try world.answer("m", version: "1") }
  #expect(world.lifecycle.isServerReady)
  let gone = ChangeCount(world.lifecycle)
  world.backend.gates.open("all")
  request.wait()
  #expect(request.failure == nil)
  door.finish(request.pointer)
  await awaitOffPool { gone.awaitChange { (try? world.index()) == ["m 1 UNAVAILABLE unloaded"] } }
  try await world.lifecycle.load("m")
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}

@Test func `an unload of what is not loaded changes nothing, and strange parameters are refused`() async throws {
  let world = World()
  #expect(try await world.lifecycle.start().isEmpty)
  try await world.lifecycle.unload("nobody")
  try await world.lifecycle.unload("nobody", parameters: ["unload_dependents": .bool(true)])
  await #expect(throws: InferenceError.self) {
    try await world.lifecycle.unload("nobody", parameters: ["force": .bool(true)])
  }
  #expect(try world.lifecycle.index().isEmpty)
  await world.lifecycle.drainAll()
}

@Test func `a load of a name that nobody has leaves no trace`() async throws {
  let world = World()
  #expect(try await world.lifecycle.start().isEmpty)
  for name in ["nobody", "", "..", "a/b", "../x"] {
    let failure = await world.loadFailure(name)
    #expect(failure?.code == .internal && failure?.message.contains("failed to poll from model repository") == true)
  }
  #expect(try world.lifecycle.index().isEmpty)
  #expect(world.lifecycle.isServerReady)
  await world.lifecycle.drainAll()
}

@Test func `loads run side by side up to the limit`() async throws {
  let world = World { $0.maxParallelLoads = 2 }
  for index in 0..<5 { world.repository.writeModel("m\(index)", "hold-load all") }
  let started = Task { try await world.lifecycle.start() }
  await awaitOffPool { world.backend.gates.awaitWaiting(2, at: "all") }
  #expect(world.backend.loadsUnderWay == 2)
  #expect(!world.lifecycle.isServerReady)
  #expect(throws: InferenceError.self) { try world.lifecycle.checkReady("m0", version: "2") }
  world.backend.gates.open("all")
  #expect(try await started.value.isEmpty)
  #expect(world.backend.mostLoadsAtOnce == 2)
  #expect(try world.lifecycle.index(readyOnly: true).count == 5)
  await world.lifecycle.drainAll()
}

@Test func `operations that wait are counted, and one too many is refused`() async throws {
  let world = World {
    $0.maxParallelLoads = 1
    $0.maxWaitingOperations = 1
    $0.loadAtStart = .none
  }
  for name in ["a", "b", "c"] { world.repository.writeModel(name, "hold-load all") }
  #expect(try await world.lifecycle.start().isEmpty)
  let first = Task { await world.loadFailure("a") }
  await awaitOffPool { world.backend.gates.awaitWaiting(at: "all") }
  world.lifecycle.load("b", parameters: [:]) { result in #expect((try? result.get()) != nil) }
  #expect(
    await world.loadFailure("c")
      == .resourceExhausted("1 loads and unloads are waiting for their turn; the limit is 1"))
  world.backend.gates.open("all")
  #expect(await first.value == nil)
  await world.lifecycle.drainAll()
}

@Test func `only named models load at the start, and one that is missing keeps the server unready`() async throws {
  let world = World { $0.loadAtStart = .named(["a", "c"]) }
  world.repository.writeModel("a")
  world.repository.writeModel("b")
  let failures = try await world.lifecycle.start()
  #expect(Array(failures.keys) == ["c"])
  #expect(!world.lifecycle.isServerReady)
  #expect(try world.index().prefix(2) == ["a 1 READY ", "b - - "])
  try await world.lifecycle.unload("c")
  #expect(world.lifecycle.isServerReady)
  try await world.lifecycle.load("b")
  #expect(try world.answer("b") == 1)
  await world.lifecycle.drainAll()
}

@Test func `where control is off, clients can't load or unload`() async throws {
  let world = World { $0.allowsModelControl = false }
  world.repository.writeModel("m")
  #expect(try await world.lifecycle.start().isEmpty)
  #expect(await world.loadFailure("m")?.code == .unavailable)
  await #expect(throws: InferenceError.self) { try await world.lifecycle.unload("m") }
  #expect(try world.answer("m") == 1)
  await world.lifecycle.drainAll()
}

@Test func `a load may bring its own configuration and files`() async throws {
  let world = World()
  world.repository.writeModel("m", version: 1, add: 1)
  world.repository.writeModel("m", version: 2, add: 2)
  #expect(try await world.lifecycle.start().isEmpty)
  try await world.lifecycle.load(
    "m", parameters: ["config": .string(#"{"version_policy": {"specific": {"versions": [1]}}, "max_batch_size": 2}"#)])
  #expect(try world.answer("m") == 1)
  #expect(try world.lifecycle.configuration("m").maxBatchSize == 2)
  let file = RepositoryParameter.bytes(Array(TemporaryRepository.script(add: 7).utf8))
  try await world.lifecycle.load("m", parameters: ["config": .string("{}"), "file:5/model.script": file])
  #expect(try world.answer("m", version: "5") == 7)
  try await world.lifecycle.load("m")
  #expect(try world.answer("m") == 2)

  let refused: [[String: RepositoryParameter]] = [
    ["file:5/model.script": file], ["config": .bool(true)], ["colour": .string("red")],
    ["config": .string("{}"), "file:05/model.script": file], ["config": .string("{}"), "file:5/../x": file],
    ["config": .string("{}"), "file:5/.x": file], ["config": .string("{}"), "file:model.script": file],
    ["config": .string("{}"), "file:5/model.script": .string("x")], ["config": .string("{")],
  ]
  for parameters in refused {
    await #expect(throws: InferenceError.self, "\(parameters.keys.sorted())") {
      try await world.lifecycle.load("m", parameters: parameters)
    }
  }
  #expect(try world.answer("m") == 2)
  await world.lifecycle.drainAll()
}

@Test func `a server that has drained serves and loads nothing`() async throws {
  let world = World()
  world.repository.writeModel("m")
  #expect(try await world.lifecycle.start().isEmpty)
  await world.lifecycle.drainAll()
  #expect(!world.lifecycle.isServerReady)
  #expect(throws: InferenceError.self) { try world.answer("m") }
  #expect(await world.loadFailure("m") == .unavailable("the server is stopping"))
}

@Test func `metadata and statistics are those of what serves`() async throws {
  let world = World()
  world.repository.writeModel("a", version: 3)
  world.repository.writeModel("b")
  #expect(try await world.lifecycle.start().isEmpty)
  let metadata = try world.lifecycle.metadata("a")
  #expect(metadata.versions == ["3"] && metadata.platform == "scripted_model")
  #expect(metadata.inputs == [TensorMetadata(name: "X", datatype: .fp32, shape: [-1, 2])])
  _ = try world.answer("b")
  let statistics = try world.lifecycle.statistics()
  #expect(statistics.map(\.name) == ["a", "b"])
  #expect(statistics.map(\.statistics.success.count) == [0, 1])
  #expect(try world.lifecycle.statistics("b", version: "1").count == 1)
  #expect(throws: InferenceError.self) { try world.lifecycle.statistics("c") }
  #expect(throws: InferenceError.self) { try world.lifecycle.metadata("a", version: "1") }
  await world.lifecycle.drainAll()
}
