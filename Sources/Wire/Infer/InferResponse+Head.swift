internal import Inference

/// Everything of a ModelInferResponse but the tensors' bytes: measured, then written.
///
/// By hand, since protobuf-c would need each name copied to end with a NUL and the same fields walked three times.
struct InferResponseHead {
  private let modelName: UnsafeRawBufferPointer
  private let modelVersion: UnsafeRawBufferPointer
  private let id: UnsafeRawBufferPointer
  private let outputs: UnsafeMutableBufferPointer<Tensor>
  private let sharedTensors: UnsafeMutablePointer<SharedTensor>?
  private let isFinal: Bool?
  let byteCount: Int

  // Fields of ModelInferResponse.
  private static let modelNameField: UInt8 = 1
  private static let modelVersionField: UInt8 = 2
  private static let idField: UInt8 = 3
  private static let parametersField: UInt8 = 4
  private static let outputsField: UInt8 = 5

  /// - Parameters:
  ///   - sharedTensors: Which of the outputs lie in shared memory, among others.
  ///   - isFinal: Value of the parameter `triton_final_response`; nil leaves it out.
  init(
    modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer,
    outputs: UnsafeMutableBufferPointer<Tensor>, sharedTensors: UnsafeMutablePointer<SharedTensor>? = nil,
    isFinal: Bool? = nil
  ) {
    self.modelName = modelName
    self.modelVersion = modelVersion
    self.id = id
    self.outputs = outputs
    self.sharedTensors = sharedTensors
    self.isFinal = isFinal
    var count = WireWriter.stringSize(modelName) + WireWriter.stringSize(modelVersion) + WireWriter.stringSize(id)
    if isFinal != nil { count += WireWriter.lengthDelimitedSize(FinalResponse.byteCount) }
    for index in 0..<outputs.count {
      count += WireWriter.lengthDelimitedSize(OutputHead(outputs[index], index, sharedTensors).byteCount)
    }
    byteCount = count
  }

  func write(to writer: inout WireWriter) {
    writer.string(Self.modelNameField, modelName)
    writer.string(Self.modelVersionField, modelVersion)
    writer.string(Self.idField, id)
    if let isFinal {
      writer.lengthDelimited(Self.parametersField, count: FinalResponse.byteCount)
      FinalResponse.write(isFinal, to: &writer)
    }
    for index in 0..<outputs.count {
      let output = OutputHead(outputs[index], index, sharedTensors)
      writer.lengthDelimited(Self.outputsField, count: output.byteCount)
      output.write(to: &writer)
    }
  }
}

/// An InferOutputTensor without contents.
private struct OutputHead {
  private let name: UnsafeRawBufferPointer
  private let datatype: UnsafeRawBufferPointer
  private let shape: UnsafeBufferPointer<Int64>
  private let shapeBytes: Int
  /// Where it lies, if that is shared memory.
  private let place: UnsafeMutablePointer<SharedTensor>?
  let byteCount: Int

  private static let nameField: UInt8 = 1
  private static let datatypeField: UInt8 = 2
  private static let shapeField: UInt8 = 3

  @inline(__always)
  init(_ tensor: borrowing Tensor, _ index: Int, _ sharedTensors: UnsafeMutablePointer<SharedTensor>?) {
    name = tensor.name
    let token = tensor.datatype.token
    datatype = UnsafeRawBufferPointer(start: token.utf8Start, count: token.utf8CodeUnitCount)
    shape = tensor.shape
    var bytes = 0
    for length in shape { bytes += WireWriter.varintSize(UInt64(bitPattern: length)) }
    shapeBytes = bytes
    let place = sharedTensors == nil ? nil : SharedTensor.output(at: index, in: sharedTensors)
    self.place = place
    let parameterBytes = place.map { SharedMemoryParameters.byteCount(of: $0.pointee) } ?? 0
    byteCount = WireWriter.stringSize(name) + WireWriter.stringSize(datatype)
      + (bytes > 0 ? WireWriter.lengthDelimitedSize(bytes) : 0) + parameterBytes
  }

  func write(to writer: inout WireWriter) {
    writer.string(Self.nameField, name)
    writer.string(Self.datatypeField, datatype)
    if shapeBytes > 0 {
      writer.lengthDelimited(Self.shapeField, count: shapeBytes)
      for length in shape { writer.varint(UInt64(bitPattern: length)) }
    }
    if let place { SharedMemoryParameters.write(place.pointee, to: &writer) }
  }
}

/// The entry `triton_final_response` of the parameters.
private enum FinalResponse {
  private static let key: StaticString = "triton_final_response"
  private static var keyBytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)
  }
  /// An InferParameter with `bool_param`, whose field number is 1, in two bytes.
  private static let valueBytes = 2

  static var byteCount: Int { WireWriter.stringSize(keyBytes) + WireWriter.lengthDelimitedSize(valueBytes) }

  static func write(_ isFinal: Bool, to writer: inout WireWriter) {
    writer.string(1, keyBytes)
    writer.lengthDelimited(2, count: valueBytes)
    writer.varint(1 << 3)
    writer.varint(isFinal ? 1 : 0)
  }
}
