package import Inference

/// Tensors up to this size are copied behind the message's head; larger ones are sent from where they lie. A further
/// `iovec` costs about as much as copying 2 KiB.
private let inlineBytes = 2048

/// protobuf's own limit (protobuf.dev, "Proto Limitations"): 2 GiB.
private let largestMessage = Int(Int32.max)

/// Writes the answer to a request as a ModelInferResponse.
///
/// An output that lies in shared memory has an empty entry among the raw contents: clients count them.
/// The first segment holds the head and small tensors; each large tensor is a segment of its own and takes the tensor's
/// owner along, so that it is released once, when it has been sent.
///
/// - Parameters:
///   - request: Answered, with its outputs in place.
///   - headroom: Bytes to leave free at the start of the first segment, for what is put in front of a message.
/// - Returns: The segments in the request's arena, or nil if the arena is full or the message
///   over 2 GiB; then nothing has changed hands.
package func encodeModelInferResponse(
  _ request: RequestPointer, modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let head = InferResponseHead(
    modelName: modelName, modelVersion: modelVersion, id: request.pointee.id, outputs: request.pointee.outputs,
    sharedTensors: request.pointee.sharedTensors)
  return segments(request, head, messageInStream: false, headroom: headroom)
}

/// Writes the answer to a request as a ModelStreamInferResponse.
///
/// - Parameter isFinal: Value of the parameter `triton_final_response`; nil leaves it out.
package func encodeModelStreamInferResponse(
  _ request: RequestPointer, modelName: UnsafeRawBufferPointer, modelVersion: UnsafeRawBufferPointer,
  isFinal: Bool?, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let head = InferResponseHead(
    modelName: modelName, modelVersion: modelVersion, id: request.pointee.id, outputs: request.pointee.outputs,
    sharedTensors: request.pointee.sharedTensors, isFinal: isFinal)
  return segments(request, head, messageInStream: true, headroom: headroom)
}

/// Writes a request's failure as a ModelStreamInferResponse: the stream goes on.
///
/// The response in it has no outputs and tells the client which request failed.
package func encodeModelStreamInferError(
  _ request: RequestPointer, _ failure: InferenceError, modelName: UnsafeRawBufferPointer,
  modelVersion: UnsafeRawBufferPointer, isFinal: Bool?, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let arena = request.pointee.arena
  let head = InferResponseHead(
    modelName: modelName, modelVersion: modelVersion, id: request.pointee.id,
    outputs: UnsafeMutableBufferPointer(start: nil, count: 0), isFinal: isFinal)
  var text = failure.message
  return text.withUTF8 { text in
    let text = UnsafeRawBufferPointer(text)
    let size = WireWriter.stringSize(text) + WireWriter.lengthDelimitedSize(head.byteCount)
    guard
      let room = arena.pointee.allocate(byteCount: headroom + size),
      let segment = arena.pointee.allocate(Segment.self, count: 1)
    else { return nil }
    var writer = WireWriter(at: room + headroom)
    writer.string(errorMessage, text)
    writer.lengthDelimited(inferResponse, count: head.byteCount)
    head.write(to: &writer)
    segment.initialize(to: Segment(bytes: UnsafeRawBufferPointer(start: room, count: headroom + size)))
    return UnsafeMutableBufferPointer(start: segment, count: 1)
  }
}

// MARK: - Segments

/// A field of ModelInferResponse.
private let rawOutputContents: UInt8 = 6

// Fields of ModelStreamInferResponse.
private let errorMessage: UInt8 = 1
private let inferResponse: UInt8 = 2

/// Lays out the message: one run of memory for all that is written here, cut where a large tensor goes in between.
///
/// ```
/// run       [ headroom | head | 6 n | small tensor | 6 n ┊ 6 n | small tensor ]
/// segments  └───────────────── 0 ────────────────────────┘ ▲ └────── 2 ───────┘
///                                                   1: large tensor
/// ```
private func segments(
  _ request: RequestPointer, _ head: borrowing InferResponseHead, messageInStream: Bool, headroom: Int
) -> UnsafeMutableBufferPointer<Segment>? {
  let arena = request.pointee.arena
  let outputs = request.pointee.outputs
  var messageBytes = head.byteCount
  var runBytes = headroom + head.byteCount
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
  guard messageBytes <= largestMessage else { return nil }

  guard
    let run = arena.pointee.allocate(byteCount: runBytes),
    let segments = arena.pointee.allocate(Segment.self, count: 2 * largeTensors + 1)
  else { return nil }
  var writer = WireWriter(at: run + headroom)
  if messageInStream { writer.lengthDelimited(inferResponse, count: messageBytes) }
  head.write(to: &writer)

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
