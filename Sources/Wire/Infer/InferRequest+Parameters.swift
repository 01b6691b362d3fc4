internal import CProtobufC
internal import CProtos
internal import Inference

/// The request's own parameters. A key that comes twice has its last value, as in every protobuf map.
func requestParameters(
  _ wire: UnsafePointer<Inference__ModelInferRequest>, in arena: UnsafeMutablePointer<Arena>
) throws(InferenceError) -> UnsafeMutableBufferPointer<RequestParameter> {
  let count = wire.pointee.n_parameters
  if count == 0 { return UnsafeMutableBufferPointer(start: nil, count: 0) }
  guard count <= InferRequestLimits.parameters else {
    throw tooMany("parameters", count, InferRequestLimits.parameters)
  }
  guard let parameters = arena.pointee.allocate(RequestParameter.self, count: count) else {
    throw outOfMemory(SplitInferRequest.schema, arena)
  }

  var used = 0
  for index in 0..<count {
    let entry = wire.pointee.parameters[index]!
    let key = bytes(of: entry.pointee.key)
    let value = parameterValue(entry.pointee.value)
    if let earlier = (0..<used).first(where: { parameters[$0].key == key }) {
      parameters[earlier].value = value
    } else {
      (parameters + used).initialize(to: RequestParameter(key: key, value: value))
      used += 1
    }
  }
  return UnsafeMutableBufferPointer(start: parameters, count: used)
}

/// A parameter's value. An entry without a value is legal on the wire and has none: protobuf-c gives NULL.
func parameterValue(_ wire: UnsafePointer<Inference__InferParameter>?) -> RequestParameter.Value {
  guard let wire else { return .unset }
  return switch wire.pointee.parameter_choice_case {
  case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM: .bool(wire.pointee.bool_param != 0)
  case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM: .int64(wire.pointee.int64_param)
  case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM: .uint64(wire.pointee.uint64_param)
  case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_DOUBLE_PARAM: .double(wire.pointee.double_param)
  case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM: .string(bytes(of: wire.pointee.string_param))
  default: .unset
  }
}

/// The outputs that the request names. Those that go to shared memory are noted in it.
func requestedOutputs(
  _ wire: UnsafePointer<Inference__ModelInferRequest>, of request: RequestPointer
) throws(InferenceError) -> UnsafeMutableBufferPointer<RequestedOutput> {
  let arena = request.pointee.arena
  let count = wire.pointee.n_outputs
  if count == 0 { return UnsafeMutableBufferPointer(start: nil, count: 0) }
  guard count <= InferRequestLimits.requestedOutputs else {
    throw tooMany("outputs", count, InferRequestLimits.requestedOutputs)
  }
  guard let outputs = arena.pointee.allocate(RequestedOutput.self, count: count) else {
    throw outOfMemory(SplitInferRequest.schema, arena)
  }
  for index in 0..<count {
    let output = wire.pointee.outputs[index]!
    var requested = RequestedOutput(name: bytes(of: output.pointee.name))
    if output.pointee.n_parameters > 0 { requested.classCount = try classCount(of: output, index, request) }
    (outputs + index).initialize(to: requested)
  }
  return UnsafeMutableBufferPointer(start: outputs, count: count)
}

/// What the parameters of an output ask for: the number of classes of the classification extension, or nothing but a place
/// in shared memory, which is noted in the request.
///
/// Source: Triton, "Classification Extension", "Shared-Memory Extension".
private func classCount(
  of output: UnsafePointer<Inference__ModelInferRequest__InferRequestedOutputTensor>, _ position: Int,
  _ request: RequestPointer
) throws(InferenceError) -> Int {
  let name = bytes(of: output.pointee.name)
  var classCount = 0
  var place = SharedTensorParameters()
  for index in 0..<output.pointee.n_parameters {
    let entry = output.pointee.parameters[index]!
    let key = bytes(of: entry.pointee.key)
    let value = parameterValue(entry.pointee.value)
    if try place.take(key, value, of: "output \(quoted(name))") { continue }
    guard key.equals("classification") else { throw unknownTensorParameter("output \(quoted(name))", key) }
    guard case .int64(let count) = value, count > 0 else {
      throw .invalidArgument("output \(quoted(name)): parameter 'classification' is an int64 over 0")
    }
    classCount = Int(count)
  }
  guard let shared = try place.place(.output, position, of: "output \(quoted(name))") else { return classCount }
  guard classCount == 0 else {
    throw .invalidArgument(
      "output \(quoted(name)) has the parameters 'classification' and 'shared_memory_region'; "
        + "an output has one or the other")
  }
  try note(shared, in: request)
  return 0
}
