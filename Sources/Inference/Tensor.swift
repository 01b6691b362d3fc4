/// A named tensor whose bytes belong to somebody else: the received message, an arena, a backend's output.
///
/// Elements are row-major and without padding, little-endian; BYTES elements are each a 4-byte little-endian length and
/// that many bytes. (Open Inference Protocol, "Tensor Data"; Triton, "Binary Tensor Data Extension".)
package struct Tensor {
  package var name: UnsafeRawBufferPointer
  package var datatype: Datatype
  /// Axis 0 first. A scalar has no axes. Never negative.
  package var shape: UnsafeBufferPointer<Int64>
  package var bytes: UnsafeRawBufferPointer
  /// Keeps `bytes` alive; released by whoever takes the tensor over. Nil where the arena or message does.
  package var owner: Unmanaged<AnyObject>?

  package init(
    name: UnsafeRawBufferPointer, datatype: Datatype, shape: UnsafeBufferPointer<Int64>,
    bytes: UnsafeRawBufferPointer, owner: Unmanaged<AnyObject>? = nil
  ) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
    self.bytes = bytes
    self.owner = owner
  }
}

/// What a model says of one input or output.
package struct TensorMetadata: Hashable, Sendable {
  package var name: String
  package var datatype: Datatype
  /// -1 is an axis of any length. Includes the batch axis where the model batches.
  package var shape: [Int64]

  package init(name: String, datatype: Datatype, shape: [Int64]) {
    self.name = name
    self.datatype = datatype
    self.shape = shape
  }
}

/// The inputs and outputs of a model, in the model's own order.
package struct ModelSignature: Hashable, Sendable {
  package var inputs: [TensorMetadata]
  package var outputs: [TensorMetadata]
  /// Whether axis 0 of every tensor is a batch axis, as read from the model.
  package var isBatchable: Bool

  package init(inputs: [TensorMetadata], outputs: [TensorMetadata], isBatchable: Bool) {
    self.inputs = inputs
    self.outputs = outputs
    self.isBatchable = isBatchable
  }
}
