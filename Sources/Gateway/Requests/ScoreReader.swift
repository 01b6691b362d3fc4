package import Inference

/// Reads a scoring request: any of the forms that clients of Azure ML, MLflow, TensorFlow Serving and Triton know.
///
/// | body | meaning |
/// |---|---|
/// | `{"inputs": [{"name", "shape", "datatype", "data"}]}` | Open Inference Protocol |
/// | `{"input_data": {"columns", "index", "data"}}` | a table: a column an input, or a row a row of the one input |
/// | `{"input_data": {"<input>": […], …}}` | inputs by name |
/// | `{"input_data": […]}` | the one input |
/// | `{"inputs": {"<input>": […], …}}`, `{"inputs": […]}` | TensorFlow Serving, by columns |
/// | `{"instances": […]}` | TensorFlow Serving, by rows: values of the one input, or objects of all inputs |
///
/// All but the first go by the model's signature: its datatypes, and its axes of length 1, which the lists may leave
/// out at their end.
package enum ScoreReader {
  /// - Parameters:
  ///   - body: Kept by the request.
  ///   - signature: Of the deployment that will probably answer.
  /// - Returns: How the answer is wanted.
  /// - Throws: `.invalidArgument` with the path of what is wrong, what was expected and what came.
  package static func read(
    _ body: ReceivedBody, signature: ModelSignature, into request: GatewayRequest
  ) throws(InferenceError) -> AnswerForm {
    var draft = ScoreDraft(request: request, signature: signature)
    do throws(JSONFault) {
      var scanner = JSONScanner(body.bytes)
      guard let kind = try ScoreKind(&scanner) else { return try openInference(body, request) }
      request.keep(body)
      scanner = JSONScanner(body.bytes, offset: kind.valueOffset)
      do throws(JSONFault) { try draft.read(kind, &scanner) } catch { throw error.inside(kind.member) }
      if let offset = kind.parametersOffset {
        scanner = JSONScanner(body.bytes, offset: offset)
        do throws(JSONFault) { try draft.readParameters(&scanner) } catch { throw error.inside("params") }
      }
      try draft.finish(kind)
      return kind.answer
    } catch {
      draft.drop()
      throw error.error
    }
  }

  /// Errors of the protocol's own reader pass as they are.
  private static func openInference(
    _ body: ReceivedBody, _ request: GatewayRequest
  ) throws(JSONFault) -> AnswerForm {
    do throws(InferenceError) { return try OpenInferenceReader.read(body, into: request) } catch {
      throw JSONFault(passing: error)
    }
  }

  /// Takes the whole body as the one input's bytes: at most one axis of any length besides the batch axis, which is 1.
  ///
  /// - Throws: `.invalidArgument` if the model has other than one input, or the bytes do not fit its shape.
  package static func readRaw(
    _ body: ReceivedBody, signature: ModelSignature, into request: GatewayRequest
  ) throws(InferenceError) {
    guard let input = signature.inputs.first, signature.inputs.count == 1 else {
      throw .invalidArgument(
        "a body of bytes alone is for models with one input; this one has \(signature.inputs.count): "
          + signature.inputs.map { "'\($0.name)'" }.joined(separator: ", "))
    }
    request.keep(body)
    let shape = try rawShape(of: input, isBatched: signature.isBatchable, byteCount: body.bytes.count)
    let bytes: UnsafeRawBufferPointer
    if input.datatype == .bytes {
      // One element: its length in front, as BYTES tensors have it.
      let length = UInt32(clamping: body.bytes.count)
      let element = TensorBuffer(prefixing: body.bytes, with: length)
      bytes = request.adopt(element)
    } else {
      bytes = body.bytes
    }
    let tensor = Tensor(
      name: try request.copy(input.name), datatype: input.datatype,
      shape: UnsafeBufferPointer(try request.copyValues(shape)), bytes: bytes)
    request.pointer.pointee.inputs = try request.copyValues([tensor])
  }

  private static func rawShape(
    of input: TensorMetadata, isBatched: Bool, byteCount: Int
  ) throws(InferenceError) -> [Int64] {
    var shape = input.shape
    if isBatched, !shape.isEmpty { shape[0] = 1 }
    let free = shape.indices.filter { shape[$0] < 0 }
    guard free.count <= 1 else {
      throw .invalidArgument(
        "a body of bytes alone leaves the shape of input '\(input.name)' open: \(free.count) of its axes are of any "
          + "length, expected at most 1 besides the batch axis")
    }
    if let axis = free.first {
      let known = shape.enumerated().reduce(1) { $1.offset == axis ? $0 : $0 * Int($1.element) }
      let size = known * (input.datatype.byteSize ?? max(byteCount, 1))
      guard size > 0, byteCount % size == 0 else {
        throw .invalidArgument(
          "the body has \(byteCount) bytes; input '\(input.name)' takes a multiple of \(size)")
      }
      shape[axis] = Int64(input.datatype == .bytes ? 1 : byteCount / size)
    }
    return shape
  }
}

extension TensorBuffer {
  fileprivate init(prefixing bytes: UnsafeRawBufferPointer, with length: UInt32) {
    self.init()
    append(length.littleEndian)
    append(limit: bytes.count) { memory in
      if let base = bytes.baseAddress { memory.copyMemory(from: base, byteCount: bytes.count) }
      return bytes.count
    }
  }
}

/// Which form a scoring body has, and where its value begins.
struct ScoreKind {
  /// The member that holds the tensors.
  let member: String
  let valueOffset: Int
  let answer: AnswerForm
  var parametersOffset: Int?

  /// Looks at the outermost members only. Nil: the Open Inference Protocol's form.
  init?(_ scanner: inout JSONScanner) throws(JSONFault) {
    guard scanner.next() == UInt8(ascii: "{") else {
      throw scanner.fault("an object with 'inputs', 'input_data' or 'instances'")
    }
    var found: (member: String, offset: Int, answer: AnswerForm)?
    var isOpenInference = false
    var parameters: Int?
    try scanner.object { scanner, name throws(JSONFault) in
      let isInputs = name.equals("inputs")
      if isInputs || name.equals("input_data") || name.equals("instances") {
        if let found {
          throw JSONFault("a request has one of 'inputs', 'input_data' and 'instances'; this one has '\(found.member)' too", at: scanner.offset)
        }
        if isInputs { isOpenInference = scanner.beginsOpenInferenceInputs() }
        let offset = try scanner.skipValue(depth: 1)
        let answer: AnswerForm = isInputs ? .outputs : name.equals("instances") ? .predictions : .list
        found = (name.text, offset, answer)
      } else {
        let offset = try scanner.skipValue(depth: 1)
        if name.equals("params") { parameters = offset }
      }
    }
    try scanner.expectEnd()
    guard let found else {
      throw JSONFault("expected 'inputs', 'input_data' or 'instances' as a member; the body has none of them", at: 0)
    }
    if isOpenInference { return nil }
    (member, valueOffset, answer) = found
    parametersOffset = parameters
  }
}

extension JSONScanner {
  /// Whether a list of tensors comes next: of objects that are not `{"b64": …}`.
  fileprivate func beginsOpenInferenceInputs() -> Bool {
    var scanner = self
    guard scanner.take("[") else { return false }
    if scanner.take("]") { return true }
    guard scanner.take("{"), scanner.next() == UInt8(ascii: "\""), let name = try? scanner.string() else { return false }
    return !name.equals("b64")
  }
}
