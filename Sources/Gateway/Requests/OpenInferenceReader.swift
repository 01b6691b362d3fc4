package import Inference

/// Reads a ModelInfer request of the Open Inference Protocol's REST form.
///
/// Tensors are read from the text straight into their memory, or stay in the body where they came as binary data.
/// Members that the protocol does not name are passed over. Tensors in shared memory are only noted in the request. (Triton,
/// "Binary Tensor Data Extension", "Classification Extension", "Parameters Extension", "Shared-Memory Extension".)
package enum OpenInferenceReader {
  /// Inputs, outputs and parameters of one request, at most of each.
  static let maxParts = 4096

  /// - Parameters:
  ///   - body: Kept by the request.
  ///   - jsonByteCount: The header `Inference-Header-Content-Length`: where the JSON ends and binary data begins. Nil:
  ///     all of it is JSON.
  /// - Returns: How the answer is wanted.
  /// - Throws: `.invalidArgument` with the path of what is wrong, what was expected and what came.
  package static func read(
    _ body: ReceivedBody, jsonByteCount: Int? = nil, into request: GatewayRequest
  ) throws(InferenceError) -> AnswerForm {
    request.keep(body)
    let jsonByteCount = jsonByteCount ?? body.bytes.count
    guard jsonByteCount <= body.bytes.count else {
      throw .invalidArgument(
        "Inference-Header-Content-Length is \(jsonByteCount); the whole body has \(body.bytes.count) bytes")
    }
    var draft = Draft(request: request)
    do throws(JSONFault) {
      var scanner = JSONScanner(UnsafeRawBufferPointer(rebasing: body.bytes[..<jsonByteCount]))
      try draft.read(&scanner)
    } catch {
      draft.drop()
      throw error.error
    }
    let binary = UnsafeRawBufferPointer(rebasing: body.bytes[jsonByteCount...])
    do throws(InferenceError) { return try draft.finish(binary) } catch {
      draft.drop()
      throw error
    }
  }

  /// An input as it was written, before its bytes are known.
  fileprivate struct Input {
    var name: JSONString?
    var shape: [Int64]?
    var datatype: Datatype?
    var binaryByteCount: Int?
    var place = SharedTensorParameters()
    var tensor: TensorAssembler?
    /// Where `data` begins, if it came before the datatype.
    var dataOffset: Int?
  }

  fileprivate struct Output {
    var name: JSONString?
    var classCount = 0
    var isBinary: Bool?
    var place = SharedTensorParameters()
  }

  fileprivate struct Draft {
    let request: GatewayRequest
    var id: JSONString?
    var inputs: [Input]?
    var outputs: [Output] = []
    var parameters: [RequestParameter] = []
    var binaryByDefault = false

    init(request: GatewayRequest) { self.request = request }

    /// Frees what no request has taken over.
    mutating func drop() {
      for input in inputs ?? [] { input.tensor?.buffer.deallocate() }
      inputs = nil
    }
  }
}

extension OpenInferenceReader.Draft {
  fileprivate typealias Input = OpenInferenceReader.Input
  fileprivate typealias Output = OpenInferenceReader.Output

  fileprivate mutating func read(_ scanner: inout JSONScanner) throws(JSONFault) {
    try scanner.object { scanner, name throws(JSONFault) in
      if name.equals("id") {
        id = try scanner.string()
      } else if name.equals("parameters") {
        try readParameters(&scanner)
      } else if name.equals("inputs") {
        guard inputs == nil else { throw JSONFault("given twice", at: scanner.offset) }
        inputs = []
        try scanner.list { scanner, index throws(JSONFault) in
          try checkCount(index, scanner.offset)
          try readInput(&scanner)
        }
      } else if name.equals("outputs") {
        guard outputs.isEmpty else { throw JSONFault("given twice", at: scanner.offset) }
        try scanner.list { scanner, index throws(JSONFault) in
          try checkCount(index, scanner.offset)
          outputs.append(try readOutput(&scanner))
        }
      } else {
        try scanner.skipValue(depth: 1)
      }
    }
    try scanner.expectEnd()
    guard inputs != nil else { throw JSONFault("'inputs' is missing: expected a list of tensors", at: 0) }
  }

