internal import CProtobufC
internal import CProtos
internal import Inference

extension ConfigurationMessage {
  func fill(_ c: inout Inference__ModelConfig, _ builder: MessageBuilder) {
    c.name = builder.string(configuration.name)
    c.platform = builder.string(configuration.platform)
    c.backend = builder.string(configuration.backend)
    c.default_model_filename = builder.string(configuration.defaultModelFilename)
    c.max_batch_size = Int32(clamping: configuration.maxBatchSize ?? 0)
    c.version_policy = configuration.versionPolicy.c(builder)
    fillTensors(&c, builder)
    c.n_instance_group = configuration.instanceGroups.count
    c.instance_group = builder.scalars(configuration.instanceGroups.map { Optional($0.c(builder)) })
    if let batching = configuration.dynamicBatching {
      c.scheduling_choice_case = INFERENCE__MODEL_CONFIG__SCHEDULING_CHOICE_DYNAMIC_BATCHING
      c.dynamic_batching = batching.c(builder)
    }
    c.optimization = optimization(builder)
    if configuration.usesResponseCache {
      c.response_cache = builder.make(inference__model_response_cache__init)
      c.response_cache.pointee.enable = 1
    }
    c.n_parameters = configuration.parameters.count
    c.parameters = builder.entries(configuration.parameters, inference__model_config__parameters_entry__init) {
      let parameter = builder.make(inference__model_parameter__init)
      parameter.pointee.string_value = builder.string($2)
      ($0.key, $0.value) = ($1, parameter)
    }
    c.n_model_warmup = configuration.warmUpSamples.count
    c.model_warmup = builder.scalars(configuration.warmUpSamples.map { Optional($0.c(builder)) })
  }

  private func fillTensors(_ c: inout Inference__ModelConfig, _ builder: MessageBuilder) {
    c.n_input = configuration.inputs.count
    c.input = builder.scalars(
      configuration.inputs.map { tensor in
        let input = builder.make(inference__model_input__init)
        input.pointee.name = builder.string(tensor.name)
        input.pointee.data_type = tensor.datatype.configType
        input.pointee.n_dims = tensor.shape.count
        input.pointee.dims = builder.scalars(tensor.shape)
        return Optional(input)
      })
    c.n_output = configuration.outputs.count
    c.output = builder.scalars(
      configuration.outputs.map { tensor in
        let output = builder.make(inference__model_output__init)
        output.pointee.name = builder.string(tensor.name)
        output.pointee.data_type = tensor.datatype.configType
        output.pointee.n_dims = tensor.shape.count
        output.pointee.dims = builder.scalars(tensor.shape)
        output.pointee.label_filename = builder.string(configuration.labelFiles[tensor.name] ?? "")
        return Optional(output)
      })
  }

