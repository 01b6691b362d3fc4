internal import CProtobufC
internal import CProtos
package import Inference

/// Tensors up to this size are copied behind the message's head; larger ones are sent from where they lie. A further
/// `iovec` costs about as much as copying 2 KiB.
private let inlineBytes = 2048

/// Writes the answer to a request as a ModelInferResponse.
///
/// The first segment holds the head and small tensors; each large tensor is a segment of its own and takes the tensor's
/// owner along, so that it is released once, when it has been sent.
///
/// - Parameters:
///   - request: Answered, with its outputs in place.
///   - headroom: Bytes to leave free at the start of the first segment, for what is put in front of a message.
/// - Returns: The segments in the request's arena, or nil if the arena is full; then nothing has changed hands.
package func encodeModelInferResponse(
  _ request: RequestPointer, modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  guard
    let head = responseHead(request, modelName: modelName, modelVersion: modelVersion, hasOutputs: true, isFinal: nil)
  else { return nil }
  return segments(request, head: UnsafePointer(head), messageInStream: false, headroom: headroom)
}

/// Writes the answer to a request as a ModelStreamInferResponse.
///
/// - Parameter isFinal: Value of the parameter `triton_final_response`; nil leaves it out.
package func encodeModelStreamInferResponse(
  _ request: RequestPointer, modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer,
  isFinal: Bool?, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  guard
    let head = responseHead(
      request, modelName: modelName, modelVersion: modelVersion, hasOutputs: true, isFinal: isFinal)
  else { return nil }
  return segments(request, head: UnsafePointer(head), messageInStream: true, headroom: headroom)
}

/// Writes a request's failure as a ModelStreamInferResponse: the stream goes on.
///
/// The response in it has no outputs and tells the client which request failed.
package func encodeModelStreamInferError(
  _ request: RequestPointer, _ failure: InferenceError, modelName: UnsafeRawBufferPointer,
  modelVersion: UnsafeRawBufferPointer, isFinal: Bool?, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let arena = request.pointee.arena
  var text = failure.message
  let message = text.withUTF8 { cString(UnsafeRawBufferPointer($0), in: arena) }
  guard
    let message,
    let head = responseHead(
      request, modelName: modelName, modelVersion: modelVersion, hasOutputs: false, isFinal: isFinal)
  else { return nil }
  var stream = Inference__ModelStreamInferResponse()
  inference__model_stream_infer_response__init(&stream)
  stream.error_message = message
  stream.infer_response = head

  let size = inference__model_stream_infer_response__get_packed_size(&stream)
  guard
    let room = arena.pointee.allocate(byteCount: headroom + size),
    let segment = arena.pointee.allocate(Segment.self, count: 1)
  else { return nil }
  inference__model_stream_infer_response__pack(
    &stream, (room + headroom).bindMemory(to: UInt8.self, capacity: size))
  segment.initialize(to: Segment(bytes: UnsafeRawBufferPointer(start: room, count: headroom + size)))
  return UnsafeMutableBufferPointer(start: segment, count: 1)
}

// MARK: - Head

/// Everything of the response but the tensors' bytes.
private func responseHead(
  _ request: RequestPointer, modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer, hasOutputs: Bool,
  isFinal: Bool?
) -> UnsafeMutablePointer<Inference__ModelInferResponse>? {
  let arena = request.pointee.arena
  guard
    let head = arena.pointee.allocate(Inference__ModelInferResponse.self, count: 1),
    let name = cString(modelName, in: arena), let version = cString(modelVersion, in: arena),
    let id = cString(request.pointee.id, in: arena)
  else { return nil }
  inference__model_infer_response__init(head)
  head.pointee.model_name = name
  head.pointee.model_version = version
  head.pointee.id = id
  if let isFinal {
    guard let parameters = finalResponseParameter(isFinal, in: arena) else { return nil }
    head.pointee.n_parameters = 1
    head.pointee.parameters = parameters
  }
  if hasOutputs {
    guard let outputs = outputTensors(request.pointee.outputs, in: arena) else { return nil }
    head.pointee.n_outputs = request.pointee.outputs.count
    head.pointee.outputs = outputs
  }
  return head
}

private typealias OutputTensor = Inference__ModelInferResponse__InferOutputTensor

private func outputTensors(
  _ tensors: UnsafeMutableBufferPointer<Tensor>, in arena: UnsafeMutablePointer<Arena>
) -> UnsafeMutablePointer<UnsafeMutablePointer<OutputTensor>?>? {
  guard
    let list = arena.pointee.allocate(UnsafeMutablePointer<OutputTensor>?.self, count: tensors.count),
    let outputs = arena.pointee.allocate(OutputTensor.self, count: tensors.count)
  else { return nil }
  for index in 0..<tensors.count {
    let output = outputs + index
    guard let name = cString(tensors[index].name, in: arena) else { return nil }
    inference__model_infer_response__infer_output_tensor__init(output)
    output.pointee.name = name
    // protobuf-c only reads it, and a static string ends with a NUL.
    output.pointee.datatype = UnsafeMutableRawPointer(mutating: tensors[index].datatype.token.utf8Start)
      .assumingMemoryBound(to: CChar.self)
    output.pointee.n_shape = tensors[index].shape.count
    output.pointee.shape = UnsafeMutablePointer(mutating: tensors[index].shape.baseAddress)
    (list + index).initialize(to: output)
  }
  return list
}