  private func checkCount(_ index: Int, _ offset: Int) throws(JSONFault) {
    guard index < OpenInferenceReader.maxParts else {
      throw JSONFault("more than the limit of \(OpenInferenceReader.maxParts)", at: offset)
    }
  }

  // MARK: - Inputs

  private mutating func readInput(_ scanner: inout JSONScanner) throws(JSONFault) {
    var input = Input()
    let start = scanner.offset
    do throws(JSONFault) {
      try scanner.object { scanner, name throws(JSONFault) in try readMember(of: &input, name, &scanner) }
      guard input.name != nil else { throw JSONFault("'name' is missing", at: start) }
      guard input.datatype != nil else { throw JSONFault("'datatype' is missing", at: start) }
      guard input.shape != nil else { throw JSONFault("'shape' is missing", at: start) }
      try readLateData(of: &input, scanner)
      let isShared = !input.place.isEmpty
      guard input.tensor != nil || input.binaryByteCount != nil || isShared else {
        throw JSONFault("'data' is missing, and so is the parameter 'binary_data_size'", at: start)
      }
      guard !isShared || input.tensor == nil && input.binaryByteCount == nil else {
        let other = input.tensor == nil ? "the parameter 'binary_data_size'" : "'data'"
        throw JSONFault("both \(other) and the parameter 'shared_memory_region' are given: expected one of them", at: start)
      }
      guard input.tensor == nil || input.binaryByteCount == nil else {
        throw JSONFault("both 'data' and the parameter 'binary_data_size' are given: expected one of them", at: start)
      }
      try checkShape(of: input, start)
    } catch {
      input.tensor?.buffer.deallocate()
      throw error
    }
    inputs?.append(input)
  }

  private mutating func readMember(
    of input: inout Input, _ name: JSONString, _ scanner: inout JSONScanner
  ) throws(JSONFault) {
    if name.equals("name") {
      input.name = try scanner.string()
    } else if name.equals("datatype") {
      _ = scanner.next()
      let start = scanner.offset
      let token = try scanner.string()
      guard let datatype = Datatype(token: token.raw) else {
        throw JSONFault("expected a datatype such as FP32 or BYTES, got \"\(token.quotable)\"", at: start)
      }
      input.datatype = datatype
    } else if name.equals("shape") {
      var shape: [Int64] = []
      try scanner.list { scanner, index throws(JSONFault) in
        guard index < TensorAssembler.maxRank else {
          throw JSONFault("more than the limit of \(TensorAssembler.maxRank) axes", at: scanner.offset)
        }
        let start = scanner.offset
        let length = try Int64.read(&scanner)
        guard length >= 0 else { throw JSONFault("expected a length of 0 or more, got \(length)", at: start) }
        shape.append(length)
      }
      input.shape = shape
    } else if name.equals("data") {
      guard input.tensor == nil, input.dataOffset == nil else { throw JSONFault("given twice", at: scanner.offset) }
      if let datatype = input.datatype { return try readData(of: &input, datatype, &scanner) }
      // Its type is not known yet: come back when it is.
      input.dataOffset = try scanner.skipValue(depth: 3)
    } else if name.equals("parameters") {
      try readInputParameters(&input, &scanner)
    } else {
      try scanner.skipValue(depth: 3)
    }
  }

  private func readLateData(of input: inout Input, _ scanner: JSONScanner) throws(JSONFault) {
    guard let offset = input.dataOffset, let datatype = input.datatype else { return }
    var scanner = JSONScanner(scanner.bytes, offset: offset)
    do throws(JSONFault) { try readData(of: &input, datatype, &scanner) } catch { throw error.inside("data") }
  }

  private func readData(
    of input: inout Input, _ datatype: Datatype, _ scanner: inout JSONScanner
  ) throws(JSONFault) {
    guard datatype != .fp16, datatype != .bf16 else {
      throw JSONFault("\(datatype) has no form in JSON: send it as binary data", at: scanner.offset)
    }
    guard scanner.next() == UInt8(ascii: "[") else { throw scanner.fault("a list") }
    var tensor = TensorAssembler(datatype)
    if let count = input.shape?.reduce(Int64(1), { $0.multipliedReportingOverflow(by: $1).partialValue }), count > 0 {
      // No more than the text can hold: an element takes two bytes of it at least.
      let most = (scanner.bytes.count - scanner.offset) / 2
      tensor.reserve(min(Int(count), most))
    }
    do throws(JSONFault) { try tensor.read(&scanner) } catch {
      tensor.buffer.deallocate()
      throw error
    }
    input.tensor = tensor
  }

