internal import GRPCClient
internal import Inference
internal import Wire

/// A message that is ready to be sent, as often as need be: what was written for it, and tensors where they lie.
///
/// ```
/// head    [ names, shapes, small tensors | 7 n ┊ 7 n | small tensor ]
/// pieces   ───────────────── 0 ────────────────┘ ▲ └────── 2 ───────
///                                  1: a large tensor's own bytes
/// ```
final class OutgoingRequest: @unchecked Sendable {  // nothing is written after init
  let byteCount: Int
  private let head: UnsafeMutableRawBufferPointer
  /// In order. Empty: the head is all there is.
  private let pieces: [UnsafeRawBufferPointer]
  /// Hold what the pieces point to.
  private let tensors: [Tensor]

  /// Where a tensor gets a piece of its own instead of being copied: some hundred nanoseconds either way.
  private static let inlineBytes = 8192

  /// A message of any kind; it is copied.
  init(_ message: [UInt8]) {
    head = .allocate(byteCount: message.count, alignment: 16)
    head.copyBytes(from: message)
    pieces = []
    tensors = []
    byteCount = message.count
  }

  /// A ModelInferRequest.
  init(_ request: borrowing InferRequest, priority: UInt64?) {
    let small = request.inputs.reduce(0) { $0 + 64 + ($1.byteCount <= Self.inlineBytes ? $1.byteCount : 0) }
    var writer = RequestWriter(reserving: 128 + small, headroom: 0)
    writer.head(modelName: request.model, modelVersion: request.version, id: request.id)
    for (key, value) in request.parameters { writer.requestParameter(key, value.wire) }
    if let priority, request.parameters["priority"] == nil { writer.requestParameter("priority", .uint64(priority)) }
    for input in request.inputs {
      writer.input(
        name: input.name, datatype: input.datatype.wire, shape: input.shape,
        parameters: input.parameters.isEmpty ? [] : input.parameters.map { ($0.key, $0.value.wire) })
    }
    for output in request.outputs { writer.requestedOutput(name: output.name, classCount: output.classCount) }

    var cuts: [(offset: Int, bytes: UnsafeRawBufferPointer)] = []
    for input in request.inputs {
      writer.rawContentsHead(byteCount: input.byteCount)
      if input.byteCount <= Self.inlineBytes {
        writer.bytes(input.storage.bytes)
      } else {
        cuts.append((writer.count, input.storage.bytes))
      }
    }
    head = writer.take()
    let outside = cuts.reduce(0) { $0 + $1.bytes.count }
    byteCount = head.count + outside
    if cuts.isEmpty {
      pieces = []
      tensors = []
      return
    }
    var pieces: [UnsafeRawBufferPointer] = []
    var start = 0
    for cut in cuts {
      pieces.append(UnsafeRawBufferPointer(rebasing: head[start..<cut.offset]))
      pieces.append(cut.bytes)
      start = cut.offset
    }
    if start < head.count { pieces.append(UnsafeRawBufferPointer(rebasing: head[start...])) }
    self.pieces = pieces
    tensors = request.inputs
  }

  deinit { head.deallocate() }

  /// Sends the message, the only one, on a call. Segments hold this object until they have left.
  func send(on call: ClientCallPointer, endOfStream: Bool = true) {
    if byteCount <= Self.copiedBytes, pieces.isEmpty {
      return call.send(copying: UnsafeRawBufferPointer(head), endOfStream: endOfStream)
    }
    let count = max(pieces.count, 1)
    withUnsafeTemporaryAllocation(of: Segment.self, capacity: count) { segments in
      for index in 0..<count {
        let bytes = pieces.isEmpty ? UnsafeRawBufferPointer(head) : pieces[index]
        segments.initializeElement(at: index, to: Segment(bytes: bytes, owner: .passRetained(self)))
      }
      call.send(segments, endOfStream: endOfStream)
    }
  }

  /// Up to here the call's own memory takes a copy, which costs less than holding this object.
  private static let copiedBytes = 1024
}
