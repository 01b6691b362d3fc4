package import EventLoops
internal import HTTP2
package import Inference
internal import Transport

/// A streaming call in a handler's hands: messages out, a status at the end, and a way to hold the client back.
///
/// Belongs to its event loop's thread. After `cancelled` everything it does is without effect.
package final class ServerStream {
  private var call: CallPointer?
  private var handler: (any StreamHandler)?
  /// Messages that came while paused, those from `nextInInbox` on not delivered yet.
  private var inbox: [MessageBuffer] = []
  private var nextInInbox = 0
  private var endIsWaiting = false
  private let loop: Unmanaged<GRPCLoop>
  package private(set) var isPaused = false
  /// Bytes received while paused, whose window was not given back.
  var unconsumedBytes = 0

  package let deadline: Instant

  init(_ call: CallPointer) {
    self.call = call
    loop = call.pointee.loop
    deadline = call.pointee.deadline
  }

  func open(_ method: any StreamMethod) { handler = method.open(self) }

  /// The stream's own; everything about it happens there.
  package var eventLoop: EventLoop { loop.takeUnretainedValue().eventLoop }

  package func metadata(_ name: StaticString) -> UnsafeRawBufferPointer? {
    call?.pointee.stream?.pointee.headers.value(of: name)
  }

  /// Which of the fields that services ask for the request has.
  package var notable: NotableFields { call?.pointee.notable ?? [] }

  /// Who the caller is by the certificate of its connection; empty: nobody knows. Valid until the caller is gone.
  package var certificate: UnsafeRawBufferPointer {
    call?.pointee.certificate ?? UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// Whether it came in by one of the server's private addresses.
  package var isPrivate: Bool { notable.contains(.privateAddress) }

  /// The same for all calls of one connection, and for no other that is open; 0: the caller is gone.
  package var connectionID: UInt { call.map { UInt(bitPattern: $0.pointee.connection.toOpaque()) } ?? 0 }

  /// Sent with the response headers, if nothing was sent yet.
  package func addInitialMetadata(_ name: String, _ value: String) {
    call?.pointee.initialMetadata.append(name: name, value: value)
  }

  package func addTrailingMetadata(_ name: String, _ value: String) {
    call?.pointee.trailingMetadata.append(name: name, value: value)
  }

  // MARK: Out

  /// Whether the client takes messages more slowly than they are made. The handler should stop making more, and pause
  /// what it receives; `drained` says when to go on.
  package var isCongested: Bool { pendingBytes > Self.congestionBytes }
  private static let congestionBytes = 1 << 20
  private var pendingBytes: Int { call?.pointee.stream?.pointee.pendingBytes ?? 0 }

  /// Sends one message; a copy is made.
  ///
  /// - Parameter encoding: For a client that accepts it; nil: as the server's options say.
  package func send(_ message: [UInt8], compressed encoding: MessageEncoding? = nil) {
    guard let call, call.pointee.stream != nil else { return }
    let block = OutgoingMessage(message)
    if let encoding { choose(encoding, for: call) }
    withUnsafeTemporaryAllocation(of: Segment.self, capacity: 1) { segments in
      segments.initializeElement(at: 0, to: Segment(bytes: block.bytes, owner: .passRetained(block)))
      send(segments)
    }
  }

  /// Sends one message whose first segment begins with room for the prefix. Every segment has an owner: unlike a unary
  /// call's, a stream's messages outlive what they were made in.
  package func send(_ segments: UnsafeMutableBufferPointer<Segment>) {
    guard let call, let stream = call.pointee.stream else {
      for segment in segments { segment.owner?.release() }
      return
    }
    loop._withUnsafeGuaranteedRef { $0.send(segments, on: call) }
    stream.pointee.reportsDrain = isCongested
  }

  /// The first message's encoding is in the headers; later ones are in it, or not compressed at all.
  private func choose(_ encoding: MessageEncoding, for call: CallPointer) {
    call.pointee.compressesNext = encoding != .identity
    guard !call.pointee.hasSentHeaders, let accepted = metadata("grpc-accept-encoding") else { return }
    if call.pointee.responseEncoding == .identity, MessageEncoding.gzip.isAccepted(by: accepted) {
      call.pointee.responseEncoding = encoding == .identity ? .gzip : encoding
    }
  }

  /// Ends the call. Everything sent before leaves first.
  package func finish(_ status: GRPCStatus = .ok) {
    guard let call else { return }
    forgetCall()
    loop._withUnsafeGuaranteedRef { loop in
      call.pointee.isHandling = false
      loop.finish(call, status)
    }
  }

  // MARK: In

  /// Delivers no further messages until `resume`, and lets the client's window close.
  package func pause() { isPaused = true }

  package func resume() {
    guard isPaused else { return }
    isPaused = false
    // The handler may pause, resume and finish meanwhile.
    while !isPaused, nextInInbox < inbox.count {
      nextInInbox += 1
      handler?.receive(inbox[nextInInbox - 1])
    }
    if 2 * nextInInbox >= inbox.count {
      inbox.removeFirst(nextInInbox)
      nextInInbox = 0
    }
    // Not before what waited is delivered: a handler that takes one message at a time would be sent a window for each.
    guard !isPaused, inbox.isEmpty else { return }
    returnWindow()
    if endIsWaiting {
      endIsWaiting = false
      handler?.receiveEnd()
    }
  }

  /// Opens the client's window again for what came while paused; also where the stream is gone, since the window of the
  /// whole connection was used up with it.
  func returnWindow() {
    guard unconsumedBytes > 0, let call, let stream = call.pointee.stream else { return }
    call.pointee.connection._withUnsafeGuaranteedRef { connection in
      connection.consume(unconsumedBytes, of: stream)
      connection.setNeedsFlush()
    }
    unconsumedBytes = 0
  }

  /// Gives a received message's memory back.
  package func recycle(_ message: MessageBuffer) {
    loop._withUnsafeGuaranteedRef { loop in
      if let call { loop.letGo(message.blockBytes, of: call) }
      loop.buffers.give(message)
    }
  }

  /// Whether the message that is being received came compressed.
  package private(set) var lastMessageWasCompressed = false

  func deliver(_ message: MessageBuffer, wasCompressed: Bool) {
    lastMessageWasCompressed = wasCompressed
    if isPaused { inbox.append(message) } else { handler?.receive(message) }
  }

  func outputDrained() { handler?.drained() }

  func deliverEnd() {
    if isPaused || !inbox.isEmpty { endIsWaiting = true } else { handler?.receiveEnd() }
  }

  /// The stream is gone.
  func lost() {
    guard let call else { return }
    let handler = handler
    forgetCall()
    call.pointee.isHandling = false
    handler?.cancelled()
  }

  private func forgetCall() {
    for message in inbox[nextInInbox...] { loop._withUnsafeGuaranteedRef { $0.buffers.give(message) } }
    inbox = []
    nextInInbox = 0
    returnWindow()
    handler = nil
    self.call = nil
  }
}
