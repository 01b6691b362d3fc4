package import Inference
internal import Synchronization

/// An inference request from REST with everything that it points to: its arena, the body that it came in, and the
/// tensors that were read out of text.
///
/// Get one from `GatewayDoor.makeRequest()`, fill it with a reader, hand it to `GatewayDoor.infer`, write the answer, and
/// let go of it. Its memory lives as long as it does, so an answer is only good while somebody holds the request.
///
/// `@unchecked Sendable`: like every request it belongs to one stage at a time; `cancelled` is safe from any thread.
package final class GatewayRequest: @unchecked Sendable {
  package let pointer: RequestPointer
  private let arena: UnsafeMutablePointer<Arena>
  private let mailbox: ReplyMailbox
  /// The lane of the door whose mailbox this is.
  let lane: Int
  /// The task that waits for the answer. Touched by the lane's thread only.
  var waiting: CheckedContinuation<DoorLane.Submission, Never>?
  private var bodies: [ReceivedBody] = []
  private var buffers: [TensorBuffer] = []

  /// - Parameters:
  ///   - mailbox: Where the answered request is posted.
  ///   - arenaBytes: Most bytes that names, shapes and classes may take.
  package init(mailbox: ReplyMailbox, lane: Int = 0, arenaBytes: Int = 64 << 20) {
    self.mailbox = mailbox
    self.lane = lane
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(keepBytes: 2048, limitBytes: arenaBytes))
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: InferenceRequest(arena: arena, replyTo: .passUnretained(mailbox)))
    pointer.pointee.arrival = .now()
  }

  deinit {
    pointer.pointee.releaseAnswer()
    pointer.deinitialize(count: 1)
    pointer.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
    for buffer in buffers { buffer.deallocate() }
  }

  /// Bytes that this request holds outside its arena.
  package var heldBytes: Int {
    bodies.reduce(0) { $0 + $1.bytes.count } + buffers.reduce(0) { $0 + $1.count }
  }

  // MARK: - What it points to

  /// Keeps a body for as long as the request lives.
  package func keep(_ body: ReceivedBody) { bodies.append(body) }

  /// Copies bytes into the arena.
  ///
  /// - Throws: `.resourceExhausted` at the arena's limit.
  package func copy(_ bytes: some Collection<UInt8>) throws(InferenceError) -> UnsafeRawBufferPointer {
    guard let memory = arena.pointee.allocate(byteCount: bytes.count) else { throw arenaIsFull }
    let kept = UnsafeMutableRawBufferPointer(start: memory, count: bytes.count)
    kept.copyBytes(from: bytes)
    return UnsafeRawBufferPointer(kept)
  }

  package func copy(_ text: String) throws(InferenceError) -> UnsafeRawBufferPointer { try copy(text.utf8) }

  func copy(_ string: JSONString) throws(InferenceError) -> UnsafeRawBufferPointer {
    if !string.hasEscapes { return string.raw }
    return try copy(string.decoded())
  }

  package func copyValues<Value>(_ values: [Value]) throws(InferenceError) -> UnsafeMutableBufferPointer<Value> {
    guard let memory = arena.pointee.allocate(Value.self, count: values.count) else { throw arenaIsFull }
    let kept = UnsafeMutableBufferPointer(start: memory, count: values.count)
    _ = kept.initialize(from: values)
    return kept
  }

  /// Takes over the memory of a tensor.
  func adopt(_ buffer: TensorBuffer) -> UnsafeRawBufferPointer {
    buffers.append(buffer)
    return buffer.bytes
  }

  var arenaIsFull: InferenceError {
    .resourceExhausted(
      "the request's names, shapes and parameters need more memory than a request may use: the limit is "
        + "\(arena.pointee.limitBytes) bytes")
  }
}
