internal import Backends
internal import Inference

/// The memory with which one instance turns requests into one run of the model and back.
///
/// ```
/// request 1  [r r]     ┐ gather                    scatter ┌▶ [r r]   slices of the backend's output,
/// request 2  [r]       ├──────▶ [r r|r|r r] ─▶ run ────────┼▶ [r]     each holding its owner
/// request 3  [r r]     ┘         one block an input        └▶ [r r]
/// ```
///
/// Belongs to the instance's thread.
final class BatchRunner {
  let validator: RequestValidator
  /// Whether a run reads nothing of its requests: it may go on when they are answered and gone.
  private let copiesInputs: Bool
  private let inputs: UnsafeMutableBufferPointer<Tensor>
  private let inputShapes: [UnsafeMutableBufferPointer<Int64>]
  private let blocks: UnsafeMutableBufferPointer<AlignedBlock>
  let outputs: UnsafeMutableBufferPointer<Tensor>
  /// How far the rows of each BYTES output have been given out.
  let offsets: UnsafeMutableBufferPointer<Int>

  init(validator: RequestValidator, copiesInputs: Bool) {
    self.validator = validator
    self.copiesInputs = copiesInputs
    inputs = .allocate(capacity: validator.inputs.count)
    inputShapes = validator.inputs.map { .allocate(capacity: max($0.shape.count, 1)) }
    blocks = .allocate(capacity: validator.inputs.count)
    blocks.initialize(repeating: AlignedBlock())
    outputs = .allocate(capacity: validator.outputs.count)
    offsets = .allocate(capacity: validator.outputs.count)
    offsets.initialize(repeating: 0)
    for index in 0..<inputs.count {
      let input = validator.inputs[index]
      inputShapes[index].initialize(repeating: 0)
      inputs.initializeElement(
        at: index,
        to: Tensor(
          name: input.name, datatype: input.datatype,
          shape: UnsafeBufferPointer(rebasing: inputShapes[index][..<input.shape.count]),
          bytes: UnsafeRawBufferPointer(start: nil, count: 0)))
    }
    for index in 0..<outputs.count { outputs.initializeElement(at: index, to: emptyOutput(index)) }
  }

  deinit {
    for index in 0..<blocks.count { blocks[index].deallocate() }
    for shape in inputShapes { shape.deallocate() }
    inputs.deallocate()
    blocks.deallocate()
    outputs.deallocate()
    offsets.deallocate()
  }

  // MARK: - Gather

  /// Joins the inputs of requests of equal non-batch shapes along axis 0. A request alone is passed by reference, unless
  /// its run may outlive it.
  func gather(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, rows: Int) {
    for index in 0..<inputs.count {
      let first = requests[0].pointee.inputs[index]
      if count == 1 {
        inputs[index].shape = copiesInputs ? copy(first.shape, index) : first.shape
        inputs[index].bytes = aligned(first.bytes, index)
      } else {
        copyShape(first.shape, index, rows: rows)
        inputs[index].bytes = join(requests, count: count, index)
      }
    }
  }

  /// Points the inputs at zeros: one row, and length 1 along every axis that the model leaves open. A BYTES element
  /// of four zeros is the empty string.
  func gatherZeros() {
    for index in 0..<inputs.count {
      let input = validator.inputs[index]
      for (axis, length) in input.shape.enumerated() { inputShapes[index][axis] = length < 0 ? 1 : length }
      let shape = UnsafeBufferPointer(rebasing: inputShapes[index][..<input.shape.count])
      let byteCount = (TensorSize.elementCount(of: shape) ?? 0) * (input.datatype.byteSize ?? 4)
      let block = blocks[index].reserve(byteCount)
      block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
      inputs[index].shape = shape
      inputs[index].bytes = UnsafeRawBufferPointer(start: block, count: byteCount)
    }
  }

  private func aligned(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UnsafeRawBufferPointer {
    let elementBytes = max(validator.inputs[index].elementBytes, 1)
    guard let start = bytes.baseAddress,
      copiesInputs || UInt(bitPattern: start) & UInt(elementBytes - 1) != 0
    else { return bytes }
    let block = blocks[index].reserve(bytes.count)
    block.copyMemory(from: start, byteCount: bytes.count)
    return UnsafeRawBufferPointer(start: block, count: bytes.count)
  }

  private func copyShape(_ shape: UnsafeBufferPointer<Int64>, _ index: Int, rows: Int) {
    inputs[index].shape = copy(shape, index)
    inputShapes[index][0] = Int64(rows)
  }

  private func copy(_ shape: UnsafeBufferPointer<Int64>, _ index: Int) -> UnsafeBufferPointer<Int64> {
    for axis in 0..<shape.count { inputShapes[index][axis] = shape[axis] }
    return UnsafeBufferPointer(rebasing: inputShapes[index][..<shape.count])
  }

  private func join(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, _ index: Int
  ) -> UnsafeRawBufferPointer {
    var total = 0
    for request in 0..<count { total += requests[request].pointee.inputs[index].bytes.count }
    let block = blocks[index].reserve(total)
    var cursor = block
    for request in 0..<count {
      let bytes = requests[request].pointee.inputs[index].bytes
      guard let start = bytes.baseAddress else { continue }
      cursor.copyMemory(from: start, byteCount: bytes.count)
      cursor += bytes.count
    }
    return UnsafeRawBufferPointer(start: block, count: total)
  }

  // MARK: - Run

  /// Runs the model on what was gathered. The outputs hold references until `releaseOutputs()`.
  func run(_ instance: any ModelInstance, wanted: UInt64) throws(InferenceError) {
    do {
      try instance.run(inputs: UnsafeBufferPointer(inputs), wanted: wanted, outputs: outputs)
      for index in 0..<outputs.count { outputs[index].name = validator.outputs[index].name }
    } catch {
      releaseOutputs()
      throw error
    }
  }

  func releaseOutputs() {
    for index in 0..<outputs.count {
      outputs[index].owner?.release()
      outputs[index] = emptyOutput(index)
    }
  }

  private func emptyOutput(_ index: Int) -> Tensor {
    Tensor(
      name: validator.outputs[index].name, datatype: validator.outputs[index].datatype,
      shape: UnsafeBufferPointer(start: nil, count: 0), bytes: UnsafeRawBufferPointer(start: nil, count: 0))
  }
}
