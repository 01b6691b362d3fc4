internal import CProtobufC
internal import CProtos
internal import Inference

/// `ModelConfiguration` as protoc-c's struct, and back. What the configuration has no room for is lost: `ModelConfig`
/// keeps it.
struct ConfigurationMessage: CMessage {
  var configuration: ModelConfiguration

  init(configuration: ModelConfiguration) { self.configuration = configuration }

  static var initialize: (UnsafeMutablePointer<Inference__ModelConfig>?) -> Void { inference__model_config__init }

  init(_ c: Inference__ModelConfig) throws(InferenceError) {
    configuration = ModelConfiguration(name: string(c.name))
    configuration.platform = string(c.platform)
    configuration.backend = string(c.backend)
    configuration.defaultModelFilename = string(c.default_model_filename)
    configuration.maxBatchSize = try atLeastZero(c.max_batch_size, "max_batch_size")
    if let policy = c.version_policy?.pointee { configuration.versionPolicy = VersionPolicy(policy) }
    try readTensors(c)
    for (index, group) in array(c.instance_group, c.n_instance_group).enumerated() {
      configuration.instanceGroups.append(try InstanceGroup(group!.pointee, "instance_group[\(index)]"))
    }
    if c.scheduling_choice_case == INFERENCE__MODEL_CONFIG__SCHEDULING_CHOICE_DYNAMIC_BATCHING {
      configuration.dynamicBatching = try DynamicBatching(c.dynamic_batching.pointee)
    }
    if let optimization = c.optimization?.pointee { readOptimization(optimization) }
    configuration.usesResponseCache = (c.response_cache?.pointee.enable ?? 0) != 0
    for entry in array(c.parameters, c.n_parameters) {
      configuration.parameters[string(entry!.pointee.key)] = string(entry!.pointee.value?.pointee.string_value)
    }
    for (index, sample) in array(c.model_warmup, c.n_model_warmup).enumerated() {
      configuration.warmUpSamples.append(try WarmUpSample(sample!.pointee, at: index))
    }
  }

  private mutating func readTensors(_ c: Inference__ModelConfig) throws(InferenceError) {
    for (index, input) in array(c.input, c.n_input).enumerated() {
      let input = input!.pointee
      configuration.inputs.append(
        try TensorMetadata(input.name, input.data_type, array(input.dims, input.n_dims), "input[\(index)]"))
    }
    for (index, output) in array(c.output, c.n_output).enumerated() {
      let output = output!.pointee
      configuration.outputs.append(
        try TensorMetadata(output.name, output.data_type, array(output.dims, output.n_dims), "output[\(index)]"))
      let labels = string(output.label_filename)
      if !labels.isEmpty { configuration.labelFiles[string(output.name)] = labels }
    }
  }

  private mutating func readOptimization(_ c: Inference__ModelOptimizationPolicy) {
    configuration.graphOptimizationLevel = Int(c.graph?.pointee.level ?? 0)
    guard let accelerators = c.execution_accelerators?.pointee else { return }
    let all =
      array(accelerators.gpu_execution_accelerator, accelerators.n_gpu_execution_accelerator)
      + array(accelerators.cpu_execution_accelerator, accelerators.n_cpu_execution_accelerator)
    for accelerator in all {
      var parameters: [String: String] = [:]
      for entry in array(accelerator!.pointee.parameters, accelerator!.pointee.n_parameters) {
        parameters[string(entry!.pointee.key)] = string(entry!.pointee.value)
      }
      configuration.executionAccelerators.append(
        ExecutionAccelerator(name: string(accelerator!.pointee.name), parameters: parameters))
    }
  }
}

extension VersionPolicy {
  fileprivate init(_ c: Inference__ModelVersionPolicy) {
    switch c.policy_choice_case {
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_ALL:
      self = .all
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_SPECIFIC:
      self = .specific(array(c.specific.pointee.versions, c.specific.pointee.n_versions))
    case INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_LATEST:
      // Nothing said is one.
      self = .latest(max(1, Int(c.latest.pointee.num_versions)))
    default:
      self = .latest(1)
    }
  }
}

