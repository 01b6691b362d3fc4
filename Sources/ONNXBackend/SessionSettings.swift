package import Inference

/// How one model's session is made: the server's options, overridden by what the model's configuration says.
///
/// Pure: nothing here calls the library, so every rule can be tested without it.
package struct SessionSettings: Equatable {
  package enum Device: Hashable, Sendable {
    case cpu
    case cuda(index: Int)
  }

  package var device = Device.cpu
  package var graphLevel: ONNXOptions.GraphLevel
  package var intraOpThreads: Int
  package var interOpThreads: Int
  /// Independent operators may run at the same time, on the inter-op threads.
  package var runsOperatorsInParallel = false
  package var usesArena: Bool
  package var usesMemoryPattern = true
  /// What the arenas give back after each run, such as `cpu:0`.
  package var arenaShrinkage: String?
  /// The library's own settings, by their `session.` names.
  package var entries = ["session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0"]
  /// CUDA's own settings, by the library's names for them.
  package var cudaOptions: [String: String] = [:]

  /// - Throws: `.invalidArgument` if the configuration asks for something that does not exist here, naming the key.
  package init(options: ONNXOptions, configuration: ModelConfiguration) throws(InferenceError) {
    graphLevel = options.graphLevel
    intraOpThreads = options.intraOpThreads
    interOpThreads = options.interOpThreads
    usesArena = options.usesArena

    switch configuration.graphOptimizationLevel {
    case 0: break  // unset looks the same: the server's
    case -1: graphLevel = .basic
    case 1: graphLevel = .extended
    case 2: graphLevel = ONNXOptions.GraphLevel.none
    case let other:
      throw .invalidArgument("optimization.graph.level is \(other); 0 (all), -1 (basic), 1 (extended), 2 (none) exist")
    }
    try readDevice(options, configuration)
    for (key, value) in configuration.parameters.sorted(by: { $0.key < $1.key }) { try read(key, value) }
    if arenaShrinkage != nil, !usesArena {
      throw .invalidArgument(
        "parameter 'memory.enable_memory_arena_shrinkage' needs the arena that 'enable_mem_arena' switches off")
    }
  }

  // MARK: Device

  private mutating func readDevice(_ options: ONNXOptions, _ configuration: ModelConfiguration) throws(InferenceError) {
    for accelerator in configuration.executionAccelerators where accelerator.name != "cuda" {
      throw .invalidArgument("execution accelerator '\(accelerator.name)' is not supported; known: cuda")
    }
    let kinds = Set(configuration.instanceGroups.map(\.kind).filter { $0 != .auto })
    guard kinds.count < 2 else {
      throw .invalidArgument("instance_group has both KIND_CPU and KIND_GPU; a model is loaded on one device")
    }
    let accelerator = configuration.executionAccelerators.first
    if kinds.first == .cpu, accelerator != nil {
      throw .invalidArgument("instance_group has KIND_CPU, but execution accelerator 'cuda' runs on a GPU")
    }
    let asksForGPU = kinds.first == .gpu || accelerator != nil
    guard asksForGPU || (options.provider == .cuda && kinds.first != .cpu) else { return }

    let gpus = Set(configuration.instanceGroups.flatMap(\.gpus)).sorted()
    guard gpus.count < 2 else {
      throw .invalidArgument("instance_group has GPUs \(gpus); a model is loaded on one, so give it one")
    }
    device = .cuda(index: gpus.first ?? 0)
    // A model that can't be placed on the GPU fails to load, instead of running slowly on the CPU.
    entries["session.disable_cpu_ep_fallback"] = "1"
    cudaOptions = accelerator?.parameters ?? [:]
  }

  // MARK: Parameters

  private static let knownKeys = """
    intra_op_thread_count, inter_op_thread_count, execution_mode, enable_mem_arena, enable_mem_pattern, \
    memory.enable_memory_arena_shrinkage, and ONNX Runtime's own that begin with 'session.'
    """

  private mutating func read(_ key: String, _ value: String) throws(InferenceError) {
    switch key {
    case "intra_op_thread_count": intraOpThreads = try number(key, value, in: 0...1024)
    case "inter_op_thread_count": interOpThreads = try number(key, value, in: 0...1024)
    case "execution_mode": runsOperatorsInParallel = try number(key, value, in: 0...1) == 1
    case "enable_mem_arena": usesArena = try number(key, value, in: 0...1) == 1
    case "enable_mem_pattern": usesMemoryPattern = try number(key, value, in: 0...1) == 1
    case "memory.enable_memory_arena_shrinkage": arenaShrinkage = value
    case _ where key.hasPrefix("session."): entries[key] = value
    default: throw .invalidArgument("parameter '\(key)' is not known to onnxruntime; known: \(Self.knownKeys)")
    }
  }

  private func number(_ key: String, _ value: String, in range: ClosedRange<Int>) throws(InferenceError) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw .invalidArgument(
        "parameter '\(key)' is '\(value)'; a number from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }
}
