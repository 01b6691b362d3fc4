internal import Inference
internal import Serving

/// A deployment's configuration in the JSON form of Triton's `ModelConfig`: what was configured, completed by what the
/// model says.
enum ModelConfigurationDocument {
  static func of(_ deployment: ServingDeployment) -> JSONDocument {
    let configuration = deployment.configuration
    let hasBatchAxis = (configuration.maxBatchSize ?? 0) > 0
    return .members([
      "name": .string(configuration.name), "platform": .string(configuration.platform),
      "backend": .string(configuration.backend), "version_policy": versionPolicy(configuration.versionPolicy),
      "max_batch_size": .integer(Int64(configuration.maxBatchSize ?? 0)),
      "input": tensors(deployment.signature.inputs, hasBatchAxis, labels: [:]),
      "output": tensors(deployment.signature.outputs, hasBatchAxis, labels: configuration.labelFiles),
      "instance_group": .list(configuration.instanceGroups.map(instanceGroup)),
      "default_model_filename": .string(configuration.defaultModelFilename),
      "dynamic_batching": configuration.dynamicBatching.map(dynamicBatching),
      "optimization": optimization(configuration),
      "response_cache": configuration.usesResponseCache ? ["enable": .bool(true)] : nil,
      "parameters": .object(
        configuration.parameters.sorted { $0.key < $1.key }.map {
          .init(name: $0.key, value: ["string_value": .string($0.value)])
        }),
      "model_warmup": warmUpSamples(configuration.warmUpSamples),
    ])
  }

  private static func versionPolicy(_ policy: VersionPolicy) -> JSONDocument {
    switch policy {
    case .latest(let count): ["latest": ["num_versions": .integer(Int64(count))]]
    case .all: ["all": [:]]
    case .specific(let versions): ["specific": ["versions": .list(versions.map { .integer($0) })]]
    }
  }

  private static func tensors(
    _ tensors: [TensorMetadata], _ hasBatchAxis: Bool, labels: [String: String]
  ) -> JSONDocument {
    .list(
      tensors.map { tensor in
        .members([
          "name": .string(tensor.name),
          "data_type": dataType(tensor.datatype),
          "dims": .list(tensor.shape.dropFirst(hasBatchAxis ? 1 : 0).map { .integer($0) }),
          "label_filename": labels[tensor.name].map { .string($0) },
        ])
      })
  }

  private static func dataType(_ datatype: Datatype) -> JSONDocument {
    .string("TYPE_\(datatype == .bytes ? "STRING" : "\(datatype)")")
  }

  private static func instanceGroup(_ group: InstanceGroup) -> JSONDocument {
    let kind =
      switch group.kind {
      case .auto: "KIND_AUTO"
      case .cpu: "KIND_CPU"
      case .gpu: "KIND_GPU"
      }
    return [
      "name": .string(group.name), "kind": .string(kind), "count": .integer(Int64(group.count)),
      "gpus": .list(group.gpus.map { .integer(Int64($0)) }),
    ]
  }

  private static func dynamicBatching(_ batching: DynamicBatching) -> JSONDocument {
    let policies = batching.priorityQueuePolicies.sorted { $0.key < $1.key }.map {
      JSONDocument.Member(name: "\($0.key)", value: queuePolicy($0.value))
    }
    return .members([
      "preferred_batch_size": .list(batching.preferredBatchSizes.map { .integer(Int64($0)) }),
      "max_queue_delay_microseconds": .integer(Int64(clamping: batching.maxQueueDelayMicroseconds)),
      "preserve_ordering": .bool(batching.preserveOrdering),
      "priority_levels": .integer(Int64(batching.priorityLevels)),
      "default_priority_level": .integer(Int64(batching.defaultPriorityLevel)),
      "default_queue_policy": queuePolicy(batching.queuePolicy),
      "priority_queue_policy": policies.isEmpty ? nil : .object(policies),
    ])
  }

  private static func queuePolicy(_ policy: QueuePolicy) -> JSONDocument {
    [
      "timeout_action": policy.timeoutAction == .delay ? "DELAY" : "REJECT",
      "default_timeout_microseconds": .integer(Int64(clamping: policy.defaultTimeoutMicroseconds)),
      "allow_timeout_override": .bool(policy.allowTimeoutOverride),
      "max_queue_size": .integer(Int64(policy.maxQueueSize)),
    ]
  }

  private static func optimization(_ configuration: ModelConfiguration) -> JSONDocument {
    let accelerators = configuration.executionAccelerators.map { accelerator in
      JSONDocument.members([
        "name": .string(accelerator.name),
        "parameters": .object(
          accelerator.parameters.sorted { $0.key < $1.key }.map { .init(name: $0.key, value: .string($0.value)) }),
      ])
    }
    return .members([
      "graph": ["level": .integer(Int64(configuration.graphOptimizationLevel))],
      "execution_accelerators": accelerators.isEmpty ? nil : ["gpu_execution_accelerator": .list(accelerators)],
    ])
  }

  private static func warmUpSamples(_ samples: [WarmUpSample]) -> JSONDocument? {
    samples.isEmpty ? nil : JSONDocument.list(samples.map(warmUpSample))
  }

  private static func warmUpSample(_ sample: WarmUpSample) -> JSONDocument {
    let inputs = sample.inputs.sorted { $0.key < $1.key }.map { name, input in
      let contents: (name: String, value: JSONDocument) =
        switch input.contents {
        case .zeros: ("zero_data", true)
        case .random: ("random_data", true)
        case .file(let file): ("input_data_file", .string(file))
        }
      return JSONDocument.Member(
        name: name,
        value: .object([
          .init(name: "data_type", value: dataType(input.datatype)),
          .init(name: "dims", value: .list(input.dims.map { .integer($0) })),
          .init(name: contents.name, value: contents.value),
        ]))
    }
    return [
      "name": .string(sample.name), "batch_size": .integer(Int64(sample.batchSize)), "inputs": .object(inputs),
      "count": .integer(Int64(sample.count)),
    ]
  }
}
