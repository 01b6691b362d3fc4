internal import Inference
internal import Wire

/// Who answers.
public struct ServerMetadata: Sendable, Hashable {
  public var name: String
  public var version: String
  /// What it understands beyond the protocol's core, such as `model_repository`.
  public var extensions: [String]
}

/// An input or output of a model.
public struct TensorMetadata: Sendable, Hashable {
  public var name: String
  public var datatype: Datatype
  /// -1 is an axis of any length. Includes the batch axis where the model batches.
  public var shape: [Int64]

  public init(name: String, datatype: Datatype, shape: [Int64]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }

  init(_ wire: Inference.TensorMetadata) {
    self.init(name: wire.name, datatype: Datatype(wire.datatype), shape: wire.shape)
  }
}

/// What a model takes and gives.
public struct ModelMetadata: Sendable, Hashable {
  public var name: String
  /// Those that are ready.
  public var versions: [String]
  /// Such as `onnxruntime_onnx`.
  public var platform: String
  public var inputs: [TensorMetadata]
  public var outputs: [TensorMetadata]

  public init(
    name: String, versions: [String], platform: String, inputs: [TensorMetadata], outputs: [TensorMetadata]
  ) {
    self.name = name
    self.versions = versions
    self.platform = platform
    self.inputs = inputs
    self.outputs = outputs
  }

  init(_ wire: ModelMetadataResponse) {
    self.init(
      name: wire.name, versions: wire.versions, platform: wire.platform,
      inputs: wire.inputs.map { TensorMetadata($0) }, outputs: wire.outputs.map { TensorMetadata($0) })
  }
}

/// One version of a model in the server's repository; of a model that was never loaded, the name alone.
public struct ModelIndexEntry: Sendable, Hashable {
  public var name: String
  public var version: String
  /// READY, UNAVAILABLE, LOADING, UNLOADING, or empty.
  public var state: String
  /// Why it is not ready.
  public var reason: String

  public init(name: String, version: String, state: String, reason: String = "") {
    self.name = name
    self.version = version
    self.state = state
    self.reason = reason
  }
}