  /// The elements have to be as many as the shape says, and lists within the list have to be nested as it says, but for
  /// axes of length 1.
  private func checkShape(of input: Input, _ start: Int) throws(JSONFault) {
    guard let tensor = input.tensor, let shape = input.shape else { return }
    let expected = shape.withUnsafeBufferPointer { TensorSize.elementCount(of: $0) }
    guard tensor.elementCount == expected else {
      throw JSONFault(
        "holds \(tensor.elementCount) elements; shape \(text(shape)) takes "
          + (expected.map(String.init) ?? "more than 63 bits can count"), at: start
      ).inside("data")
    }
    let nesting = tensor.shape()
    guard nesting.count <= 1 || tensor.elementCount == 0 || nesting.filter({ $0 != 1 }) == shape.filter({ $0 != 1 })
    else {
      throw JSONFault("is nested as \(text(nesting)); 'shape' is \(text(shape))", at: start).inside("data")
    }
  }

  private func text(_ shape: [Int64]) -> String { "[\(shape.map(String.init).joined(separator: ","))]" }

  private mutating func readInputParameters(_ input: inout Input, _ scanner: inout JSONScanner) throws(JSONFault) {
    try scanner.object { scanner, name throws(JSONFault) in
      if name.equals("binary_data_size") {
        let start = scanner.offset
        let size = try Int64.read(&scanner)
        guard size >= 0 else { throw JSONFault("expected 0 or more, got \(size)", at: start) }
        input.binaryByteCount = Int(size)
      } else if try !readPlace(&input.place, name, &scanner) {
        try scanner.skipValue(depth: 4)
      }
    }
  }

  // MARK: - Shared memory

  /// Reads one of the parameters that say where in shared memory a tensor lies; false: it is none of them.
  private func readPlace(
    _ place: inout SharedTensorParameters, _ name: JSONString, _ scanner: inout JSONScanner
  ) throws(JSONFault) -> Bool {
    if name.equals("shared_memory_region") {
      let region = try scanner.string()
      do throws(InferenceError) { place.region = try request.copy(region) } catch { throw JSONFault(passing: error) }
      return true
    }
    if name.equals("shared_memory_byte_size") {
      place.byteSize = try readSize(&scanner)
      return true
    }
    if name.equals("shared_memory_offset") {
      place.offset = try readSize(&scanner)
      return true
    }
    return false
  }

  private func readSize(_ scanner: inout JSONScanner) throws(JSONFault) -> Int64 {
    _ = scanner.next()
    let start = scanner.offset
    let size = try Int64.read(&scanner)
    guard size >= 0 else { throw JSONFault("expected 0 or more, got \(size)", at: start) }
    return size
  }

  /// Notes in the request that one of its tensors lies in shared memory, if it does.
  private func note(
    _ parameters: SharedTensorParameters, _ role: SharedTensor.Role, _ position: Int, _ path: String
  ) throws(InferenceError) {
    guard let tensor = try parameters.place(role, position, of: path) else { return }
    guard request.pointer.pointee.note(tensor) else { throw request.arenaIsFull }
  }

  // MARK: - Outputs

  private mutating func readOutput(_ scanner: inout JSONScanner) throws(JSONFault) -> Output {
    var output = Output()
    _ = scanner.next()
    let start = scanner.offset
    try scanner.object { scanner, name throws(JSONFault) in
      if name.equals("name") {
        output.name = try scanner.string()
      } else if name.equals("parameters") {
        try scanner.object { scanner, name throws(JSONFault) in
          if name.equals("binary_data") {
            output.isBinary = try JSONBool.read(&scanner).value != 0
          } else if name.equals("classification") {
            output.classCount = Int(try Int64.read(&scanner))
          } else if try !readPlace(&output.place, name, &scanner) {
            try scanner.skipValue(depth: 4)
          }
        }
      } else {
        try scanner.skipValue(depth: 3)
      }
    }
    guard output.name != nil else { throw JSONFault("'name' is missing", at: start) }
    return output
  }

