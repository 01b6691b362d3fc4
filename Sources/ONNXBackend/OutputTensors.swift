internal import CONNXRuntime
internal import Inference

extension ONNXInstance {
  /// A tensor over what the library computed. Takes `value` over if it succeeds.
  ///
  /// - Parameter inputs: What the run was given. A model may name an input as an output too, and then the value's bytes
  ///   are the caller's own, which it takes back when the run returns: those are copied.
  func makeTensor(
    _ value: OpaquePointer, _ datatype: Datatype, _ inputs: UnsafeBufferPointer<Tensor>
  ) throws(InferenceError) -> Tensor {
    let (shape, ownShape) = try readShape(value)
    do throws(InferenceError) {
      let count = elementCount(shape)
      var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      var ownBytes: UnsafeMutableRawPointer?
      if let elementSize = datatype.byteSize {
        var contents: UnsafeMutableRawPointer?
        try check(api.GetTensorMutableData(value, &contents))
        bytes = UnsafeRawBufferPointer(start: contents, count: count * elementSize)
        if inputs.contains(where: { overlap($0.bytes, bytes) }) {
          let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
          copy.copyMemory(from: bytes)
          (bytes, ownBytes) = (UnsafeRawBufferPointer(copy), copy.baseAddress)
        }
      } else {
        let copy = try serialise(value, count: count)
        (bytes, ownBytes) = (UnsafeRawBufferPointer(copy), copy.baseAddress)
      }
      let owner = owners.take(forByteCount: bytes.count)
      owner.hold(value: value, shape: ownShape, bytes: ownBytes)
      return Tensor(
        name: UnsafeRawBufferPointer(start: nil, count: 0), datatype: datatype, shape: shape, bytes: bytes,
        owner: Unmanaged<AnyObject>.passRetained(owner))
    } catch {
      ownShape?.deallocate()
      throw error
    }
  }

  /// The value's shape, in the value's memory; in memory of the caller's where an older library can't lend it.
  private func readShape(
    _ value: OpaquePointer
  ) throws(InferenceError) -> (UnsafeBufferPointer<Int64>, own: UnsafeMutablePointer<Int64>?) {
    var rank = 0
    if let lendShape = api.GetTensorElementTypeAndShapeDataReference {
      var type: Int32 = 0
      var dimensions: UnsafePointer<Int64>?
      try check(lendShape(value, &type, &dimensions, &rank))
      return (UnsafeBufferPointer(start: rank > 0 ? dimensions : nil, count: rank), nil)
    }
    var description: OpaquePointer?
    try check(api.GetTensorTypeAndShape(value, &description))
    defer { api.ReleaseTensorTypeAndShapeInfo(description) }
    try check(api.GetDimensionsCount(description, &rank))
    guard rank > 0 else { return (UnsafeBufferPointer(start: nil, count: 0), nil) }
    let own = UnsafeMutablePointer<Int64>.allocate(capacity: rank)
    do throws(InferenceError) {
      try check(api.GetDimensions(description, own, rank))
      return (UnsafeBufferPointer(start: own, count: rank), own)
    } catch {
      own.deallocate()
      throw error
    }
  }
}

/// Elements of a tensor of this shape: 1 for a scalar, `Int.max` for more than can be.
func elementCount(_ shape: UnsafeBufferPointer<Int64>) -> Int {
  if shape.contains(0) { return 0 }
  var count = 1
  for length in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: Int(length))
    if overflow || product < 0 { return .max }
    count = product
  }
  return count
}

private func overlap(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Bool {
  guard first.count > 0, second.count > 0 else { return false }
  return first.baseAddress! < second.baseAddress! + second.count
    && second.baseAddress! < first.baseAddress! + first.count
}
