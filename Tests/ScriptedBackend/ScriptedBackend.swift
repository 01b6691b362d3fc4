package import Backends
internal import Glibc
package import Inference
internal import Synchronization

/// A backend whose models do what their file says, line by line: a double for tests of everything above backends.
///
/// ```
/// batchable                 axis 0 is a batch axis
/// input X FP32 -1 3         name, datatype, shape
/// output Y FP32 -1 3
/// add 2                     every output is the first input plus this; FP32
/// fail some words           the model can't be loaded
/// hold-load NAME            loading waits until the gate NAME opens
/// hold-run NAME             every run waits until the gate NAME opens
/// fail-run some words       every run fails
/// ```
package final class ScriptedBackend: Backend {
  package let name = "scripted"
  package let platform = "scripted_model"
  package let defaultModelFilename = "model.script"
  package let gates = Gates()

  private struct Tally {
    var loading = 0
    var mostLoading = 0
    var live = 0
  }
  private let tally = Mutex(Tally())

  package init() {}

  /// Most loads that were under way at once.
  package var mostLoadsAtOnce: Int { tally.withLock { $0.mostLoading } }
  /// Loads under way now.
  package var loadsUnderWay: Int { tally.withLock { $0.loading } }

  package func load(path: String, configuration: ModelConfiguration) throws(InferenceError) -> any LoadedModel {
    tally.withLock {
      $0.loading += 1
      $0.mostLoading = max($0.mostLoading, $0.loading)
    }
    defer { tally.withLock { $0.loading -= 1 } }
    let script = try Script(path: path)
    if let gate = script.loadGate { gates.pass(gate) }
    if let failure = script.failure { throw .invalidArgument(failure) }
    return ScriptedModel(script: script, gates: gates)
  }
}

/// Named gates that threads wait at until a test opens them. A gate that is open stays so until it is closed.
package final class Gates: Sendable {
  private struct State {
    var open: Set<String> = []
    var waiting: [String: Int] = [:]
  }
  private let state = Mutex(State())
  private let changed = Signal()

  package func open(_ name: String) {
    state.withLock { state in _ = state.open.insert(name) }
    changed.raise()
  }

  package func close(_ name: String) { state.withLock { state in _ = state.open.remove(name) } }

  /// Blocks until so many threads wait at the gate.
  package func awaitWaiting(_ count: Int = 1, at name: String) {
    changed.wait { state.withLock { $0.waiting[name, default: 0] >= count } }
  }

  fileprivate func pass(_ name: String) {
    state.withLock { $0.waiting[name, default: 0] += 1 }
    changed.raise()
    changed.wait {
      state.withLock { state in
        guard state.open.contains(name) else { return false }
        state.waiting[name, default: 0] -= 1
        return true
      }
    }
  }
}

/// Something that threads wait for, without a sleep.
package final class Signal: @unchecked Sendable {  // The condition and its mutex are made for many threads.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  package init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    mutex.deallocate()
    condition.deallocate()
  }

  /// Has every waiting thread look again.
  package func raise() {
    pthread_mutex_lock(mutex)
    pthread_cond_broadcast(condition)
    pthread_mutex_unlock(mutex)
  }

  /// Blocks until `isTrue`, which is asked after each `raise`.
  package func wait(until isTrue: () -> Bool) {
    pthread_mutex_lock(mutex)
    while !isTrue() { pthread_cond_wait(condition, mutex) }
    pthread_mutex_unlock(mutex)
  }
}

internal struct Script: Sendable {
  var signature = ModelSignature(inputs: [], outputs: [], isBatchable: false)
  var summand: Float = 0
  var failure: String?
  var loadGate: String?
  var runGate: String?
  var runFailure: String?

  init(path: String) throws(InferenceError) {
    guard let file = fopen(path, "r") else { throw .invalidArgument("no file '\(path)'") }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 4096)
    while fgets(&buffer, Int32(buffer.count), file) != nil {
      let line = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      read(line.split { $0 == " " || $0 == "\n" }.map(String.init))
    }
  }

  private mutating func read(_ words: [String]) {
    guard let verb = words.first else { return }
    let rest = words.dropFirst().joined(separator: " ")
    switch verb {
    case "batchable": signature.isBatchable = true
    case "input": signature.inputs.append(Script.tensor(words))
    case "output": signature.outputs.append(Script.tensor(words))
    case "add": summand = Float(rest)!
    case "fail": failure = rest
    case "hold-load": loadGate = rest
    case "hold-run": runGate = rest
    case "fail-run": runFailure = rest
    default: preconditionFailure("a script says '\(verb)'")
    }
  }

  private static func tensor(_ words: [String]) -> TensorMetadata {
    TensorMetadata(name: words[1], datatype: Datatype(token: words[2])!, shape: words[3...].map { Int64($0)! })
  }
}

private final class ScriptedModel: LoadedModel {
  let script: Script
  let gates: Gates
  init(script: Script, gates: Gates) {
    self.script = script
    self.gates = gates
  }

  var signature: ModelSignature { script.signature }
  let suggestedInstanceCount = 1
  let memoryUsage: [MemoryUsage] = []
  let runsOnAnyThread = false
  let placement = "scripted"
  func makeInstance(index: Int) -> any ModelInstance { ScriptedInstance(model: self) }
}

private final class ScriptedInstance: ModelInstance {
  let model: ScriptedModel
  let interruption: (any Interruption)? = nil
  init(model: ScriptedModel) { self.model = model }

  func run(
    inputs: UnsafeBufferPointer<Tensor>, wanted: UInt64, outputs: UnsafeMutableBufferPointer<Tensor>
  ) throws(InferenceError) {
    if let gate = model.script.runGate { model.gates.pass(gate) }
    if let failure = model.script.runFailure { throw InferenceError(.internal, failure) }
    for index in 0..<outputs.count where wanted & (1 << UInt64(index)) != 0 {
      let memory = OutputMemory(sumOf: inputs[0], and: model.script.summand)
      outputs[index].datatype = model.script.signature.outputs[index].datatype
      outputs[index].bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[..<inputs[0].bytes.count])
      outputs[index].shape = UnsafeBufferPointer(rebasing: memory.shape[..<inputs[0].shape.count])
      outputs[index].owner = Unmanaged<AnyObject>.passRetained(memory)
    }
  }
}

private final class OutputMemory {
  let bytes: UnsafeMutableRawBufferPointer
  let shape: UnsafeMutableBufferPointer<Int64>

  init(sumOf tensor: Tensor, and summand: Float) {
    bytes = .allocate(byteCount: max(tensor.bytes.count, 4), alignment: 64)
    shape = .allocate(capacity: max(tensor.shape.count, 1))
    _ = shape.initialize(from: tensor.shape)
    for offset in stride(from: 0, to: tensor.bytes.count & ~3, by: 4) {
      let value = tensor.bytes.loadUnaligned(fromByteOffset: offset, as: Float.self)
      bytes.storeBytes(of: value + summand, toByteOffset: offset, as: Float.self)
    }
  }

  deinit {
    bytes.deallocate()
    shape.deallocate()
  }
}
