import Backends
import Inference
import Pools
import Synchronization

/// What a scripted run sees and gives.
struct ScriptedRun {
  var instance: Int
  var inputs: [Tensor]
  var wanted: UInt64
  var interruption: ScriptedInterruption
  var rows: Int { Int(inputs[0].shape.first ?? 1) }

  func values(_ index: Int = 0) -> [Int64] {
    let bytes = inputs[index].bytes
    return stride(from: 0, to: bytes.count, by: 8).map { bytes.loadUnaligned(fromByteOffset: $0, as: Int64.self) }
  }
}

/// The memory of one run's outputs.
private final class OutputMemory {
  let bytes: [UnsafeMutableRawBufferPointer]
  let shapes: [UnsafeMutableBufferPointer<Int64>]

  init(_ values: [OwnedRequest.Value?]) {
    bytes = values.map { value in
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(value?.bytes.count ?? 0, 1), alignment: 64)
      memory.copyBytes(from: value?.bytes ?? [])
      return UnsafeMutableRawBufferPointer(rebasing: memory[..<(value?.bytes.count ?? 0)])
    }
    shapes = values.map { value in
      let memory = UnsafeMutableBufferPointer<Int64>.allocate(capacity: max(value?.shape.count ?? 0, 1))
      memory.initialize(repeating: 0)
      for (axis, length) in (value?.shape ?? []).enumerated() { memory[axis] = length }
      return UnsafeMutableBufferPointer(rebasing: memory[..<(value?.shape.count ?? 0)])
    }
    ScriptedModel.liveOutputs.add(1, ordering: .relaxed)
  }

  deinit {
    for memory in bytes { memory.deallocate() }
    for memory in shapes { memory.deallocate() }
    ScriptedModel.liveOutputs.subtract(1, ordering: .relaxed)
  }
}

final class ScriptedInterruption: Interruption {
  private let isInterrupted = Atomic<Bool>(false)
  private let interrupted = Gate()
  func interrupt() {
    isInterrupted.store(true, ordering: .relaxed)
    interrupted.open()
  }
  func reset() { isInterrupted.store(false, ordering: .relaxed) }
  /// Blocks the run until somebody stops it.
  func wait() { interrupted.wait() }
}

/// A model whose runs are a closure; without one it answers its inputs.
final class ScriptedModel: LoadedModel {
  typealias Script = @Sendable (ScriptedRun) throws(InferenceError) -> [OwnedRequest.Value?]
  static let liveOutputs = Atomic<Int>(0)

  let signature: ModelSignature
  let suggestedInstanceCount: Int
  let memoryUsage = [MemoryUsage(kind: "CPU", device: 0, byteCount: 1 << 20)]
  let placement = "scripted"
  let script: Script
  let canInterrupt: Bool
  let runsOnAnyThread: Bool
  let failingInstance: Int?
  /// Called with an instance's index before it is made.
  let making: @Sendable (Int) -> Void
  let liveInstances = Atomic<Int>(0)
  let madeInstances = Atomic<Int>(0)
  /// Rows of every run, in the order in which they began.
  let runs = Guarded<[Int]>([])

  init(
    _ signature: ModelSignature, instances: Int = 1, canInterrupt: Bool = true, failingInstance: Int? = nil,
    runsOnAnyThread: Bool = false, script: @escaping Script = ScriptedModel.echo,
    making: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.signature = signature
    suggestedInstanceCount = instances
    self.script = script
    self.canInterrupt = canInterrupt
    self.runsOnAnyThread = runsOnAnyThread
    self.failingInstance = failingInstance
    self.making = making
  }

  /// Output i is input i.
  static let echo: Script = { (run) throws(InferenceError) in
    run.inputs.map {
      OwnedRequest.Value(name: "", datatype: $0.datatype, shape: Array($0.shape), bytes: Array($0.bytes))
    }
  }

  func makeInstance(index: Int) throws(InferenceError) -> any ModelInstance {
    making(index)
    if index == failingInstance { throw .unavailable("no device \(index)") }
    return Instance(model: self, index: index)
  }

  private final class Instance: ModelInstance {
    let model: ScriptedModel
    let index: Int
    let stop = ScriptedInterruption()
    var interruption: (any Interruption)? { model.canInterrupt ? stop : nil }

    init(model: ScriptedModel, index: Int) {
      self.model = model
      self.index = index
      model.liveInstances.add(1, ordering: .relaxed)
      model.madeInstances.add(1, ordering: .relaxed)
    }

