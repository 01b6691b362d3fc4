internal import CONNXRuntime
internal import Inference

/// What a loaded session says of the model's inputs and outputs.
struct SignatureReader {
  let runtime: Runtime
  let session: OpaquePointer  // OrtSession *

  /// Bits in `ModelInstance.run(wanted:)`.
  private static let maxOutputs = 64

  private var api: OrtAPI { runtime.api }

  /// - Throws: `.invalidArgument` if the model has something that the Open Inference Protocol can't carry.
  func read() throws(InferenceError) -> ModelSignature {
    let inputs: [Description]
    let outputs: [Description]
    do throws(OrtError) {
      inputs = try read(count: api.SessionGetInputCount, name: api.SessionGetInputName, api.SessionGetInputTypeInfo)
      outputs = try read(count: api.SessionGetOutputCount, name: api.SessionGetOutputName, api.SessionGetOutputTypeInfo)
    } catch {
      throw .invalidArgument("its inputs and outputs can't be read: \(error.message)")
    }
    guard outputs.count <= Self.maxOutputs else {
      throw .invalidArgument("it has \(outputs.count) outputs; at most \(Self.maxOutputs) are served")
    }
    var signature = ModelSignature(inputs: [], outputs: [], isBatchable: isBatchable(inputs, outputs))
    for input in inputs { signature.inputs.append(try metadata(of: input, "input")) }
    for output in outputs { signature.outputs.append(try metadata(of: output, "output")) }
    return signature
  }

  // MARK: What the library says

  private struct Description {
    var name: String
    /// `ONNXType`: 1 is a tensor.
    var kind: Int32
    var elementType: Int32 = 0
    /// Nil where the model does not even say how many axes there are.
    var shape: [Int64]? = []
    /// The name of axis 0, if it has one.
    var firstAxisName = ""
  }

  private typealias Count = @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int>?) -> OpaquePointer?
  private typealias Name = @convention(c) (
    OpaquePointer?, Int, OpaquePointer?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
  ) -> OpaquePointer?
  private typealias TypeOf = @convention(c) (
    OpaquePointer?, Int, UnsafeMutablePointer<OpaquePointer?>?
  ) -> OpaquePointer?

  private func read(count: Count, name: Name, _ type: TypeOf) throws(OrtError) -> [Description] {
    var total = 0
    try api.check(count(session, &total))
    var descriptions: [Description] = []
    for index in 0..<total {
      var text: UnsafeMutablePointer<CChar>?
      try api.check(name(session, index, runtime.allocator, &text))
      defer { api.ignore(api.AllocatorFree(runtime.allocator, text)) }
      let info = try api.create { type(session, index, $0) }
      defer { api.ReleaseTypeInfo(info) }
      descriptions.append(try describe(info, name: text.map { String(cString: $0) } ?? ""))
    }
    return descriptions
  }

  private func describe(_ info: OpaquePointer, name: String) throws(OrtError) -> Description {
    var description = Description(name: name, kind: 0)
    try api.check(api.GetOnnxTypeFromTypeInfo(info, &description.kind))
    guard description.kind == 1 else { return description }
    var tensor: OpaquePointer?  // part of `info`, not released
    try api.check(api.CastTypeInfoToTensorInfo(info, &tensor))
    guard let tensor else { return description }
    try api.check(api.GetTensorElementType(tensor, &description.elementType))
    if let hasShape = api.TensorTypeAndShape_HasShape, !hasShape(tensor) {
      description.shape = nil
      return description
    }
    var rank = 0
    try api.check(api.GetDimensionsCount(tensor, &rank))
    guard rank > 0 else { return description }
    var shape = [Int64](repeating: -1, count: rank)
    try api.check(api.GetDimensions(tensor, &shape, rank))
    description.shape = shape
    var names = [UnsafePointer<CChar>?](repeating: nil, count: rank)  // part of `info` as well
    try api.check(api.GetSymbolicDimensions(tensor, &names, rank))
    description.firstAxisName = names[0].map { String(cString: $0) } ?? ""
    return description
  }

  // MARK: What that means

  /// By `ONNXType`.
  private static let kinds = [
    "of no known kind", "a tensor", "a sequence", "a map", "opaque", "a sparse tensor", "optional",
  ]

  private func metadata(of tensor: Description, _ role: String) throws(InferenceError) -> TensorMetadata {
    guard tensor.kind == 1 else {
      let kind = Self.kinds.indices.contains(Int(tensor.kind)) ? Self.kinds[Int(tensor.kind)] : "of kind \(tensor.kind)"
      throw .invalidArgument("its \(role) '\(tensor.name)' is \(kind); only tensors are served")
    }
    guard let datatype = OrtElementType(rawValue: tensor.elementType)?.datatype else {
      let type = OrtElementType(rawValue: tensor.elementType).map { "\($0)" } ?? "number \(tensor.elementType)"
      throw .invalidArgument(
        "its \(role) '\(tensor.name)' has element type \(type), which the Open Inference Protocol does not have")
    }
    guard let shape = tensor.shape ?? (role == "output" ? [] : nil) else {
      throw .invalidArgument("its input '\(tensor.name)' has no shape, not even a number of axes")
    }
    return TensorMetadata(name: tensor.name, datatype: datatype, shape: shape)
  }

  /// Whether rows of several requests may be joined along axis 0: every tensor has an axis 0 of any length, and no two
  /// inputs name theirs differently.
  private func isBatchable(_ inputs: [Description], _ outputs: [Description]) -> Bool {
    guard !inputs.isEmpty, (inputs + outputs).allSatisfy({ $0.shape?.first == -1 }) else { return false }
    // Exporters write names such as `unk__214` for an axis of which they know nothing (tf2onnx).
    let names = Set(inputs.map(\.firstAxisName).filter { !$0.isEmpty && !$0.hasPrefix("unk__") })
    return names.count < 2
  }
}
