internal import CProtobufC
internal import CProtos
internal import Glibc
package import Inference

/// How many things one inference request may have. A message past them is refused; no known model comes near.
enum InferRequestLimits {
  static let inputs = 1024
  static let requestedOutputs = 1024
  static let parameters = 256
  static let axes = 64
}

/// Reads a ModelInferRequest and fills in what was asked: names, inputs, requested outputs, parameters.
///
/// Whatever it makes lies in the request's arena; inputs whose bytes came raw point into `message`, which must stay
/// where it is for as long as the request lives. Inputs in shared memory have no bytes yet: `sharedTensors` says where
/// they are. Whether the tensors suit the model, and whether their bytes suit their shapes, is not looked at here:
/// requests come through other doors too.
///
/// - Throws: `.invalidArgument` for what the sender got wrong, with the field's path or the tensor's name;
///   `.resourceExhausted` if the arena is too small. The request is then half filled in: answer it with the error.
package func decodeModelInferRequest(
  message: UnsafeRawBufferPointer, into request: RequestPointer
) throws(InferenceError) {
  let arena = request.pointee.arena
  var split = try SplitInferRequest(message, in: arena)
  let unpacked = try unpack(split.rest, SplitInferRequest.schema, neededBytes: split.neededBytes, in: arena)
  let wire = UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: Inference__ModelInferRequest.self)

  request.pointee.modelName = bytes(of: wire.pointee.model_name)
  request.pointee.modelVersion = bytes(of: wire.pointee.model_version)
  request.pointee.id = bytes(of: wire.pointee.id)
  request.pointee.parameters = try requestParameters(wire, in: arena)
  request.pointee.requestedOutputs = try requestedOutputs(wire, of: request)
  request.pointee.inputs = try inputTensors(wire, &split.raw, of: request)
}

/// A string of an unpacked message. The scan has made sure that it holds no NUL before its end.
@inline(__always)
func bytes(of string: UnsafePointer<CChar>?) -> UnsafeRawBufferPointer {
  guard let string else { return UnsafeRawBufferPointer(start: nil, count: 0) }
  return UnsafeRawBufferPointer(start: string, count: strlen(string))
}

// MARK: - Inputs

private func inputTensors(
  _ wire: UnsafePointer<Inference__ModelInferRequest>, _ raw: inout RawContents, of request: RequestPointer
) throws(InferenceError) -> UnsafeMutableBufferPointer<Tensor> {
  let arena = request.pointee.arena
  let count = wire.pointee.n_inputs
  guard count <= InferRequestLimits.inputs else { throw tooMany("inputs", count, InferRequestLimits.inputs) }
  guard let tensors = arena.pointee.allocate(Tensor.self, count: count) else {
    throw outOfMemory(SplitInferRequest.schema, arena)
  }
  for index in 0..<count {
    let input = wire.pointee.inputs[index]!
    let tensor = try inputTensor(input, index, &raw, of: request)
    (tensors + index).initialize(to: tensor)
  }
  if raw.count > 0, raw.count != count || request.pointee.sharedTensors != nil {
    try checkRawCount(raw.count, inputs: count, request)
  }
  return UnsafeMutableBufferPointer(start: tensors, count: count)
}

@inline(__always)
private func inputTensor(
  _ input: UnsafePointer<Inference__ModelInferRequest__InferInputTensor>, _ index: Int, _ raw: inout RawContents,
  of request: RequestPointer
) throws(InferenceError) -> Tensor {
  let name = bytes(of: input.pointee.name)
  let token = bytes(of: input.pointee.datatype)
  guard let datatype = Datatype(token: token) else { throw unknownDatatype(of: name, token) }
  let shape = UnsafeBufferPointer(start: input.pointee.shape, count: input.pointee.n_shape)
  guard shape.count <= InferRequestLimits.axes else {
    throw tooMany("input \(quoted(name)): shape", shape.count, InferRequestLimits.axes)
  }
  for length in shape where length < 0 { throw negativeAxis(of: name, shape) }

  var tensor = Tensor(name: name, datatype: datatype, shape: shape, bytes: UnsafeRawBufferPointer(start: nil, count: 0))
  if input.pointee.n_parameters > 0, try isInSharedMemory(input, index, request) { return tensor }
  switch (raw.count > 0, input.pointee.contents) {
  case (true, nil):
    tensor.bytes = raw.next()
  case (false, let contents?):
    tensor.bytes = try rawBytes(of: contents, datatype, "input", name, in: request.pointee.arena)
  case (true, _?):
    throw .invalidArgument(
      "input \(quoted(name)) has contents, but the request has raw_input_contents; a request has one or the other")
  case (false, nil):
    throw .invalidArgument("input \(quoted(name)) has no contents, and the request has no raw_input_contents")
  }
  return tensor
}

// MARK: - Refusals

/// Text of the sender's for an error message: in quotes, and cut where it gets long.
func quoted(_ text: UnsafeRawBufferPointer) -> String {
  let limit = 128
  if text.count <= limit { return "'\(String(decoding: text, as: UTF8.self))'" }
  return "'\(String(decoding: text[..<limit], as: UTF8.self))…'"
}

@inline(never)
func tooMany(_ what: String, _ count: Int, _ limit: Int) -> InferenceError {
  .invalidArgument("\(what) has \(count) entries; the limit is \(limit)")
}

@inline(never)
private func unknownDatatype(of name: UnsafeRawBufferPointer, _ token: UnsafeRawBufferPointer) -> InferenceError {
  let known = Datatype.allCases.map(\.description).joined(separator: ", ")
  return .invalidArgument("input \(quoted(name)) has datatype \(quoted(token)); expected one of \(known)")
}

@inline(never)
private func negativeAxis(of name: UnsafeRawBufferPointer, _ shape: UnsafeBufferPointer<Int64>) -> InferenceError {
  .invalidArgument("input \(quoted(name)) has shape \(Array(shape)); the length of an axis is 0 or more")
}

/// Refuses a parameter of a tensor that this server does not act on.
func unknownTensorParameter(_ tensor: String, _ key: UnsafeRawBufferPointer) -> InferenceError {
  .invalidArgument("\(tensor): unknown parameter \(quoted(key))")
}
