internal import EventLoops
package import GRPC
package import HTTP2
package import Inference
internal import Transport

/// One call of a client: from its request's headers to its outcome, and then until its stream is closed.
///
/// ```
///             start        headers, messages       trailers, reset, deadline, cancel, lost connection
/// (recycled) ──────▶ open ──────────────────▶ open ───────────────────────────▶ finished ─▶ (recycled)
/// ```
///
/// Lives behind a pointer, is recycled by `GRPCClientLoop`, and belongs to its event loop's thread.
struct ClientCall {
  let loop: Unmanaged<GRPCClientLoop>
  let timer: UnsafeMutablePointer<TimerNode>
  /// Told apart from the last call in the same memory.
  var serial: UInt32 = 0
  var isOpen = false
  /// The observer hears of the end right now, and may close the connection meanwhile.
  var isEnding = false
  /// Nil once the stream is closed.
  var stream: StreamPointer?
  /// Valid while `stream` is there.
  var connection: Unmanaged<ClientConnection>?
  var observer: (any ClientCallObserver)?
  var tag: UInt = 0
  /// Retained while the call is open or has a stream.
  var template: Unmanaged<RequestTemplate>?

  // What is received.
  var reader = MessageReader()
  var message = MessageBuffer.none
  var isMessageCompressed = false
  var messageCount = 0
  var encoding = MessageEncoding.identity
  /// While reading is paused, and until what came meanwhile is delivered.
  var pause: PausedReading?

  /// Room for a small request with its prefix. It is in use while the stream has segments that wait.
  var outgoing: UnsafeMutableRawPointer?
  static let outgoingBytes = 2048

  var nextFree: UnsafeMutablePointer<ClientCall>?

  init(loop: Unmanaged<GRPCClientLoop>, timer: UnsafeMutablePointer<TimerNode>) {
    self.loop = loop
    self.timer = timer
  }

  mutating func clear() {
    connection = nil
    template?.release()
    template = nil
    reader = MessageReader()
    messageCount = 0
    encoding = .identity
    if pause != nil { pause = nil }
  }

  func deallocate() {
    timer.deallocate()
    outgoing?.deallocate()
  }
}

/// What a paused call keeps: messages that came meanwhile, the window that the server does not get back for them, and the
/// end, if it came.
final class PausedReading {
  var isPaused = true
  var messages: [MessageBuffer] = []
  var nextMessage = 0
  var unconsumedBytes = 0
  var hasEnded = false
  /// Copies, once the stream is gone.
  var headers = HeaderBlock()
  var trailers = HeaderBlock()

  deinit {
    headers.deallocate()
    trailers.deallocate()
  }
}

/// Hears of its calls, on the loop's thread. A call keeps it until `finished`.
package protocol ClientCallObserver: AnyObject {
  /// The answer's headers are there. Not called where they are the whole answer.
  func receivedHeaders(on call: ClientCallPointer)

  /// One message, decompressed. The observer has it until it gives it to `GRPCClientLoop.buffers`.
  func received(_ message: MessageBuffer, on call: ClientCallPointer)

  /// Everything sent so far has left, after `notifyWhenDrained`.
  func drained(_ call: ClientCallPointer)

  /// The last that is heard of the call, once for each. Its headers and trailers are valid until this returns, and so is
  /// `call`. It may start others.
  func finished(_ call: ClientCallPointer, _ outcome: CallOutcome)
}

extension ClientCallObserver {
  package func receivedHeaders(on call: ClientCallPointer) {}
  package func drained(_ call: ClientCallPointer) {}
}

