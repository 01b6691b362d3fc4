internal import Inference

/// How a model is served, as far as a client may care; `config.pbtxt` has more.
public struct ModelConfiguration: Sendable, Hashable {
  public var name: String
  /// Such as `onnxruntime_onnx`.
  public var platform: String
  public var backend: String
  /// Most rows in one batch; 0: axis 0 is not a batch axis.
  public var maxBatchSize: Int
  /// Shapes are without the batch axis where `maxBatchSize` is over 0.
  public var inputs: [TensorMetadata]
  public var outputs: [TensorMetadata]
  /// Whether the server joins waiting requests into batches.
  public var batchesDynamically: Bool
  /// Longest wait of a request for company.
  public var maxQueueDelay: Duration
  /// Loaded copies of the model; 0: as many as suit the machine.
  public var instanceCount: Int

  init(_ configuration: Inference.ModelConfiguration) {
    name = configuration.name
    platform = configuration.platform
    backend = configuration.backend
    maxBatchSize = configuration.maxBatchSize ?? 0
    inputs = configuration.inputs.map { TensorMetadata($0) }
    outputs = configuration.outputs.map { TensorMetadata($0) }
    batchesDynamically = configuration.dynamicBatching != nil
    maxQueueDelay = .microseconds(Int64(clamping: configuration.dynamicBatching?.maxQueueDelayMicroseconds ?? 0))
    instanceCount = configuration.instanceGroups.reduce(0) { $0 + $1.count }
  }
}
