package import EventLoops
package import HTTP2
internal import Inference
package import Transport

/// How the gRPC layer answers, beside the transport's limits.
package struct GRPCOptions: Sendable {
  /// Encoding of answers for clients that accept it. Compressing tensors rarely pays.
  package var responseEncoding = MessageEncoding.identity
  /// Most bytes that decoding and answering one call may take beside its messages.
  package var arenaBytes = 8 << 20

  /// Makes out of a client's certificate who it is, for services that ask; nil: they are told nothing. Called once a
  /// connection.
  package var identifyPeer: (@Sendable (PeerCertificate) -> String?)?

  package init() {}
}

/// gRPC on one event loop: the method table, recycled calls and message buffers, and the answers on their way out.
package final class GRPCLoop {
  package let transport: TransportLoop
  package let options: GRPCOptions
  package let buffers: MessageBufferPool
  @exclusivity(unchecked) package var methods = MethodTable()
  package let eventLoop: EventLoop

  private let stallNanoseconds: UInt64
  private let calls: UnsafeMutablePointer<Calls>
  private static let keepCalls = 4096

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  private struct Calls {
    var free: CallPointer?
    var freeCount = 0
  }

  package init(transport: TransportLoop, options: GRPCOptions = GRPCOptions()) {
    self.transport = transport
    eventLoop = transport.loop
    stallNanoseconds = transport.limits.stallTimeout.wholeNanoseconds
    self.options = options
    // What is kept for the next message is not in the budget, so it is little against it.
    buffers = MessageBufferPool(keepBytes: transport.limits.memoryBytes / 8)
    calls = .allocate(capacity: 1)
    calls.initialize(to: Calls())
  }

  deinit {
    while let call = calls.pointee.free {
      calls.pointee.free = call.pointee.nextFree
      destroy(call)
    }
    calls.deallocate()
  }

  /// The handler of one new connection.
  ///
  /// - Parameter fields: What the address that it came in by says of its calls.
  package func makeConnectionHandler(_ fields: NotableFields = []) -> any ConnectionHandler {
    GRPCConnection(loop: self, fields)
  }

  // MARK: Calls

  func takeCall(stream: StreamPointer, connection: Connection) -> CallPointer {
    let call: CallPointer
    if let free = calls.pointee.free {
      calls.pointee.free = free.pointee.nextFree
      calls.pointee.freeCount -= 1
      call = free
    } else {
      call = makeCall(connection)
    }
    call.pointee.stream = stream
    call.pointee.connection = .passUnretained(connection)
    call.pointee.arrival = eventLoop.now
    call.pointee.lastProgress = eventLoop.now
    stream.pointee.context = UnsafeMutableRawPointer(call)
    return call
  }

  private func makeCall(_ connection: Connection) -> CallPointer {
    let call = CallPointer.allocate(capacity: 1)
    let arena = UnsafeMutablePointer<Arena>.allocate(capacity: 1)
    arena.initialize(to: Arena(keepBytes: 4096, limitBytes: options.arenaBytes))
    let timer = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    timer.initialize(to: TimerNode(context: UnsafeMutableRawPointer(call), fire: callTimerFired))
    call.initialize(
      to: Call(
        connection: .passUnretained(connection), loop: .passUnretained(self), arena: arena, timer: timer))
    return call
  }

  private func destroy(_ call: CallPointer) {
    call.pointee.timer.deallocate()
    call.pointee.arena.deinitialize(count: 1)
    call.pointee.arena.deallocate()
    call.pointee.initialMetadata.deallocate()
    call.pointee.trailingMetadata.deallocate()
    call.deinitialize(count: 1)
    call.deallocate()
  }

  /// Recycles the call if neither its stream nor its handler needs it any more.
  func recycleIfDone(_ call: CallPointer) {
    guard call.pointee.stream == nil, !call.pointee.isHandling else { return }
    eventLoop.timers.disarm(call.pointee.timer)
    buffers.give(call.pointee.message)
    call.pointee.message = .none
    transport.memory.release(call.pointee.heldBytes + call.pointee.outputHeldBytes)
    call.pointee.heldBytes = 0
    call.pointee.outputHeldBytes = 0
    call.pointee.arena.pointee.reset()
    call.pointee.deadline = .never
    call.pointee.reader = MessageReader()
    call.pointee.isMessageCompressed = false
    call.pointee.hasMessage = false
    call.pointee.messageHeldBytes = 0
    call.pointee.bytesSinceProgress = 0
    call.pointee.lastPendingBytes = 0
    call.pointee.requestEncoding = .identity
    call.pointee.responseEncoding = .identity
    call.pointee.compressesNext = true
    call.pointee.phase = .receiving
    call.pointee.hasSentHeaders = false
    if call.pointee.serverStream != nil { call.pointee.serverStream = nil }
    call.pointee.context = nil
    call.pointee.notable = []
    call.pointee.answerHeaders = nil
    if call.pointee.initialMetadata.count > 0 { call.pointee.initialMetadata.reset() }
    if call.pointee.trailingMetadata.count > 0 { call.pointee.trailingMetadata.reset() }
    guard calls.pointee.freeCount < Self.keepCalls else { return destroy(call) }
    call.pointee.nextFree = calls.pointee.free
    calls.pointee.free = call
    calls.pointee.freeCount += 1
  }

  // MARK: Memory

  /// Takes bytes for what the call receives from the server's budget; false if they do not fit.
  func hold(_ count: Int, for call: CallPointer) -> Bool {
    guard transport.memory.reserve(count) else { return false }
    call.pointee.heldBytes += count
    return true
  }

  /// Gives back bytes of a received message that is done with before its call is.
  func letGo(_ count: Int, of call: CallPointer) {
    transport.memory.release(count)
    call.pointee.heldBytes -= count
  }

  /// Counts the call's bytes against its connection: from now on they go without more from the client, so keeping the
  /// connection's window shut until they do cannot lock up.
  func tellConnectionOfHeldBytes(_ call: CallPointer) {
    guard call.pointee.stream != nil else { return }
    let more = call.pointee.heldBytes + call.pointee.outputHeldBytes - call.pointee.connectionHeldBytes
    call.pointee.connectionHeldBytes += more
    call.pointee.connection._withUnsafeGuaranteedRef { $0.hold(more) }
  }

  /// Counts what waits to be sent on the call's stream. An answer that is there already is never refused; instead new
  /// requests are, while the budget is overdrawn.
  private func holdOutput(of call: CallPointer, _ stream: StreamPointer) {
    let more = stream.pointee.pendingBytes - call.pointee.outputHeldBytes
    transport.memory.take(more)
    call.pointee.outputHeldBytes += more
    tellConnectionOfHeldBytes(call)
  }

  // MARK: Answers

  func reply(_ call: CallPointer, _ segments: UnsafeMutableBufferPointer<Segment>) {
    call.pointee.isHandling = false
    guard call.pointee.phase == .handling, call.pointee.stream != nil else {
      for segment in segments { segment.owner?.release() }
      return recycleIfDone(call)
    }
    send(segments, on: call)
    finish(call, .ok)
  }

  func reply(_ call: CallPointer, copying message: [UInt8]) {
    let block = OutgoingMessage(message)
    withUnsafeTemporaryAllocation(of: Segment.self, capacity: 1) { segments in
      segments.initializeElement(at: 0, to: Segment(bytes: block.bytes, owner: .passRetained(block)))
      reply(call, segments)
    }
  }

  func fail(_ call: CallPointer, _ status: GRPCStatus) {
    call.pointee.isHandling = false
    guard call.pointee.phase != .abandoned, call.pointee.phase != .sending, call.pointee.stream != nil else {
      return recycleIfDone(call)
    }
    finish(call, status)
  }

  /// Sends one message; its first segment begins with room for the prefix.
  func send(_ segments: UnsafeMutableBufferPointer<Segment>, on call: CallPointer) {
    guard let stream = call.pointee.stream, let first = segments.first?.bytes.baseAddress else { return }
    call.pointee.connection._withUnsafeGuaranteedRef { connection in
      let session = connection.session
      if !call.pointee.hasSentHeaders { sendHeaders(on: call, session, endStream: false) }
      var total = -MessagePrefix.byteCount
      for segment in segments { total += segment.bytes.count }
      if call.pointee.responseEncoding != .identity, call.pointee.compressesNext, total > 0 {
        sendCompressed(segments, on: call, stream, session)
      } else {
        let room = UnsafeMutableRawPointer(mutating: first)
        MessagePrefix.write(to: room, isCompressed: false, length: total)
        for segment in segments { session.enqueue(segment, on: stream) }
      }
      holdOutput(of: call, stream)
      connection.setNeedsFlush()
    }
  }

  private func sendCompressed(
    _ segments: UnsafeMutableBufferPointer<Segment>, on call: CallPointer, _ stream: StreamPointer,
    _ session: HTTP2Session
  ) {
    var parts = segments.map(\.bytes)
    parts[0] = UnsafeRawBufferPointer(rebasing: parts[0].dropFirst(MessagePrefix.byteCount))
    let message = CompressedMessage(parts, encoding: call.pointee.responseEncoding)
    for segment in segments { segment.owner?.release() }
    session.enqueue(Segment(bytes: message.bytes, owner: .passRetained(message)), on: stream)
  }

  private func sendHeaders(on call: CallPointer, _ session: HTTP2Session, endStream: Bool) {
    guard let stream = call.pointee.stream else { return }
    call.pointee.hasSentHeaders = true
    if call.pointee.responseEncoding == .identity {
      let headers = call.pointee.answerHeaders ?? AnswerHeaders.ok
      if call.pointee.initialMetadata.count == 0 {
        session.respond(stream, headers, endStream: endStream)
      } else {
        session.respond(stream, headers, adding: call.pointee.initialMetadata, endStream: endStream)
      }
      return
    }
    var block = AnswerHeaders.block()
    defer { block.deallocate() }
    if call.pointee.responseEncoding != .identity {
      block.append(name: "grpc-encoding", value: "\(call.pointee.responseEncoding.name)")
    }
    call.pointee.answerHeaders?.append(to: &block, from: AnswerHeaders.ok.count)
    block.append(contentsOf: call.pointee.initialMetadata)
    session.respond(stream, block, endStream: endStream)
  }

  /// Ends the call with a status: as trailers, or as the whole answer if nothing was sent (gRPC over HTTP2, "Responses",
  /// Trailers-Only).
  func finish(_ call: CallPointer, _ status: GRPCStatus) {
    guard let stream = call.pointee.stream else { return recycleIfDone(call) }
    let stillSending = call.pointee.phase == .receiving
    call.pointee.phase = .sending
    call.pointee.lastProgress = eventLoop.now
    call.pointee.connection._withUnsafeGuaranteedRef { connection in
      let session = connection.session
      if call.pointee.hasSentHeaders {
        if status.code == .ok, status.message.isEmpty, call.pointee.trailingMetadata.count == 0 {
          session.finish(stream, trailers: AnswerHeaders.okTrailers)
        } else {
          var block = HeaderBlock()
          status.write(to: &block)
          block.append(contentsOf: call.pointee.trailingMetadata)
          session.finish(stream, trailers: block)
          block.deallocate()
        }
      } else {
        var block = AnswerHeaders.block()
        status.write(to: &block)
        call.pointee.answerHeaders?.append(to: &block, from: AnswerHeaders.ok.count)
        block.append(contentsOf: call.pointee.initialMetadata)
        block.append(contentsOf: call.pointee.trailingMetadata)
        session.respond(stream, block, endStream: true)
        block.deallocate()
      }
      // RFC 9113 §8.1: a complete answer before the request's end is followed by RST_STREAM(NO_ERROR).
      if stillSending { session.resetAfterEnd(stream) }
      connection.setNeedsFlush()
    }
    armTimer(call)
  }

  // MARK: Time

  /// The nearest of the call's deadline, and the time by which it must have made progress.
  func armTimer(_ call: CallPointer) {
    let isOver = call.pointee.phase == .sending || call.pointee.phase == .abandoned
    var due = isOver ? Instant.never : call.pointee.deadline
    if isOver || isReceivingMessage(call) {
      due = min(due, call.pointee.lastProgress.advanced(byNanoseconds: stallNanoseconds))
    }
    if due < .never { eventLoop.timers.arm(call.pointee.timer, at: due) }
  }

  fileprivate func timerFired(_ call: CallPointer) {
    let now = eventLoop.now
    switch call.pointee.phase {
    case .receiving, .handling:
      if call.pointee.deadline <= now {
        return abandon(call, GRPCStatus(.deadlineExceeded, "the call's deadline passed before its answer was there"))
      }
      if let stream = call.pointee.serverStream, stream.isPaused {
        call.pointee.lastProgress = now  // it is we who hold the client back
      } else if isReceivingMessage(call), hasStalled(call, now) {
        let waited = transport.limits.stallTimeout
        return abandon(
          call, GRPCStatus(.cancelled, "less than 64 KiB of the message came in \(waited) (stall-timeout)"))
      }
    case .sending, .abandoned:
      guard let stream = call.pointee.stream else { return }
      if stream.pointee.pendingBytes != call.pointee.lastPendingBytes {
        call.pointee.lastPendingBytes = stream.pointee.pendingBytes
        call.pointee.lastProgress = now
      } else if hasStalled(call, now) {
        call.pointee.connection._withUnsafeGuaranteedRef { connection in
          connection.session.reset(stream, code: .cancel)
          connection.setNeedsFlush()
        }
        return
      }
    }
    armTimer(call)
  }

  /// Whether the client owes the rest of a message: a unary call's, or one that a stream has begun.
  private func isReceivingMessage(_ call: CallPointer) -> Bool {
    call.pointee.phase == .receiving && (call.pointee.serverStream == nil || call.pointee.reader.isInside)
  }

  private func hasStalled(_ call: CallPointer, _ now: Instant) -> Bool {
    now.nanoseconds(since: call.pointee.lastProgress) >= stallNanoseconds
  }

  /// Ends the call for the client now; the handler, if it has it, is told.
  func abandon(_ call: CallPointer, _ status: GRPCStatus) {
    let wasHandling = call.pointee.isHandling
    finish(call, status)
    if wasHandling { call.pointee.phase = .abandoned }
    tellHandler(call)
  }

  /// The stream is closed, for whatever reason.
  func streamClosed(_ call: CallPointer) {
    call.pointee.connection._withUnsafeGuaranteedRef { $0.letGo(call.pointee.connectionHeldBytes) }
    call.pointee.connectionHeldBytes = 0
    call.pointee.serverStream?.returnWindow()
    call.pointee.stream = nil
    eventLoop.timers.disarm(call.pointee.timer)
    if call.pointee.phase != .abandoned {
      call.pointee.phase = .abandoned
      tellHandler(call)
    }
    recycleIfDone(call)
  }

  private func tellHandler(_ call: CallPointer) {
    if let stream = call.pointee.serverStream {
      stream.lost()
    } else if call.pointee.isHandling, case .unary(let method) = methods.entries[call.pointee.method].handler {
      method.cancelled(UnaryCall(call))
    }
  }
}

