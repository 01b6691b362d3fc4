internal import Backends
internal import CONNXRuntime
internal import Inference

/// One thread's way into a model's shared session: its run options, and room for the arguments of a call.
///
/// Inputs are lent to the library where they lie. Outputs are the library's own values, handed on with an owner; only
/// BYTES, whose form differs, are copied.
final class ONNXInstance: ModelInstance {
  let api: OrtAPI
  let allocator: OpaquePointer
  @exclusivity(unchecked) var owners: OutputOwners
  private let model: ONNXModel
  private let runInterruption: RunInterruption
  private let inputCount: Int
  private let outputCount: Int
  // Arguments of `Run`, used anew for each call.
  private let inputValues: UnsafeMutablePointer<OpaquePointer?>
  private let outputValues: UnsafeMutablePointer<OpaquePointer?>
  private let wantedNames: UnsafeMutablePointer<UnsafePointer<CChar>?>
  private let wantedIndices: UnsafeMutablePointer<Int>
  /// Of the signature, where a call can read them without touching an array.
  private let outputDatatypes: UnsafeMutablePointer<Datatype>
  /// An address for tensors without elements, where a null one would be refused.
  private let nowhere = UnsafeMutableRawPointer.allocate(byteCount: 16, alignment: 16)

  init(_ model: ONNXModel) throws(InferenceError) {
    let api = model.runtime.api
    do throws(OrtError) {
      runInterruption = try RunInterruption(api, arenaShrinkage: model.settings.arenaShrinkage)
    } catch {
      throw .internal("ONNX Runtime can't make an instance: \(error.message)")
    }
    self.model = model
    self.api = api
    owners = OutputOwners(api)
    allocator = model.runtime.allocator
    inputCount = model.signature.inputs.count
    outputCount = model.signature.outputs.count
    inputValues = .allocate(capacity: inputCount)
    outputValues = .allocate(capacity: outputCount)
    wantedNames = .allocate(capacity: outputCount)
    wantedIndices = .allocate(capacity: outputCount)
    outputDatatypes = .allocate(capacity: outputCount)
    for (index, output) in model.signature.outputs.enumerated() {
      (outputDatatypes + index).initialize(to: output.datatype)
    }
  }

  deinit {
    inputValues.deallocate()
    outputValues.deallocate()
    wantedNames.deallocate()
    wantedIndices.deallocate()
    outputDatatypes.deallocate()
    nowhere.deallocate()
  }

  var interruption: (any Interruption)? { runInterruption }

  func run(
    inputs: UnsafeBufferPointer<Tensor>, wanted: UInt64, outputs: UnsafeMutableBufferPointer<Tensor>
  ) throws(InferenceError) {
    precondition(
      inputs.count == inputCount && outputs.count >= outputCount,
      "run() takes one tensor for each input and room for each output. This is a bug.")
    var wantedCount = 0
    for index in 0..<outputCount where wanted >> UInt64(index) & 1 == 1 {
      wantedNames[wantedCount] = model.outputNames[index]
      wantedIndices[wantedCount] = index
      outputValues[wantedCount] = nil
      wantedCount += 1
    }
    guard wantedCount > 0 else { return }

    var made = 0
    defer { for index in 0..<made { api.ReleaseValue(inputValues[index]) } }
    while made < inputCount {
      inputValues[made] = try makeValue(inputs[made], name: model.inputNames[made])
      made += 1
    }
    try check(
      api.Run(
        model.session, runInterruption.options, model.inputNames, inputValues, inputCount, wantedNames, wantedCount,
        outputValues))
    try handOver(wantedCount, to: outputs, inputs: inputs)
  }

  // MARK: In

  private func makeValue(_ tensor: Tensor, name: UnsafePointer<CChar>?) throws(InferenceError) -> OpaquePointer {
    if tensor.datatype == .bytes { return try makeStringValue(tensor, name: name) }
    var value: OpaquePointer?
    // The library does not write to an input, though its type would allow it.
    let bytes = UnsafeMutableRawPointer(mutating: tensor.bytes.baseAddress) ?? nowhere
    try check(
      api.CreateTensorWithDataAsOrtValue(
        model.runtime.cpuMemory, bytes, tensor.bytes.count, tensor.shape.baseAddress, tensor.shape.count,
        OrtElementType(tensor.datatype).rawValue, &value))
    return value!
  }

  // MARK: Out

  /// Makes tensors of the values that the run left in `outputValues`.
  private func handOver(
    _ count: Int, to outputs: UnsafeMutableBufferPointer<Tensor>, inputs: UnsafeBufferPointer<Tensor>
  ) throws(InferenceError) {
    var done = 0
    do throws(InferenceError) {
      while done < count {
        let index = wantedIndices[done]
        outputs[index] = try makeTensor(outputValues[done]!, outputDatatypes[index], inputs)
        done += 1
      }
    } catch {
      for index in 0..<done { outputs[wantedIndices[index]].owner?.release() }
      for index in done..<count { api.ReleaseValue(outputValues[index]) }
      throw error
    }
  }

  // MARK: Failure

  /// Takes a status over and says whose fault it is; a null one is success.
  @inline(__always)
  func check(_ status: OpaquePointer?) throws(InferenceError) {
    if let status { throw failure(status) }
  }

  @inline(never)
  private func failure(_ status: OpaquePointer) -> InferenceError {
    do throws(OrtError) {
      try api.check(status)
      return .internal("a failure without a status. This is a bug.")
    } catch {
      if runInterruption.isRequested { return .cancelled("the run was stopped: \(error.message)") }
      return error.code == OrtError.invalidArgument ? .invalidArgument(error.message) : .internal(error.message)
    }
  }
}