private typealias ParametersEntry = Inference__ModelInferResponse__ParametersEntry

private func finalResponseParameter(
  _ isFinal: Bool, in arena: UnsafeMutablePointer<Arena>
) -> UnsafeMutablePointer<UnsafeMutablePointer<ParametersEntry>?>? {
  guard
    let list = arena.pointee.allocate(UnsafeMutablePointer<ParametersEntry>?.self, count: 1),
    let entry = arena.pointee.allocate(ParametersEntry.self, count: 1),
    let value = arena.pointee.allocate(Inference__InferParameter.self, count: 1)
  else { return nil }
  inference__infer_parameter__init(value)
  value.pointee.parameter_choice_case = INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM
  value.pointee.bool_param = isFinal ? 1 : 0
  inference__model_infer_response__parameters_entry__init(entry)
  entry.pointee.key = UnsafeMutableRawPointer(mutating: finalResponseKey.utf8Start).assumingMemoryBound(to: CChar.self)
  entry.pointee.value = value
  list.initialize(to: entry)
  return list
}

private let finalResponseKey: StaticString = "triton_final_response"

/// A copy that ends with a NUL.
private func cString(
  _ bytes: UnsafeRawBufferPointer, in arena: UnsafeMutablePointer<Arena>
) -> UnsafeMutablePointer<CChar>? {
  guard let room = arena.pointee.allocate(byteCount: bytes.count + 1) else { return nil }
  if let start = bytes.baseAddress { room.copyMemory(from: start, byteCount: bytes.count) }
  room.storeBytes(of: 0, toByteOffset: bytes.count, as: UInt8.self)
  return room.bindMemory(to: CChar.self, capacity: bytes.count + 1)
}

// MARK: - Segments

private let rawOutputContents: UInt8 = 6
private let inferResponse: UInt8 = 2

/// Lays out the message: one run of memory for all that is written here, cut where a large tensor goes in between.
///
/// ```
/// run       [ headroom | head | 6 n | small tensor | 6 n ┊ 6 n | small tensor ]
/// segments  └───────────────── 0 ────────────────────────┘ ▲ └────── 2 ───────┘
///                                                   1: large tensor
/// ```
private func segments(
  _ request: RequestPointer, head: UnsafePointer<Inference__ModelInferResponse>, messageInStream: Bool, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let arena = request.pointee.arena
  let outputs = request.pointee.outputs
  let packedBytes = inference__model_infer_response__get_packed_size(head)
  var messageBytes = packedBytes
  var runBytes = headroom + packedBytes
  var largeTensors = 0
  for output in outputs {
    let count = output.bytes.count
    messageBytes += WireWriter.lengthDelimitedSize(count)
    if count > inlineBytes {
      runBytes += WireWriter.headSize(count)
      largeTensors += 1
    } else {
      runBytes += WireWriter.lengthDelimitedSize(count)
    }
  }
  if messageInStream { runBytes += WireWriter.headSize(messageBytes) }

  guard
    let run = arena.pointee.allocate(byteCount: runBytes),
    let segments = arena.pointee.allocate(Segment.self, count: 2 * largeTensors + 1)
  else { return nil }
  var writer = WireWriter(at: run + headroom)
  if messageInStream { writer.lengthDelimited(inferResponse, count: messageBytes) }
  inference__model_infer_response__pack(head, writer.at.bindMemory(to: UInt8.self, capacity: packedBytes))
  writer.skip(packedBytes)

  var used = 0
  var segmentStart = run
  for index in 0..<outputs.count {
    let bytes = outputs[index].bytes
    writer.lengthDelimited(rawOutputContents, count: bytes.count)
    guard bytes.count > inlineBytes else {
      writer.bytes(bytes)
      continue
    }
    let packed = UnsafeRawBufferPointer(start: segmentStart, count: writer.at - segmentStart)
    (segments + used).initialize(to: Segment(bytes: packed))
    // The segment releases the tensor's memory from here on.
    (segments + used + 1).initialize(to: Segment(bytes: bytes, owner: outputs[index].owner))
    outputs[index].owner = nil
    used += 2
    segmentStart = writer.at
  }
  if writer.at > segmentStart {
    let packed = UnsafeRawBufferPointer(start: segmentStart, count: writer.at - segmentStart)
    (segments + used).initialize(to: Segment(bytes: packed))
    used += 1
  }
  return UnsafeMutableBufferPointer(start: segments, count: used)
}
