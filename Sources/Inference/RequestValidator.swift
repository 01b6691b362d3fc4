/// A signature and a batch limit, compiled to check requests on the event loop before they are queued.
///
/// A checked request can be batched and run without looking again: its inputs are in the signature's order, each has
/// the datatype, shape and byte count that the model takes, and all agree on the number of rows. The checks read the
/// request and write into it in place; they allocate nothing unless they fail. BOOL bytes are not looked at.
///
/// `@unchecked`: everything is set in `init` and only read afterwards.
package final class RequestValidator: @unchecked Sendable {
  package let signature: ModelSignature
  /// Most rows in one request; 0: axis 0 is not a batch axis.
  package let maxBatchSize: Int
  package let inputs: UnsafeBufferPointer<CompiledTensor>
  package let outputs: UnsafeBufferPointer<CompiledTensor>
  /// Whether two requests may differ in more than rows.
  package let hasVariableShapes: Bool

  package init(signature: ModelSignature, maxBatchSize: Int) {
    self.signature = signature
    self.maxBatchSize = maxBatchSize
    let isBatched = maxBatchSize > 0
    inputs = Self.compile(signature.inputs, isBatched: isBatched)
    outputs = Self.compile(signature.outputs, isBatched: isBatched)
    hasVariableShapes = isBatched && signature.inputs.contains { $0.shape.dropFirst().contains(-1) }
  }

  deinit {
    for tensor in inputs { tensor.deallocate() }
    for tensor in outputs { tensor.deallocate() }
    inputs.deallocate()
    outputs.deallocate()
  }

  private static func compile(_ metadata: [TensorMetadata], isBatched: Bool) -> UnsafeBufferPointer<CompiledTensor> {
    let compiled = UnsafeMutableBufferPointer<CompiledTensor>.allocate(capacity: metadata.count)
    _ = compiled.initialize(from: metadata.map { CompiledTensor($0, isBatched: isBatched) })
    return UnsafeBufferPointer(compiled)
  }

  /// Checks a request and prepares it for the pool: orders `inputs`, sets `rows`, `shapeKey`, `wantedOutputs` and the
  /// index of every requested output.
  ///
  /// - Throws: `.invalidArgument` with the tensor, what the model takes and what came. The order of `inputs` may have
  ///   changed by then.
  package func validate(_ request: RequestPointer) throws(InferenceError) {
    try orderInputs(of: request)
    var rows = 1
    var key: UInt64 = 0
    for index in 0..<inputs.count {
      let tensor = request.pointee.inputs[index]
      let expected = inputs[index]
      try check(tensor, against: expected)
      guard maxBatchSize > 0 else { continue }
      let inputRows = Int(tensor.shape[0])
      if index == 0 {
        try checkRows(inputRows, of: expected)
        rows = inputRows
      } else if inputRows != rows {
        throw .invalidArgument(
          "input \(quoted(expected.name)) has \(inputRows) rows; input \(quoted(inputs[0].name)) has \(rows)")
      }
      if hasVariableShapes {
        for axis in 1..<max(expected.shape.count, 1) where expected.shape[axis] < 0 {
          key = (key ^ UInt64(bitPattern: tensor.shape[axis])) &* 0x9E37_79B9_7F4A_7C15
          key ^= key >> 32
        }
      }
    }
    request.pointee.rows = rows
    request.pointee.shapeKey = key
    try checkRequestedOutputs(of: request)
  }

  /// Whether two valid requests have equal non-batch shapes: what an equal `shapeKey` makes likely and this makes sure.
  package func haveEqualShapes(_ left: RequestPointer, _ right: RequestPointer) -> Bool {
    guard hasVariableShapes else { return true }
    guard left.pointee.shapeKey == right.pointee.shapeKey else { return false }
    for index in 0..<inputs.count {
      let leftShape = left.pointee.inputs[index].shape
      let rightShape = right.pointee.inputs[index].shape
      for axis in 1..<max(leftShape.count, 1) where leftShape[axis] != rightShape[axis] { return false }
    }
    return true
  }

  // MARK: - Inputs

  /// Swaps each input to its place in the signature. Every swap puts one where it stays, so it takes `count` at most.
  private func orderInputs(of request: RequestPointer) throws(InferenceError) {
    let given = request.pointee.inputs
    for position in 0..<given.count {
      while position >= inputs.count || !inputs[position].isNamed(given[position].name) {
        guard let place = index(of: given[position].name, in: inputs) else {
          throw .invalidArgument(
            "input \(quoted(given[position].name)) is not one of the model's; it takes \(list(signature.inputs))")
        }
        guard place < given.count else { throw missingInput(of: given) }
        guard !inputs[place].isNamed(given[place].name) else {
          throw .invalidArgument("input \(quoted(given[place].name)) is given twice; the model takes it once")
        }
        given.swapAt(position, place)
      }
    }
    guard given.count == inputs.count else { throw missingInput(of: given) }
  }

  private func missingInput(of given: UnsafeMutableBufferPointer<Tensor>) -> InferenceError {
    for (index, input) in given.enumerated() where given[..<index].contains(where: { $0.name == input.name }) {
      return .invalidArgument("input \(quoted(input.name)) is given twice; the model takes it once")
    }
    for input in given where index(of: input.name, in: inputs) == nil {
      return .invalidArgument(
        "input \(quoted(input.name)) is not one of the model's; it takes \(list(signature.inputs))")
    }
    let missing = inputs.first { expected in !given.contains { expected.isNamed($0.name) } }
    return .invalidArgument(
      "input \(missing.map { quoted($0.name) } ?? "?") is missing; the model takes \(list(signature.inputs))")
  }

  private func check(_ tensor: Tensor, against expected: CompiledTensor) throws(InferenceError) {
    guard tensor.datatype == expected.datatype else {
      throw .invalidArgument(
        "input \(quoted(expected.name)) has datatype \(tensor.datatype); the model takes \(expected.datatype)")
    }
    guard fits(tensor.shape, expected.shape) else {
      throw .invalidArgument(
        "input \(quoted(expected.name)) has shape \(text(tensor.shape)); the model takes \(text(expected.shape))")
    }
    guard let count = TensorSize.elementCount(of: tensor.shape) else {
      throw .invalidArgument(
        "input \(quoted(expected.name)) has shape \(text(tensor.shape)): more elements than 63 bits can count")
    }
    if expected.elementBytes == 0 {
      try checkElements(tensor, count: count)
      return
    }
    let (size, overflow) = count.multipliedReportingOverflow(by: expected.elementBytes)
    guard !overflow, size == tensor.bytes.count else {
      throw .invalidArgument(
        "input \(quoted(expected.name)) holds \(tensor.bytes.count) bytes; "
          + "shape \(text(tensor.shape)) of \(expected.datatype) takes \(overflow ? "more than 2^63" : "\(size)")")
    }
  }

  private func fits(_ shape: UnsafeBufferPointer<Int64>, _ expected: UnsafeBufferPointer<Int64>) -> Bool {
    guard shape.count == expected.count else { return false }
    for axis in 0..<shape.count {
      guard shape[axis] >= 0, shape[axis] == expected[axis] || expected[axis] < 0 else { return false }
    }
    return true
  }

  /// Walks the length prefixes: they must give exactly `count` elements and end where the bytes do.
  private func checkElements(_ tensor: Tensor, count: Int) throws(InferenceError) {
    // Every element takes 4 bytes at least: a huge shape over few bytes is refused before the walk.
    guard count <= tensor.bytes.count / 4, let end = BytesElements(tensor.bytes).end(ofElements: count) else {
      throw .invalidArgument(
        "input \(quoted(tensor.name)) holds \(tensor.bytes.count) bytes; "
          + "they end before the \(count) BYTES elements of shape \(text(tensor.shape)) do")
    }
    guard end == tensor.bytes.count else {
      throw .invalidArgument(
        "input \(quoted(tensor.name)) holds \(tensor.bytes.count) bytes; "
          + "the \(count) BYTES elements of shape \(text(tensor.shape)) take \(end)")
    }
  }

  private func checkRows(_ rows: Int, of input: CompiledTensor) throws(InferenceError) {
    guard rows >= 1 else {
      throw .invalidArgument("input \(quoted(input.name)) has 0 rows; a request has at least 1")
    }
    guard rows <= maxBatchSize else {
      throw .invalidArgument("input \(quoted(input.name)) has \(rows) rows; the model takes at most \(maxBatchSize)")
    }
  }

  // MARK: - Outputs

  /// Outputs past the 64th have no bit in `wantedOutputs`: asking for one asks for all.
  private func checkRequestedOutputs(of request: RequestPointer) throws(InferenceError) {
    let requested = request.pointee.requestedOutputs
    guard requested.count > 0 else {
      request.pointee.wantedOutputs = .max
      return
    }
    var wanted: UInt64 = 0
    var wantsAll = false
    for position in 0..<requested.count {
      let output = requested[position]
      guard let index = index(of: output.name, in: outputs) else {
        throw .invalidArgument(
          "output \(quoted(output.name)) is not one of the model's; it gives \(list(signature.outputs))")
      }
      let isDouble =
        index < 64 ? wanted & (1 << UInt64(index)) != 0 : requested[..<position].contains { $0.index == index }
      guard !isDouble else {
        throw .invalidArgument("output \(quoted(output.name)) is requested twice; ask for it once")
      }
      try checkClassCount(of: output, datatype: outputs[index].datatype)
      requested[position].index = index
      if index < 64 { wanted |= 1 << UInt64(index) } else { wantsAll = true }
    }
    request.pointee.wantedOutputs = wantsAll ? .max : wanted
  }

  private func checkClassCount(of output: RequestedOutput, datatype: Datatype) throws(InferenceError) {
    guard output.classCount != 0 else { return }
    guard output.classCount > 0 else {
      throw .invalidArgument(
        "output \(quoted(output.name)) is requested with \(output.classCount) classes; the least is 1")
    }
    guard datatype != .bytes, datatype != .bool else {
      throw .invalidArgument(
        "output \(quoted(output.name)) is \(datatype), which cannot be classified; that takes a numeric datatype")
    }
  }

  // MARK: - Names and texts

  private func index(of name: UnsafeRawBufferPointer, in tensors: UnsafeBufferPointer<CompiledTensor>) -> Int? {
    for index in 0..<tensors.count where tensors[index].isNamed(name) { return index }
    return nil
  }

  /// Most of a name that an error repeats: a client chooses what it sends, and not how long the answer gets.
  private static let quotedByteLimit = 100

  private func quoted(_ name: UnsafeRawBufferPointer) -> String {
    guard name.count > RequestValidator.quotedByteLimit else { return "'\(String(decoding: name, as: UTF8.self))'" }
    var end = RequestValidator.quotedByteLimit
    // Back to where a character begins; at most three bytes, because the name may not be UTF-8 at all.
    while end > RequestValidator.quotedByteLimit - 3, name[end] & 0xC0 == 0x80 { end -= 1 }
    return "'\(String(decoding: name[..<end], as: UTF8.self))…'"
  }

  private func list(_ tensors: [TensorMetadata]) -> String {
    tensors.isEmpty ? "none" : tensors.map { "'\($0.name)'" }.joined(separator: ", ")
  }

  private func text(_ shape: UnsafeBufferPointer<Int64>) -> String {
    "[\(shape.map(String.init).joined(separator: ","))]"
  }
}
