internal import Inference
internal import Synchronization

/// A copy of one live request, on its way to a shadow; with it, where the answers are to be compared, room for the live
/// one's.
///
/// ```
/// door ──copy──▶ inbox ──▶ mirror's thread ──▶ shadow's pool ──▶ replies ──▶ mirror's thread ──┐
///   └── the live answer's outputs ──▶ notes ───────────────────────────────────────────────────┴▶ observer
/// ```
///
/// `@unchecked Sendable`: each part belongs to one stage at a time. `request` is the door's until it is in the inbox, then
/// the mirror's and the pool's; `note` is the door's until it is among the notes, then the mirror's; the rest is set
/// before, or the mirror's alone.
final class MirrorCopy: @unchecked Sendable {
  let live: ServedTarget
  let shadow: ServedTarget
  let request: RequestPointer
  private let requestArena: UnsafeMutablePointer<Arena>
  /// Carries the live answer to the mirror. Nil: nobody compares.
  let note: RequestPointer?
  private let noteArena: UnsafeMutablePointer<Arena>?
  /// Taken from the mirror's budget.
  let heldBytes: Int
  var noteBytes = 0
  // The mirror's.
  var isAnswered = false
  var isNoteThere = false

  /// Copies what the live request asks. The caller has found room for `bytes(of: live)`.
  init(
    of source: RequestPointer, from live: ServedTarget, for shadow: ServedTarget, heldBytes: Int,
    mailboxes: (replies: ReplyMailbox, notes: ReplyMailbox), compares: Bool
  ) {
    self.live = live
    self.shadow = shadow
    self.heldBytes = heldBytes
    requestArena = MirrorCopy.makeArena(byteCount: heldBytes)
    request = MirrorCopy.makeRequest(in: requestArena, replyTo: mailboxes.replies)
    if compares {
      let arena = MirrorCopy.makeArena(byteCount: 256)
      noteArena = arena
      note = MirrorCopy.makeRequest(in: arena, replyTo: mailboxes.notes)
    } else {
      noteArena = nil
      note = nil
    }
    request.pointee.id = requestArena.copy(source.pointee.id)
    request.pointee.inputs = requestArena.copy(source.pointee.inputs)
    request.pointee.requestedOutputs = requestArena.copy(source.pointee.requestedOutputs)
    request.pointee.parameters = requestArena.copy(source.pointee.parameters)
    request.pointee.priority = .max
  }

  deinit {
    request.pointee.releaseAnswer()
    request.deinitialize(count: 1)
    requestArena.deinitialize(count: 1)
    requestArena.deallocate()
    guard let note, let noteArena else { return }
    note.deinitialize(count: 1)
    noteArena.deinitialize(count: 1)
    noteArena.deallocate()
  }

  /// Copies the live answer's outputs; the caller has found room for them.
  func keepAnswer(of live: RequestPointer, bytes: Int) {
    guard let note, let noteArena else { return }
    noteBytes = bytes
    note.pointee.outputs = noteArena.copy(live.pointee.outputs)
  }

  /// At least what a copy of a request takes, and little more.
  static func bytes(of request: RequestPointer) -> Int {
    var total = 1024 + rounded(request.pointee.id.count) + bytes(of: request.pointee.inputs)
    for output in request.pointee.requestedOutputs { total += 64 + rounded(output.name.count) }
    for parameter in request.pointee.parameters {
      total += 64 + rounded(parameter.key.count)
      if case .string(let text) = parameter.value { total += rounded(text.count) }
    }
    return total
  }

  static func bytes(of tensors: UnsafeMutableBufferPointer<Tensor>) -> Int {
    var total = 0
    for tensor in tensors {
      total += 128 + rounded(tensor.name.count) + rounded(8 * tensor.shape.count) + rounded(tensor.bytes.count)
    }
    return total
  }

  private static func rounded(_ count: Int) -> Int { (count + 15) & ~15 }

  private static func makeArena(byteCount: Int) -> UnsafeMutablePointer<Arena> {
    let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
    arena.initialize(to: Arena(keepBytes: byteCount + MemoryLayout<InferenceRequest>.stride + 64))
    return arena
  }

  private static func makeRequest(
    in arena: UnsafeMutablePointer<Arena>, replyTo mailbox: ReplyMailbox
  ) -> RequestPointer {
    // Without a limit, an arena always has room.
    let request = arena.pointee.allocate(InferenceRequest.self, count: 1)!
    request.initialize(to: InferenceRequest(arena: arena, replyTo: .passUnretained(mailbox)))
    return request
  }
}

extension UnsafeMutablePointer<Arena> {
  // Arenas of copies have no limit: their sum has.

  fileprivate func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    let start = pointee.allocate(byteCount: bytes.count)!
    start.copyMemory(from: source, byteCount: bytes.count)
    return UnsafeRawBufferPointer(start: start, count: bytes.count)
  }

  fileprivate func copy(_ tensors: UnsafeMutableBufferPointer<Tensor>) -> UnsafeMutableBufferPointer<Tensor> {
    let copies = pointee.allocate(Tensor.self, count: tensors.count)!
    for (index, tensor) in tensors.enumerated() {
      let shape = copy(UnsafeRawBufferPointer(tensor.shape))
      (copies + index).initialize(
        to: Tensor(
          name: copy(tensor.name), datatype: tensor.datatype,
          shape: UnsafeBufferPointer(
            start: shape.baseAddress?.assumingMemoryBound(to: Int64.self), count: tensor.shape.count),
          bytes: copy(tensor.bytes)))
    }
    return UnsafeMutableBufferPointer(start: copies, count: tensors.count)
  }

  /// Without classes: those are made of the answer, and a shadow's answer is only looked at.
  fileprivate func copy(
    _ outputs: UnsafeMutableBufferPointer<RequestedOutput>
  ) -> UnsafeMutableBufferPointer<RequestedOutput> {
    let copies = pointee.allocate(RequestedOutput.self, count: outputs.count)!
    for (index, output) in outputs.enumerated() {
      (copies + index).initialize(to: RequestedOutput(name: copy(output.name)))
    }
    return UnsafeMutableBufferPointer(start: copies, count: outputs.count)
  }

  fileprivate func copy(
    _ parameters: UnsafeMutableBufferPointer<RequestParameter>
  ) -> UnsafeMutableBufferPointer<RequestParameter> {
    let copies = pointee.allocate(RequestParameter.self, count: parameters.count)!
    for (index, parameter) in parameters.enumerated() {
      var value = parameter.value
      if case .string(let text) = value { value = .string(copy(text)) }
      (copies + index).initialize(to: RequestParameter(key: copy(parameter.key), value: value))
    }
    return UnsafeMutableBufferPointer(start: copies, count: parameters.count)
  }
}
