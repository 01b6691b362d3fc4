import Inference
import Testing
import Wire

/// As a repository has it: comments, both kinds of brackets, lists, separators, adjacent strings.
let realisticConfig = #"""
  # A classifier of images.
  name: "resnet50"
  platform: "onnxruntime_onnx"
  max_batch_size: 16
  input [
    {
      name: "data"
      data_type: TYPE_FP32
      format: FORMAT_NCHW
      dims: [ 3, 224, 224 ]
    },
    { name: 'text' data_type: 13, dims: -1; }
  ]
  output {
    name: "prob" data_type: TYPE_FP32
    dims: 1000
    label_filename: "labels" ".txt"
  }
  instance_group < count: 2 kind: KIND_GPU gpus: [0, 0x1] rate_limiter { priority: 2 } >
  instance_group: { kind: KIND_CPU passive: false }
  version_policy: { specific { versions: [1, 3] } }
  dynamic_batching {
    preferred_batch_size: [8, 4]
    max_queue_delay_microseconds: 100
    default_queue_policy {
      timeout_action: DELAY default_timeout_microseconds: 5000000 allow_timeout_override: True max_queue_size: 64
    }
  }
  optimization {
    graph { level: -1 }
    execution_accelerators {
      gpu_execution_accelerator: [ { name: "cuda" parameters { key: "tunable_op" value: "1" } } ]
      cpu_execution_accelerator { name: "openvino" }
    }
  }
  parameters { key: "intra_op_thread_count" value: { string_value: "4" } }
  response_cache { enable: false }
  model_warmup {
    name: "zeros" batch_size: 1
    inputs { key: "data" value { data_type: TYPE_FP32 dims: [3, 224, 224] zero_data: true } }
  }
  """#

struct ModelConfigTests {
  private var expected: ModelConfiguration {
    var expected = ModelConfiguration(name: "resnet50")
    expected.platform = "onnxruntime_onnx"
    expected.versionPolicy = .specific([1, 3])
    expected.maxBatchSize = 16
    expected.inputs = [
      TensorMetadata(name: "data", datatype: .fp32, shape: [3, 224, 224]),
      TensorMetadata(name: "text", datatype: .bytes, shape: [-1]),
    ]
    expected.outputs = [TensorMetadata(name: "prob", datatype: .fp32, shape: [1000])]
    expected.labelFiles = ["prob": "labels.txt"]
    var gpus = InstanceGroup()
    gpus.kind = .gpu
    gpus.count = 2
    gpus.gpus = [0, 1]
    var cpu = InstanceGroup()
    cpu.kind = .cpu
    expected.instanceGroups = [gpus, cpu]
    var batching = DynamicBatching()
    batching.preferredBatchSizes = [4, 8]
    batching.maxQueueDelayMicroseconds = 100
    batching.queuePolicy.timeoutAction = .delay
    batching.queuePolicy.defaultTimeoutMicroseconds = 5_000_000
    batching.queuePolicy.allowTimeoutOverride = true
    batching.queuePolicy.maxQueueSize = 64
    expected.dynamicBatching = batching
    expected.graphOptimizationLevel = -1
    expected.executionAccelerators = [
      ExecutionAccelerator(name: "cuda", parameters: ["tunable_op": "1"]), ExecutionAccelerator(name: "openvino"),
    ]
    expected.parameters = ["intra_op_thread_count": "4"]
    var sample = WarmUpSample(name: "zeros")
    sample.batchSize = 1
    sample.inputs = ["data": .init(datatype: .fp32, dims: [3, 224, 224], contents: .zeros)]
    expected.warmUpSamples = [sample]
    return expected
  }

  @Test func `a configuration file says what the server acts on, and what it does not`() throws {
    let (configuration, unsupported) = try ModelConfig(text: realisticConfig).configuration()
    #expect(configuration == expected)
    #expect(unsupported == ["input.format", "instance_group.rate_limiter"])
  }

  /// The bytes are what Python's protobuf makes of the same text.
  @Test func `another implementation's configuration means the same`() throws {
    let bytes = hex(
      "0a087265736e6574353012106f6e6e7872756e74696d655f6f6e6e781a061a040a02010320102a110a0464617461100b1802220503e001e0"
        + "012a140a0474657874100d220affffffffffffffffff0132180a0470726f62100b1a02e807220a6c6162656c732e7478743a0c1002"
        + "1a0200012001320210023a0220025a130a0208041064320b080110c096b1021801204062340a0b08ffffffffffffffffff0122250a"
        + "170a0463756461120f0a0a74756e61626c655f6f70120131120a0a086f70656e76696e6f721c0a15696e7472615f6f705f74687265"
        + "61645f636f756e7412030a013482011e0a057a65726f7310011a130a0464617461120b080b120503e001e0011801c20100")
    let (configuration, unsupported) = try ModelConfig(decoding: bytes).configuration()
    #expect(configuration == expected)
    #expect(unsupported == ["input.format", "instance_group.rate_limiter"])
  }

  @Test func `a completed configuration survives its answer`() throws {
    let config = ModelConfig(expected, signature: ModelSignature(inputs: [], outputs: [], isBatchable: true))
    let answer = try ModelConfigResponse(decoding: ModelConfigResponse(config: config).encoded())
    let (configuration, unsupported) = try answer.config.configuration()
    #expect(configuration == expected)
    #expect(unsupported.isEmpty)
  }

  @Test func `tensors that were not configured come from the model, without the batch axis`() throws {
    let signature = ModelSignature(
      inputs: [TensorMetadata(name: "x", datatype: .bytes, shape: [-1, 3])],
      outputs: [TensorMetadata(name: "y", datatype: .fp32, shape: [-1])], isBatchable: true)
    var configuration = ModelConfiguration(name: "m")
    configuration.maxBatchSize = 8
    let batched = try ModelConfig(configuration, signature: signature).configuration().configuration
    #expect(batched.inputs == [TensorMetadata(name: "x", datatype: .bytes, shape: [3])])
    #expect(batched.outputs == [TensorMetadata(name: "y", datatype: .fp32, shape: [])])

    configuration.maxBatchSize = 0
    let single = try ModelConfig(configuration, signature: signature).configuration().configuration
    #expect(single.inputs == signature.inputs)
    #expect(single.maxBatchSize == 0)
  }

  @Test func `the response cache is on where it is enabled, and says so`() throws {
    for (text, isOn) in [("response_cache { enable: true }", true), ("response_cache { }", false), ("", false)] {
      let (configuration, unsupported) = try ModelConfig(text: text).configuration()
      #expect(configuration.usesResponseCache == isOn)
      #expect(unsupported.isEmpty)
      let completed = ModelConfig(configuration, signature: ModelSignature(inputs: [], outputs: [], isBatchable: false))
      #expect(try completed.configuration().configuration == configuration)
    }
  }

  @Test func `no batching and not said are two things`() throws {
    #expect(try ModelConfig(text: "max_batch_size: 0").configuration().configuration.maxBatchSize == 0)
    #expect(try ModelConfig(text: "").configuration().configuration.maxBatchSize == nil)
    #expect(try ModelConfig(json: #"{"max_batch_size": 0}"#).configuration().configuration.maxBatchSize == 0)
  }

  @Test(arguments: [
    ("sequence_batching { }", ["sequence_batching"]),
    ("ensemble_scheduling { step { model_name: 'a' } }", ["ensemble_scheduling"]),
    (
      """
      dynamic_batching {
        priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 1 value { max_queue_size: 2 } }
      }
      """,
      []
    ),
    ("instance_group { kind: KIND_MODEL } instance_group { kind: KIND_MODEL }", ["instance_group.kind: KIND_MODEL"]),
    ("model_transaction_policy { decoupled: true }", ["model_transaction_policy"]),
    ("model_transaction_policy { decoupled: false }", []),
    ("input { name: 'x' data_type: TYPE_BOOL optional: true }", ["input.optional"]),
    ("optimization { cuda { graphs: true } graph { level: 1 } }", ["optimization.cuda"]),
    ("optimization { cuda { graphs: false } }", []),
    ("metric_tags { key: 'a' value: 'b' }", ["metric_tags"]),
  ] as [(String, [String])])
  func `fields without support are named once`(text: String, paths: [String]) throws {
    #expect(try ModelConfig(text: text).configuration().unsupported == paths)
  }

  @Test(arguments: [
    ("max_batch_size: -1", "max_batch_size is -1; expected 0 or more"),
    ("input { name: 'x' }", "input[0].data_type of 'x' is not set; expected a type such as TYPE_FP32"),
    ("output { data_type: TYPE_FP32 }", "output[0].name is empty"),
    (
      "input { name: 'x' data_type: TYPE_FP32 dims: [1, -2] }", "input[0].dims[1] of 'x' is -2; expected -1 or more"
    ),
    (
      "dynamic_batching { preferred_batch_size: 0 }",
      "dynamic_batching.preferred_batch_size[0] is 0; expected 1 or more"
    ),
    (
      "dynamic_batching { priority_levels: 256 }",
      "dynamic_batching.priority_levels is 256; expected 0 to 255, 1 the most urgent"
    ),
    (
      "dynamic_batching { priority_levels: 2 }",
      "dynamic_batching.default_priority_level is 0; expected 1 to 2, 1 the most urgent"
    ),
    (
      "dynamic_batching { priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 3 value { } } }",
      "dynamic_batching.priority_queue_policy has the key 3; expected a key from 1 to 2, as priority_levels is 2"
    ),
    (
      "dynamic_batching { priority_levels: 2 default_priority_level: 1 priority_queue_policy { value { } } }",
      "dynamic_batching.priority_queue_policy has the key 0; expected a key from 1 to 2, as priority_levels is 2"
    ),
    (
      "dynamic_batching { priority_queue_policy { key: 18446744073709551615 value { max_queue_size: 2 } } }",
      "dynamic_batching.priority_queue_policy has the key 18446744073709551615; expected no key, as priority_levels is 0"
    ),
    (
      "model_warmup { name: 'w' inputs { key: 'x' value { zero_data: true } } }",
      "model_warmup sample 'w', input 'x': data_type is not set; expected a type such as TYPE_FP32"
    ),
    (
      "model_warmup { inputs { key: 'x' } }",
      "model_warmup[0], input 'x': data_type is not set; expected a type such as TYPE_FP32"
    ),
    (
      "model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 dims: [2, -1] zero_data: true } } }",
      "model_warmup sample 'w', input 'x': dims[1] is -1; expected 0 or more, because a sample has a size"
    ),
    (
      "model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 dims: 2 } } }",
      "model_warmup sample 'w', input 'x': no data is set; expected one of zero_data, random_data and input_data_file"
    ),
  ])
  func `values that make no sense are refused with their path`(text: String, message: String) {
    #expect(throws: InferenceError.invalidArgument(message)) { _ = try ModelConfig(text: text) }
  }

  @Test func `priorities are read, and written again`() throws {
    let text = "dynamic_batching { priority_levels: 3 default_priority_level: 2 }"
    let configuration = try ModelConfig(text: text).configuration().configuration
    #expect(configuration.dynamicBatching?.priorityLevels == 3)
    #expect(configuration.dynamicBatching?.defaultPriorityLevel == 2)
    let again = ModelConfig(configuration, signature: ModelSignature(inputs: [], outputs: [], isBatchable: false))
    #expect(try again.configuration().configuration.dynamicBatching == configuration.dynamicBatching)
  }

  @Test(arguments: [true, false])
  func `samples for warm-up are read in text and in JSON, and written again`(fromText: Bool) throws {
    let text = """
      model_warmup {
        name: "all" batch_size: 4 count: 3
        inputs { key: "a" value { data_type: TYPE_INT8 random_data: false } }
        inputs { key: "b" value { data_type: TYPE_STRING dims: [2, 0] input_data_file: "b/b.raw" } }
      }
      model_warmup { }
      """
    let json = #"""
      {"model_warmup": [
        {"name": "all", "batch_size": 4, "count": 3, "inputs": {
          "a": {"data_type": "TYPE_INT8", "random_data": false},
          "b": {"data_type": "TYPE_STRING", "dims": [2, 0], "input_data_file": "b/b.raw"}}},
        {}]}
      """#
    var all = WarmUpSample(name: "all")
    all.batchSize = 4
    all.count = 3
    all.inputs = [
      "a": .init(datatype: .int8, dims: [], contents: .random),
      "b": .init(datatype: .bytes, dims: [2, 0], contents: .file("b/b.raw")),
    ]
    let written = try fromText ? ModelConfig(text: text) : ModelConfig(json: json)
    let (configuration, unsupported) = try written.configuration()
    #expect(configuration.warmUpSamples == [all, WarmUpSample(name: "")])
    #expect(unsupported.isEmpty)
    let again = ModelConfig(configuration, signature: ModelSignature(inputs: [], outputs: [], isBatchable: false))
    #expect(try again.configuration().configuration.warmUpSamples == configuration.warmUpSamples)
  }

  @Test func `policies of single priorities are read, and written again`() throws {
    let text = """
      dynamic_batching {
        priority_levels: 4 default_priority_level: 2
        default_queue_policy { max_queue_size: 9 }
        priority_queue_policy {
          key: 3 value { timeout_action: DELAY default_timeout_microseconds: 500 allow_timeout_override: true }
        }
        priority_queue_policy [{ key: 1 value { max_queue_size: 2 } }, { key: 4 }]
        priority_queue_policy { key: 3 value { timeout_action: DELAY default_timeout_microseconds: 600 } }
      }
      """
    let configuration = try ModelConfig(text: text).configuration().configuration
    var urgent = QueuePolicy()
    urgent.maxQueueSize = 2
    var patient = QueuePolicy()
    patient.timeoutAction = .delay
    patient.defaultTimeoutMicroseconds = 600
    // Of two for one key the last counts, as in every map of protobuf's.
    #expect(configuration.dynamicBatching?.priorityQueuePolicies == [1: urgent, 3: patient, 4: QueuePolicy()])
    #expect(configuration.dynamicBatching?.queuePolicy.maxQueueSize == 9)
    let again = ModelConfig(configuration, signature: ModelSignature(inputs: [], outputs: [], isBatchable: false))
    #expect(try again.configuration().configuration.dynamicBatching == configuration.dynamicBatching)
    #expect(try again.configuration().unsupported.isEmpty)
  }

  @Test func `versions and counts default as in Triton`() throws {
    let latest = try ModelConfig(text: "version_policy { latest { } } instance_group { count: 0 }").configuration()
    #expect(latest.configuration.versionPolicy == .latest(1))
    #expect(latest.configuration.instanceGroups.map(\.count) == [0])
    #expect(try ModelConfig(text: "version_policy { all {} }").configuration().configuration.versionPolicy == .all)
  }

  @Test func `every datatype has a type, and TYPE_STRING is BYTES`() throws {
    for datatype in Datatype.allCases {
      let token = datatype == .bytes ? "STRING" : datatype.description
      let config = try ModelConfig(text: "input { name: 'x' data_type: TYPE_\(token) }")
      #expect(try config.configuration().configuration.inputs.map(\.datatype) == [datatype])
      let again = ModelConfig(
        try config.configuration().configuration,
        signature: ModelSignature(inputs: [], outputs: [], isBatchable: false))
      #expect(try again.configuration().configuration.inputs.map(\.datatype) == [datatype])
    }
  }
}