    deinit { model.liveInstances.subtract(1, ordering: .relaxed) }

    func run(
      inputs: UnsafeBufferPointer<Tensor>, wanted: UInt64, outputs: UnsafeMutableBufferPointer<Tensor>
    ) throws(InferenceError) {
      let run = ScriptedRun(instance: index, inputs: Array(inputs), wanted: wanted, interruption: stop)
      model.runs.withLock { $0.append(run.rows) }
      let values = try model.script(run)
      let memory = OutputMemory(values)
      for (index, value) in values.enumerated() {
        guard let value, wanted & (1 << UInt64(index)) != 0 else { continue }
        outputs[index].datatype = value.datatype
        outputs[index].shape = UnsafeBufferPointer(memory.shapes[index])
        outputs[index].bytes = UnsafeRawBufferPointer(memory.bytes[index])
        outputs[index].owner = Unmanaged.passRetained(memory as AnyObject)
      }
    }
  }
}

extension ModelSignature {
  /// x ▸ y, any number of rows of one INT64.
  static let numbers = ModelSignature(
    inputs: [TensorMetadata(name: "x", datatype: .int64, shape: [-1, 1])],
    outputs: [TensorMetadata(name: "y", datatype: .int64, shape: [-1, 1])], isBatchable: true)
}

extension OwnedRequest {
  /// One row of one number each.
  convenience init(
    numbers: [Int64], parameters: [String: Int64] = [:], deadline: Instant = .never, arrival: Instant = .now()
  ) throws {
    try self.init(
      inputs: [Value(name: "x", datatype: .int64, shape: [Int64(numbers.count), 1], elements: numbers)],
      parameters: parameters, deadline: deadline, arrival: arrival)
  }

  var numbers: [Int64] { outputs.first?.elements(as: Int64.self) ?? [] }
}

extension ModelPool {
  /// A started pool of the model; dynamic batching with the given maximum.
  static func started(
    _ model: ScriptedModel, max: Int = 8, instances: Int = 1, limits: PoolLimits = PoolLimits(),
    clock: PoolClock = .system, _ configure: (inout DynamicBatching) -> Void = { _ in }
  ) throws -> ModelPool {
    let pool = made(model, max: max, instances: instances, limits: limits, clock: clock, configure)
    try pool.start()
    return pool
  }

  static func made(
    _ model: ScriptedModel, max: Int = 8, instances: Int = 1, limits: PoolLimits = PoolLimits(),
    clock: PoolClock = .system, reload: (@Sendable () throws(InferenceError) -> any LoadedModel)? = nil, _ configure: (inout DynamicBatching) -> Void = { _ in }
  ) -> ModelPool {
    var configuration = ModelConfiguration(name: "scripted")
    configuration.maxBatchSize = max
    var group = InstanceGroup()
    group.count = instances
    configuration.instanceGroups = [group]
    var dynamic = DynamicBatching()
    configure(&dynamic)
    configuration.dynamicBatching = dynamic
    return ModelPool(
      name: "scripted", version: "7", configuration: configuration, model: model, limits: limits, clock: clock,
      reload: reload)
  }

  /// Validates, submits and wakes, as a loop does that has one request in its turn.
  func send(_ request: OwnedRequest, now: Instant? = nil) throws {
    try validator.validate(request.pointer)
    switch submit(request.pointer, now: now ?? clockNow()) {
    case .accepted(let needsWake): if needsWake { wake() }
    case .draining: throw InferenceError.unavailable("draining")
    case .refused(let error): throw error
    }
  }

  private func clockNow() -> Instant { .now() }
}

/// A model that stops at the start of every run until told to go on.
struct HeldModel {
  let entered = Gate()
  let goOn = Gate()
  let model: ScriptedModel

  init(
    _ signature: ModelSignature = .numbers, runsOnAnyThread: Bool = false,
    script: @escaping ScriptedModel.Script = ScriptedModel.echo
  ) {
    let (entered, goOn) = (entered, goOn)
    model = ScriptedModel(signature, runsOnAnyThread: runsOnAnyThread) { (run) throws(InferenceError) in
      entered.open()
      goOn.wait()
      return try script(run)
    }
  }

  /// Sends one request and returns when the instance is busy with it.
  func occupy(_ pool: ModelPool) throws -> OwnedRequest {
    let request = try OwnedRequest(numbers: [0])
    try pool.send(request)
    entered.wait()
    return request
  }
}