extension TensorMetadata {
  fileprivate init(
    _ name: UnsafePointer<CChar>?, _ type: Inference__DataType, _ dims: [Int64], _ path: String
  ) throws(InferenceError) {
    let name = string(name)
    guard !name.isEmpty else { throw .invalidArgument("\(path).name is empty") }
    guard let datatype = Datatype(type) else {
      throw .invalidArgument("\(path).data_type of '\(name)' is not set; expected a type such as TYPE_FP32")
    }
    if let index = dims.firstIndex(where: { $0 < -1 }) {
      throw .invalidArgument("\(path).dims[\(index)] of '\(name)' is \(dims[index]); expected -1 or more")
    }
    self.init(name: name, datatype: datatype, shape: dims)
  }
}

extension InstanceGroup {
  fileprivate init(_ c: Inference__ModelInstanceGroup, _ path: String) throws(InferenceError) {
    self.init()
    name = string(c.name)
    count = try atLeastZero(c.count, "\(path).count")  // 0 is "not said"
    switch c.kind {
    case INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_CPU: kind = .cpu
    case INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_GPU: kind = .gpu
    default: kind = .auto
    }
    for (index, ordinal) in array(c.gpus, c.n_gpus).enumerated() {
      gpus.append(try atLeastZero(ordinal, "\(path).gpus[\(index)]"))
    }
  }
}

extension DynamicBatching {
  fileprivate init(_ c: Inference__ModelDynamicBatching) throws(InferenceError) {
    self.init()
    for (index, size) in array(c.preferred_batch_size, c.n_preferred_batch_size).enumerated() {
      guard size > 0 else {
        throw .invalidArgument("dynamic_batching.preferred_batch_size[\(index)] is \(size); expected 1 or more")
      }
      preferredBatchSizes.append(Int(size))
    }
    preferredBatchSizes.sort()
    maxQueueDelayMicroseconds = c.max_queue_delay_microseconds
    preserveOrdering = c.preserve_ordering != 0
    priorityLevels = try priority(c.priority_levels, in: 0...255, "priority_levels")
    let levels: ClosedRange<UInt64> = priorityLevels > 0 ? 1...UInt64(priorityLevels) : 0...0
    defaultPriorityLevel = try priority(c.default_priority_level, in: levels, "default_priority_level")
    if let policy = c.default_queue_policy?.pointee { queuePolicy = QueuePolicy(policy) }
    for entry in array(c.priority_queue_policy, c.n_priority_queue_policy) {
      let level = try policyLevel(entry!.pointee.key, of: priorityLevels)
      priorityQueuePolicies[level] = QueuePolicy()
      if let policy = entry!.pointee.value?.pointee { priorityQueuePolicies[level] = QueuePolicy(policy) }
    }
  }
}

extension QueuePolicy {
  fileprivate init(_ c: Inference__ModelQueuePolicy) {
    self.init()
    timeoutAction = c.timeout_action == INFERENCE__MODEL_QUEUE_POLICY__TIMEOUT_ACTION__DELAY ? .delay : .reject
    defaultTimeoutMicroseconds = c.default_timeout_microseconds
    allowTimeoutOverride = c.allow_timeout_override != 0
    maxQueueSize = Int(c.max_queue_size)
  }
}

private func policyLevel(_ key: UInt64, of levels: Int) throws(InferenceError) -> Int {
  guard key >= 1, key <= UInt64(levels) else {
    let expected = levels > 0 ? "a key from 1 to \(levels)" : "no key"
    throw .invalidArgument(
      "dynamic_batching.priority_queue_policy has the key \(key); expected \(expected), as priority_levels is \(levels)")
  }
  return Int(key)
}

private func priority(
  _ value: UInt64, in range: ClosedRange<UInt64>, _ field: String
) throws(InferenceError) -> Int {
  guard range.contains(value) else {
    throw .invalidArgument(
      "dynamic_batching.\(field) is \(value); expected \(range.lowerBound) to \(range.upperBound), 1 the most urgent")
  }
  return Int(value)
}

private func atLeastZero(_ value: Int32, _ path: String) throws(InferenceError) -> Int {
  guard value >= 0 else { throw .invalidArgument("\(path) is \(value); expected 0 or more") }
  return Int(value)
}
