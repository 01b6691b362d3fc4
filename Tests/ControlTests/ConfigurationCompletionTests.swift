import Control
import Inference
import Testing

private let completion = ConfigurationCompletion(defaultMaxBatchSize: 8)

private let batching = ModelSignature(
  inputs: [
    TensorMetadata(name: "X", datatype: .fp32, shape: [-1, 3, -1]),
    TensorMetadata(name: "N", datatype: .int64, shape: [-1, 1]),
  ],
  outputs: [
    TensorMetadata(name: "Y", datatype: .fp32, shape: [-1, 10]),
    TensorMetadata(name: "Z", datatype: .bytes, shape: [-1, 1]),
  ],
  isBatchable: true)

private let fixed = ModelSignature(
  inputs: [TensorMetadata(name: "X", datatype: .fp32, shape: [2, 2])],
  outputs: [TensorMetadata(name: "Y", datatype: .fp32, shape: [2, 2])], isBatchable: false)

private func configuration(_ change: (inout ModelConfiguration) -> Void = { _ in }) -> ModelConfiguration {
  var configuration = ModelConfiguration(name: "m")
  change(&configuration)
  return configuration
}

private func refusal(_ model: ModelSignature, _ change: (inout ModelConfiguration) -> Void) -> String? {
  do throws(InferenceError) {
    _ = try completion.complete(configuration(change), for: model)
    return nil
  } catch {
    #expect(error.code == .invalidArgument)
    return error.message
  }
}

@Test func `a model that batches and has no configuration gets dynamic batching of up to 8 rows`() throws {
  let completed = try completion.complete(configuration(), for: batching)
  #expect(completed.maxBatchSize == 8)
  #expect(completed.dynamicBatching == DynamicBatching())
  #expect(completed.inputs.map(\.shape) == [[3, -1], [1]])
  #expect(ConfigurationCompletion.signature(of: completed) == batching)
}

@Test func `a model that does not batch and has no configuration gets none`() throws {
  let completed = try completion.complete(configuration(), for: fixed)
  #expect(completed.maxBatchSize == 0 && completed.dynamicBatching == nil)
  #expect(completed.inputs == fixed.inputs && completed.outputs == fixed.outputs)
  #expect(ConfigurationCompletion.signature(of: completed) == fixed)
}

@Test func `a max_batch_size without dynamic_batching joins no requests`() throws {
  let completed = try completion.complete(configuration { $0.maxBatchSize = 16 }, for: batching)
  #expect(completed.maxBatchSize == 16 && completed.dynamicBatching == nil)
}

@Test func `a preferred batch size is at most max_batch_size`() throws {
  let cases: [(preferred: [Int], given: Int?, most: Int)] = [([4, 16], 8, 8), ([9], nil, 8), ([1], 0, 0)]
  for (preferred, given, most) in cases {
    let message = refusal(batching) {
      $0.maxBatchSize = given
      $0.dynamicBatching = DynamicBatching()
      $0.dynamicBatching?.preferredBatchSizes = preferred
    }
    #expect(
      message == "dynamic_batching.preferred_batch_size has \(preferred.max()!): expected at most \(most), the model's "
        + "max_batch_size")
  }
  let whole = configuration {
    $0.maxBatchSize = 8
    $0.dynamicBatching = DynamicBatching()
    $0.dynamicBatching?.preferredBatchSizes = [4, 8]
  }
  #expect(try completion.complete(whole, for: batching).dynamicBatching == whole.dynamicBatching)
}

@Test func `a max_batch_size of 0 makes axis 0 an axis like others`() throws {
  let completed = try completion.complete(configuration { $0.maxBatchSize = 0 }, for: batching)
  #expect(completed.dynamicBatching == nil)
  #expect(completed.inputs == batching.inputs)
  #expect(!ConfigurationCompletion.signature(of: completed).isBatchable)
}

@Test func `inputs written with the batch axis mean that there is no batch`() throws {
  let completed = try completion.complete(configuration { $0.inputs = batching.inputs }, for: batching)
  #expect(completed.maxBatchSize == 0)
}

@Test func `a configuration may narrow a shape, leave outputs out, and name inputs in any order`() throws {
  let completed = try completion.complete(
    configuration {
      $0.maxBatchSize = 4
      $0.inputs = [
        TensorMetadata(name: "N", datatype: .int64, shape: [1]),
        TensorMetadata(name: "X", datatype: .fp32, shape: [3, 224]),
      ]
      $0.outputs = [TensorMetadata(name: "Z", datatype: .bytes, shape: [1])]
    }, for: batching)
  #expect(completed.inputs.map(\.name) == ["X", "N"])
  #expect(completed.inputs[0].shape == [3, 224])
  #expect(completed.outputs.map(\.name) == ["Y", "Z"])
  #expect(ConfigurationCompletion.signature(of: completed).inputs[0].shape == [-1, 3, 224])
}

@Test func `a batch of a model that cannot batch is refused`() {
  let batch = refusal(fixed) { $0.maxBatchSize = 4 }
  #expect(batch?.contains("does not support batching while max_batch_size is 4") == true)
  #expect(refusal(fixed) { $0.maxBatchSize = -1 }?.contains("expected 0 or more") == true)
}

@Test func `what contradicts the model is refused with both sides named`() {
  let datatype = refusal(fixed) { $0.inputs = [TensorMetadata(name: "X", datatype: .int8, shape: [2, 2])] }
  #expect(datatype == "input 'X' is configured as INT8, and the model has FP32")
  let rank = refusal(batching) {
    $0.maxBatchSize = 4
    $0.outputs = [TensorMetadata(name: "Y", datatype: .fp32, shape: [-1, 10])]
  }
  #expect(rank?.contains("[-1, -1, 10]") == true && rank?.contains("max_batch_size is 4") == true)
  let wider = refusal(fixed) { $0.inputs = [TensorMetadata(name: "X", datatype: .fp32, shape: [-1, 2])] }
  #expect(wider?.contains("[-1, 2], and the model has [2, 2]") == true)
  let zero = refusal(batching) {
    $0.maxBatchSize = 4
    $0.inputs = [
      TensorMetadata(name: "X", datatype: .fp32, shape: [3, 0]),
      TensorMetadata(name: "N", datatype: .int64, shape: [1]),
    ]
  }
  #expect(zero?.contains("dims[1] is 0") == true)
}

@Test func `inputs that are missing, strange or double are refused`() {
  #expect(
    refusal(batching) { $0.inputs = [batching.inputs[0]] }?.contains("has 1 inputs ('X'), and the model has 2") == true)
  #expect(
    refusal(fixed) { $0.inputs = [TensorMetadata(name: "Q", datatype: .fp32, shape: [2, 2])] }?
      .contains("input 'Q' is configured, and the model has no such input: it has 'X'") == true)
  #expect(
    refusal(batching) { $0.inputs = [batching.inputs[0], batching.inputs[0]] }?.contains("configured twice") == true)
  #expect(refusal(fixed) { $0.labelFiles = ["Q": "labels.txt"] }?.contains("output 'Q'") == true)
}
