internal import EventLoops
internal import HTTP2
internal import Inference
internal import Transport

/// Turns the events of one HTTP/2 connection into calls.
final class GRPCConnection: ConnectionHandler {
  private let loop: GRPCLoop
  /// The method of the last call: clients tend to call the same one again.
  @exclusivity(unchecked) private var lastMethod = 0

  /// What services may ask for that is the same for all calls of the connection.
  @exclusivity(unchecked) private var connectionFields: NotableFields

  init(loop: GRPCLoop, _ connectionFields: NotableFields) {
    self.loop = loop
    self.connectionFields = connectionFields
  }

  /// Before the first call: the handshake is over by then.
  func opened(_ connection: Connection) {
    guard let identify = loop.options.identifyPeer, let certificate = connection.peerCertificate,
      let name = identify(certificate), !name.isEmpty
    else { return }
    connection.identifyPeer(as: name)
    connectionFields.insert(.certificate)
  }

  func handle(_ event: HTTP2Event, on connection: Connection) {
    guard let stream = event.stream else { return }
    let call = stream.pointee.context?.assumingMemoryBound(to: Call.self)
    switch event.kind {
    case .headers: begin(stream, connection)
    case .data:
      if let call {
        receive(event.bytes, call, stream, connection)
      } else {
        connection.consume(event.bytes.count, of: stream)
      }
    case .endOfStream: if let call { receiveEnd(call) }
    case .drained: call?.pointee.serverStream?.outputDrained()
    case .closed:
      stream.pointee.context = nil
      if let call { loop.streamClosed(call) }
    case .trailers, .pingAcknowledged, .pingReceived, .goAway: break
    }
  }

  // MARK: Headers

  private func begin(_ stream: StreamPointer, _ connection: Connection) {
    var head = RequestHead()
    head.read(stream.pointee.headers)
    if let refusal = head.refusal { return refuse(stream, refusal, isHead: head.isHead, connection) }

    let call = loop.takeCall(stream: stream, connection: connection)
    call.pointee.notable = head.notable.union(connectionFields)
    if stream.pointee.headersTooLarge {
      let limit = loop.transport.limits.http2.maxHeaderListBytes
      return loop.finish(call, GRPCStatus(.resourceExhausted, "the request's headers are over the limit of \(limit) bytes"))
    }
    if let timeout = head.timeout {
      guard let nanoseconds = parseGRPCTimeout(timeout) else {
        let given = String(decoding: timeout, as: UTF8.self)
        return loop.finish(call, GRPCStatus(.internal, "grpc-timeout '\(given)' is not up to 8 digits and one of HMSmun"))
      }
      call.pointee.deadline = call.pointee.arrival.advanced(byNanoseconds: nanoseconds)
    }
    if let name = head.encoding {
      guard let encoding = MessageEncoding(name: name) else {
        let given = String(decoding: name, as: UTF8.self)
        return loop.finish(
          call, GRPCStatus(.unimplemented, "grpc-encoding '\(given)' is not known here; identity, gzip and deflate are"))
      }
      call.pointee.requestEncoding = encoding
    }
    let wanted = loop.options.responseEncoding
    if wanted != .identity, let accepted = head.acceptEncoding, wanted.isAccepted(by: accepted) {
      call.pointee.responseEncoding = wanted
    }
    guard let method = loop.methods.index(of: head.path, likely: lastMethod) else {
      return loop.finish(call, loop.methods.unknown(String(decoding: head.path, as: UTF8.self)))
    }
    lastMethod = method
    call.pointee.method = method
    if case .stream(let method) = loop.methods.entries[method].handler {
      let serverStream = ServerStream(call)
      call.pointee.serverStream = serverStream
      call.pointee.isHandling = true
      serverStream.open(method)
    }
    if call.pointee.phase == .receiving { loop.armTimer(call) }
  }