/// A call in its caller's hands. After `finished` everything it does is without effect, also where its memory has become
/// another call's.
package struct ClientCallPointer: Equatable {
  let raw: UnsafeMutablePointer<ClientCall>
  private let serial: UInt32

  init(_ raw: UnsafeMutablePointer<ClientCall>) {
    self.raw = raw
    serial = raw.pointee.serial
  }

  /// Before `finished`.
  package var isOpen: Bool { raw.pointee.isOpen && raw.pointee.serial == serial }

  /// What the caller gave to `start`.
  package var tag: UInt { raw.pointee.tag }

  // MARK: Out

  /// Sends one message; a copy is made.
  package func send(copying message: UnsafeRawBufferPointer, endOfStream: Bool) {
    guard isOpen, let stream = raw.pointee.stream else { return }
    let byteCount = MessagePrefix.byteCount + message.count
    let isFree = stream.pointee.segmentCount == 0
    guard isFree, byteCount <= ClientCall.outgoingBytes, encoding == .identity else {
      let block = OutgoingMessage(message.count) { $0.copyMemory(from: message) }
      return withUnsafeTemporaryAllocation(of: Segment.self, capacity: 1) { segments in
        let body = UnsafeRawBufferPointer(rebasing: block.bytes[MessagePrefix.byteCount...])
        segments.initializeElement(at: 0, to: Segment(bytes: body, owner: .passRetained(block)))
        send(segments, endOfStream: endOfStream)
      }
    }
    let room = outgoing
    MessagePrefix.write(to: room, isCompressed: false, length: message.count)
    if let source = message.baseAddress {
      (room + MessagePrefix.byteCount).copyMemory(from: source, byteCount: message.count)
    }
    enqueue(Segment(bytes: UnsafeRawBufferPointer(start: room, count: byteCount)), on: stream, endOfStream: endOfStream)
  }

  /// Sends one message by reference; the engine writes its prefix.
  ///
  /// - Parameter segments: Their owners' counts are taken over. Bytes without an owner must outlive the connection.
  package func send(_ segments: UnsafeMutableBufferPointer<Segment>, endOfStream: Bool) {
    guard isOpen, let stream = raw.pointee.stream else {
      for segment in segments { segment.owner?.release() }
      return
    }
    if encoding != .identity { return sendCompressed(segments, on: stream, endOfStream: endOfStream) }
    var length = 0
    for segment in segments { length += segment.bytes.count }
    guard length <= UInt32.max else {
      for segment in segments { segment.owner?.release() }
      return fail(GRPCStatus(.resourceExhausted, "a message has \(length) bytes; gRPC's prefix has room for 4 GiB"))
    }
    enqueue(prefix(length: length, on: stream), on: stream, endOfStream: endOfStream && length == 0)
    for (index, segment) in segments.enumerated() where segment.bytes.count > 0 || segment.owner != nil {
      enqueue(segment, on: stream, endOfStream: endOfStream && index == segments.count - 1)
    }
    if endOfStream { finishSending() }
  }

  /// No further messages.
  package func finishSending() {
    guard isOpen, let stream = raw.pointee.stream else { return }
    withConnection { connection in
      connection.session.finish(stream)
      connection.setNeedsFlush()
    }
  }

  /// Bytes that wait to be sent.
  package var pendingBytes: Int { isOpen ? raw.pointee.stream?.pointee.pendingBytes ?? 0 : 0 }

  /// Asks for `drained`, once.
  package func notifyWhenDrained() {
    if isOpen { raw.pointee.stream?.pointee.reportsDrain = true }
  }

  private var encoding: MessageEncoding {
    raw.pointee.template?._withUnsafeGuaranteedRef { $0.encoding } ?? .identity
  }

  private var outgoing: UnsafeMutableRawPointer {
    if let outgoing = raw.pointee.outgoing { return outgoing }
    let outgoing = UnsafeMutableRawPointer.allocate(byteCount: ClientCall.outgoingBytes, alignment: 16)
    raw.pointee.outgoing = outgoing
    return outgoing
  }

  private func prefix(length: Int, on stream: StreamPointer) -> Segment {
    if stream.pointee.segmentCount == 0 {
      MessagePrefix.write(to: outgoing, isCompressed: false, length: length)
      return Segment(bytes: UnsafeRawBufferPointer(start: outgoing, count: MessagePrefix.byteCount))
    }
    let block = OutgoingMessage(0) { _ in }
    if let start = block.bytes.baseAddress {
      MessagePrefix.write(to: UnsafeMutableRawPointer(mutating: start), isCompressed: false, length: length)
    }
    return Segment(bytes: block.bytes, owner: .passRetained(block))
  }

  private func sendCompressed(
    _ segments: UnsafeMutableBufferPointer<Segment>, on stream: StreamPointer, endOfStream: Bool
  ) {
    let message = CompressedMessage(segments.map(\.bytes), encoding: encoding)
    for segment in segments { segment.owner?.release() }
    enqueue(Segment(bytes: message.bytes, owner: .passRetained(message)), on: stream, endOfStream: endOfStream)
  }

  private func enqueue(_ segment: Segment, on stream: StreamPointer, endOfStream: Bool) {
    withConnection { connection in
      connection.session.enqueue(segment, on: stream)
      if endOfStream { connection.session.finish(stream) }
      connection.setNeedsFlush()
    }
  }

  // MARK: In

  /// The answer's headers, once they are there.
  package var initialMetadata: HeaderBlock {
    raw.pointee.stream?.pointee.headers ?? raw.pointee.pause?.headers ?? HeaderBlock()
  }

  /// The answer's trailers, in `finished`. Empty where the headers were the whole answer.
  package var trailers: HeaderBlock {
    raw.pointee.stream?.pointee.trailers ?? raw.pointee.pause?.trailers ?? HeaderBlock()
  }

  /// Delivers no further messages, and lets the server's window close.
  package func pauseReading() {
    guard isOpen else { return }
    if let pause = raw.pointee.pause { pause.isPaused = true } else { raw.pointee.pause = PausedReading() }
  }

  package func resumeReading() {
    guard isOpen, let pause = raw.pointee.pause, pause.isPaused else { return }
    pause.isPaused = false
    // The observer may pause, resume or cancel meanwhile.
    while isOpen, !pause.isPaused, pause.nextMessage < pause.messages.count {
      pause.nextMessage += 1
      raw.pointee.observer?.received(pause.messages[pause.nextMessage - 1], on: self)
    }
    guard isOpen, !pause.isPaused else { return }
    pause.messages.removeAll(keepingCapacity: true)
    pause.nextMessage = 0
    returnWindow(of: pause)
    if pause.hasEnded { end(statusAtEnd, .server) }
  }

  func returnWindow(of pause: PausedReading) {
    guard pause.unconsumedBytes > 0, let stream = raw.pointee.stream else { return }
    withConnection { connection in
      connection.session.consumeStream(pause.unconsumedBytes, of: stream)
      connection.setNeedsFlush()
    }
    pause.unconsumedBytes = 0
  }

  // MARK: End

  /// Ends the call here and at the server. `finished` is called before this returns.
  package func cancel() { end(GRPCStatus(.cancelled, "the call was cancelled"), .cancelled) }

  func withConnection(_ body: (Connection) -> Void) {
    raw.pointee.connection?._withUnsafeGuaranteedRef { $0.withConnection(body) }
  }
}