private func callTimerFired(_ context: UnsafeMutableRawPointer) {
  let call = context.assumingMemoryBound(to: Call.self)
  call.pointee.loop._withUnsafeGuaranteedRef { $0.timerFired(call) }
}

/// The headers of an answer with one more field, made once for many answers.
package func answerHeaders(adding name: StaticString, _ value: UnsafeRawBufferPointer) -> PreparedHeaders {
  var block = HeaderBlock()
  defer { block.deallocate() }
  AnswerHeaders.ok.append(to: &block, from: 0)
  block.append(name: name, value: value)
  return PreparedHeaders(copying: block)
}

/// Header lists that are the same for every answer. Which encodings are known here is said where one was not.
enum AnswerHeaders {
  /// Without `grpc-accept-encoding`: a client that compresses learns from a refusal what is taken here, and each field
  /// costs every answer some 1.5 % of its instructions.
  static let ok = PreparedHeaders([(":status", "200"), ("content-type", "application/grpc")])
  static let okTrailers = PreparedHeaders([("grpc-status", "0")])

  static func block() -> HeaderBlock {
    var block = HeaderBlock()
    block.append(name: ":status", value: "200")
    block.append(name: "content-type", value: "application/grpc")
    block.append(name: "grpc-accept-encoding", value: "identity,deflate,gzip")
    return block
  }
}