  /// A proper answer to a request that is not gRPC (gRPC over HTTP2, "Requests", Content-Type).
  private func refuse(
    _ stream: StreamPointer, _ refusal: RequestHead.Refusal, isHead: Bool, _ connection: Connection
  ) {
    let session = connection.session
    defer { connection.setNeedsFlush() }
    // RFC 9110 §9.3.2: the answer to HEAD has no content.
    session.respond(stream, refusal.headers, endStream: isHead)
    session.resetAfterEnd(stream)
    if isHead { return }
    let text = refusal.text
    session.enqueue(
      Segment(bytes: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)), on: stream)
    session.finish(stream)
  }

  // MARK: Body

  private func receive(
    _ bytes: UnsafeRawBufferPointer, _ call: CallPointer, _ stream: StreamPointer, _ connection: Connection
  ) {
    if call.pointee.phase == .receiving, let serverStream = call.pointee.serverStream, serverStream.isPaused {
      serverStream.unconsumedBytes += bytes.count  // the window opens again when the handler resumes
    } else {
      connection.consume(bytes.count, of: stream)
    }
    guard call.pointee.phase == .receiving else { return }
    noteProgress(of: call, bytes.count)
    var rest = bytes
    while call.pointee.phase == .receiving {
      guard holdAhead(of: call, rest.count) else { return }
      switch call.pointee.reader.read(&rest) {
      case .needsMore: return
      case .prefix(let isCompressed, let length): beginMessage(call, isCompressed: isCompressed, length: length)
      case .complete:
        call.pointee.reader.finish()
        completeMessage(call)
        if rest.isEmpty { return }
      case .malformed(let flag):
        fail(call, GRPCStatus(.internal, "a message's compression flag is \(flag); it is 0 or 1"))
      }
    }
  }

  private func beginMessage(_ call: CallPointer, isCompressed: Bool, length: Int) {
    let limit = loop.transport.limits.maxMessageBytes
    if length > limit {
      return fail(
        call, GRPCStatus(.resourceExhausted, "the message has \(length) bytes; the limit is \(limit) (max-message-bytes)"))
    }
    if isCompressed, call.pointee.requestEncoding == .identity {
      return fail(call, GRPCStatus(.internal, "a message is flagged as compressed, but grpc-encoding names no encoding"))
    }
    if call.pointee.hasMessage {
      return fail(call, GRPCStatus(.unimplemented, "a unary call takes one message; a second one came"))
    }
    call.pointee.messageHeldBytes = 0
    guard hold(min(MessageBufferPool.blockBytes(forByteCount: length), Self.holdStepBytes), for: call) else { return }
    guard let message = loop.buffers.take(byteCount: length) else {
      return fail(call, GRPCStatus(.resourceExhausted, "no memory for a message of \(length) bytes"))
    }
    call.pointee.isMessageCompressed = isCompressed
    call.pointee.message = message
    call.pointee.reader.begin(into: message.bytes)
    // Between its messages a stream may rest as long as it likes; inside one it may not.
    call.pointee.lastProgress = loop.eventLoop.now
    call.pointee.bytesSinceProgress = 0
    if call.pointee.serverStream != nil { loop.armTimer(call) }
  }

  /// Memory is taken from the budget in such steps and then by doubling, as a message comes: what a prefix claims costs
  /// nothing until it is sent.
  private static let holdStepBytes = 64 << 10
  /// A message that comes more slowly than this in a stall time-out is given up.
  private static let progressBytes = 64 << 10

  private func noteProgress(of call: CallPointer, _ count: Int) {
    call.pointee.bytesSinceProgress += count
    guard !call.pointee.reader.isInside || call.pointee.bytesSinceProgress >= Self.progressBytes else { return }
    call.pointee.lastProgress = loop.eventLoop.now
    call.pointee.bytesSinceProgress = 0
  }

  /// Takes room for the bytes that are about to be added to the message. False if the call has failed.
  private func holdAhead(of call: CallPointer, _ count: Int) -> Bool {
    guard let received = call.pointee.reader.receivedBytes else { return true }
    let block = call.pointee.message.blockBytes
    let needed = min(received + count + 64, block)
    guard needed > call.pointee.messageHeldBytes else { return true }
    let target = min(max(needed, 2 * call.pointee.messageHeldBytes), block)
    return hold(target - call.pointee.messageHeldBytes, for: call)
  }

  /// False if the server's budget is used up; the call has then failed.
  private func hold(_ count: Int, for call: CallPointer) -> Bool {
    guard loop.hold(count, for: call) else {
      let memory = loop.transport.memory
      let text =
        "the server holds \(memory.usedBytes) bytes of messages; \(count) more are over its limit of "
        + "\(memory.limitBytes) (memory-bytes)"
      fail(call, GRPCStatus(.resourceExhausted, text))
      return false
    }
    call.pointee.messageHeldBytes += count
    return true
  }

  private func completeMessage(_ call: CallPointer) {
    // Blocks come in sizes: the rest of this one.
    let rest = call.pointee.message.blockBytes - call.pointee.messageHeldBytes
    guard rest <= 0 || hold(rest, for: call) else { return }
    call.pointee.messageHeldBytes = 0
    if call.pointee.isMessageCompressed {
      guard decompress(call) else { return }
    }
    if let serverStream = call.pointee.serverStream {
      let message = call.pointee.message
      call.pointee.message = .none
      serverStream.deliver(message, wasCompressed: call.pointee.isMessageCompressed)
    } else {
      call.pointee.hasMessage = true
    }
  }

  /// Replaces the message by its decompressed form. False if the call has failed.
  private func decompress(_ call: CallPointer) -> Bool {
    let limits = loop.transport.limits
    // It is in memory twice for a moment: inflated, and in the message's block.
    let room = max(0, loop.transport.memory.limitBytes - loop.transport.memory.usedBytes) / 2
    let compressed = call.pointee.message
    do throws(MessageEncoding.DecompressionError) {
      let plain = try call.pointee.requestEncoding.decompress(
        UnsafeRawBufferPointer(compressed.bytes), limit: min(limits.maxMessageBytes, room))
      guard hold(MessageBufferPool.blockBytes(forByteCount: plain.count), for: call) else { return false }
      call.pointee.messageHeldBytes = 0
      guard let message = loop.buffers.take(byteCount: plain.count) else { throw .tooLarge }
      call.pointee.message = message
      message.bytes.copyBytes(from: plain)
      loop.letGo(compressed.blockBytes, of: call)
      loop.buffers.give(compressed)
      return true
    } catch {
      switch error {
      case .tooLarge:
        let text =
          room < limits.maxMessageBytes
          ? "the message is over \(room) bytes after decompression; that is what is left of memory-bytes"
          : "the message is over \(limits.maxMessageBytes) bytes after decompression (max-message-bytes)"
        fail(call, GRPCStatus(.resourceExhausted, text))
      case .corrupt:
        fail(call, GRPCStatus(.internal, "the message is not valid \(call.pointee.requestEncoding.name)"))
      }
      return false
    }
  }

  private func receiveEnd(_ call: CallPointer) {
    guard call.pointee.phase == .receiving else { return }
    if call.pointee.reader.isInside {
      return fail(call, GRPCStatus(.internal, "the request ended inside a message"))
    }
    if let serverStream = call.pointee.serverStream {
      call.pointee.phase = .handling
      return serverStream.deliverEnd()
    }
    guard call.pointee.hasMessage else {
      return loop.finish(call, GRPCStatus(.unimplemented, "a unary call takes one message; none came"))
    }
    guard case .unary(let method) = loop.methods.entries[call.pointee.method].handler else { return }
    loop.tellConnectionOfHeldBytes(call)
    call.pointee.phase = .handling
    call.pointee.isHandling = true
    if call.pointee.deadline < .never {
      loop.armTimer(call)
    } else {
      loop.eventLoop.timers.disarm(call.pointee.timer)
    }
    method.handle(UnaryCall(call))
  }

  private func fail(_ call: CallPointer, _ status: GRPCStatus) { loop.abandon(call, status) }
}