  // MARK: - Parameters

  private mutating func readParameters(_ scanner: inout JSONScanner) throws(JSONFault) {
    try scanner.object { scanner, name throws(JSONFault) in
      guard parameters.count < OpenInferenceReader.maxParts else {
        throw JSONFault("more than the limit of \(OpenInferenceReader.maxParts)", at: scanner.offset)
      }
      if name.equals("binary_data_output") {
        binaryByDefault = try JSONBool.read(&scanner).value != 0
        return
      }
      if let value = try scanner.parameter(request) {
        do throws(InferenceError) {
          parameters.append(RequestParameter(key: try request.copy(name), value: value))
        } catch { throw JSONFault(passing: error) }
      }
    }
  }

  // MARK: - The end

  /// Cuts the binary data up, and gives everything to the request.
  fileprivate mutating func finish(_ binary: UnsafeRawBufferPointer) throws(InferenceError) -> AnswerForm {
    let message = request.pointer
    if let id { message.pointee.id = try request.copy(id) }
    var tensors: [Tensor] = []
    var offset = 0
    let read = inputs ?? []
    for index in read.indices {
      guard let name = read[index].name, let datatype = read[index].datatype, let shape = read[index].shape else {
        preconditionFailure("An input was taken without its name, datatype or shape. This is a bug.")
      }
      let bytes: UnsafeRawBufferPointer
      if let size = read[index].binaryByteCount {
        guard size <= binary.count - offset else {
          throw .invalidArgument(
            "inputs[\(index)].parameters.binary_data_size is \(size); \(binary.count - offset) bytes of binary data "
              + "are left of the \(binary.count) that follow the JSON")
        }
        bytes = UnsafeRawBufferPointer(rebasing: binary[offset..<offset + size])
        offset += size
      } else {
        bytes = read[index].tensor.map { request.adopt($0.buffer) } ?? UnsafeRawBufferPointer(start: nil, count: 0)
        inputs?[index].tensor = nil
      }
      try note(read[index].place, .input, index, "inputs[\(index)].parameters")
      tensors.append(
        Tensor(
          name: try request.copy(name), datatype: datatype,
          shape: UnsafeBufferPointer(try request.copyValues(shape)), bytes: bytes))
    }
    guard offset == binary.count else {
      throw .invalidArgument(
        "\(binary.count) bytes of binary data follow the JSON; the inputs' binary_data_size add up to \(offset)")
    }
    message.pointee.inputs = try request.copyValues(tensors)
    message.pointee.parameters = try request.copyValues(parameters)
    var requested: [RequestedOutput] = []
    for output in outputs {
      guard let name = output.name else { continue }
      try note(output.place, .output, requested.count, "outputs[\(requested.count)].parameters")
      guard output.classCount == 0 || output.place.isEmpty else {
        throw .invalidArgument(
          "outputs[\(requested.count)].parameters has both classification and shared_memory_region: expected one of them")
      }
      requested.append(RequestedOutput(name: try request.copy(name), classCount: output.classCount))
    }
    message.pointee.requestedOutputs = try request.copyValues(requested)
    return .openInference(binaryByDefault: binaryByDefault, binary: outputs.map(\.isBinary))
  }
}

extension TensorAssembler {
  /// Makes room for so many elements of a fixed size.
  mutating func reserve(_ count: Int) { reserveBytes(count * (datatype.byteSize ?? 4)) }
}

extension JSONScanner {
  /// A request parameter's value; nil for `null`, which is one that is not given.
  mutating func parameter(_ request: GatewayRequest) throws(JSONFault) -> RequestParameter.Value? {
    switch next() {
    case UInt8(ascii: "\""):
      let text = try string()
      do throws(InferenceError) { return .string(try request.copy(text)) } catch {
        throw JSONFault(passing: error)
      }
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try JSONBool.read(&self).value != 0)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      let number = try number()
      let isWritten = number.text.contains { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }
      if !isWritten, let value = number.integer(Int64.self) { return .int64(value) }
      if !isWritten, let value = number.integer(UInt64.self) { return .uint64(value) }
      return .double(number.double)
    default:
      if takeWord("null") { return nil }
      throw fault("a string, a number, true or false")
    }
  }
}