  /// Nil where nothing was asked for.
  private func optimization(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelOptimizationPolicy>? {
    let level = configuration.graphOptimizationLevel
    if level == 0, configuration.executionAccelerators.isEmpty { return nil }
    let policy = builder.make(inference__model_optimization_policy__init)
    if level != 0 {
      policy.pointee.graph = builder.make(inference__model_optimization_policy__graph__init)
      policy.pointee.graph.pointee.level = Int32(clamping: level)
    }
    if !configuration.executionAccelerators.isEmpty {
      let all = builder.make(inference__model_optimization_policy__execution_accelerators__init)
      let onCPU = configuration.executionAccelerators.filter { cpuAccelerators.contains($0.name) }
      let onGPU = configuration.executionAccelerators.filter { !cpuAccelerators.contains($0.name) }
      all.pointee.n_cpu_execution_accelerator = onCPU.count
      all.pointee.cpu_execution_accelerator = builder.scalars(onCPU.map { Optional($0.c(builder)) })
      all.pointee.n_gpu_execution_accelerator = onGPU.count
      all.pointee.gpu_execution_accelerator = builder.scalars(onGPU.map { Optional($0.c(builder)) })
      policy.pointee.execution_accelerators = all
    }
    return policy
  }
}

/// Accelerators that Triton lists under `cpu_execution_accelerator`; the configuration has one list for all.
private let cpuAccelerators: Set<String> = ["openvino"]

extension ExecutionAccelerator {
  fileprivate func c(
    _ builder: MessageBuilder
  ) -> UnsafeMutablePointer<Inference__ModelOptimizationPolicy__ExecutionAccelerators__Accelerator> {
    let c = builder.make(inference__model_optimization_policy__execution_accelerators__accelerator__init)
    c.pointee.name = builder.string(name)
    c.pointee.n_parameters = parameters.count
    c.pointee.parameters = builder.entries(
      parameters, inference__model_optimization_policy__execution_accelerators__accelerator__parameters_entry__init
    ) { ($0.key, $0.value) = ($1, builder.string($2)) }
    return c
  }
}

extension VersionPolicy {
  fileprivate func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelVersionPolicy> {
    let c = builder.make(inference__model_version_policy__init)
    switch self {
    case .latest(let count):
      c.pointee.policy_choice_case = INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_LATEST
      c.pointee.latest = builder.make(inference__model_version_policy__latest__init)
      c.pointee.latest.pointee.num_versions = UInt32(clamping: count)
    case .all:
      c.pointee.policy_choice_case = INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_ALL
      c.pointee.all = builder.make(inference__model_version_policy__all__init)
    case .specific(let versions):
      c.pointee.policy_choice_case = INFERENCE__MODEL_VERSION_POLICY__POLICY_CHOICE_SPECIFIC
      c.pointee.specific = builder.make(inference__model_version_policy__specific__init)
      c.pointee.specific.pointee.n_versions = versions.count
      c.pointee.specific.pointee.versions = builder.scalars(versions)
    }
    return c
  }
}

extension InstanceGroup {
  fileprivate func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelInstanceGroup> {
    let c = builder.make(inference__model_instance_group__init)
    c.pointee.name = builder.string(name)
    c.pointee.count = Int32(clamping: count)
    switch kind {
    case .auto: c.pointee.kind = INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_AUTO
    case .cpu: c.pointee.kind = INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_CPU
    case .gpu: c.pointee.kind = INFERENCE__MODEL_INSTANCE_GROUP__KIND__KIND_GPU
    }
    c.pointee.n_gpus = gpus.count
    c.pointee.gpus = builder.scalars(gpus.map { Int32(clamping: $0) })
    return c
  }
}

extension DynamicBatching {
  fileprivate func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelDynamicBatching> {
    let c = builder.make(inference__model_dynamic_batching__init)
    c.pointee.n_preferred_batch_size = preferredBatchSizes.count
    c.pointee.preferred_batch_size = builder.scalars(preferredBatchSizes.map { Int32(clamping: $0) })
    c.pointee.max_queue_delay_microseconds = maxQueueDelayMicroseconds
    c.pointee.preserve_ordering = preserveOrdering ? 1 : 0
    c.pointee.priority_levels = UInt64(clamping: priorityLevels)
    c.pointee.default_priority_level = UInt64(clamping: defaultPriorityLevel)
    if queuePolicy != QueuePolicy() { c.pointee.default_queue_policy = queuePolicy.c(builder) }
    c.pointee.n_priority_queue_policy = priorityQueuePolicies.count
    c.pointee.priority_queue_policy = builder.scalars(
      priorityQueuePolicies.sorted { $0.key < $1.key }.map { level, policy in
        let entry = builder.make(inference__model_dynamic_batching__priority_queue_policy_entry__init)
        entry.pointee.key = UInt64(clamping: level)
        entry.pointee.value = policy.c(builder)
        return Optional(entry)
      })
    return c
  }
}

extension QueuePolicy {
  fileprivate func c(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__ModelQueuePolicy> {
    let c = builder.make(inference__model_queue_policy__init)
    c.pointee.timeout_action =
      timeoutAction == .delay
      ? INFERENCE__MODEL_QUEUE_POLICY__TIMEOUT_ACTION__DELAY : INFERENCE__MODEL_QUEUE_POLICY__TIMEOUT_ACTION__REJECT
    c.pointee.default_timeout_microseconds = defaultTimeoutMicroseconds
    c.pointee.allow_timeout_override = allowTimeoutOverride ? 1 : 0
    c.pointee.max_queue_size = UInt32(clamping: maxQueueSize)
    return c
  }
}
