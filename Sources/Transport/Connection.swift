package import EventLoops
internal import Glibc
package import HTTP2
internal import Inference

/// One socket, accepted or connected: reads, TLS, the HTTP/2 session, and one write at the end of each turn that has
/// something to say.
///
/// Belongs to its event loop's thread. Its states:
///
/// ```
/// accepted ──────────▶ (TLS handshake) ─▶ preface ─▶ open ─▶ draining ─▶ closed
/// connecting ─────────────────┘              └▶ a client that does not speak HTTP/2: told so in HTTP/1.1, closed
/// ```
package final class Connection: EventSource {
  package let transport: TransportLoop
  /// On a server nothing of it is sent before the peer has shown that it speaks HTTP/2.
  package let session: HTTP2Session

  package enum State { case connecting, handshake, preface, open, draining, closed }
  @exclusivity(unchecked) package internal(set) var state: State
  var socket: Socket
  let tls: TLSStream?
  private let handler: any ConnectionHandler
  var registration: EventLoop.Registration?
  @exclusivity(unchecked) var pending = PendingOutput()
  /// Whether our frames may be sent: a client's at once, a server's when the peer's first bytes were HTTP/2's.
  @exclusivity(unchecked) var speaksHTTP2 = false
  /// Of a closed connection.
  package internal(set) var closeReason = CloseReason.local
  @exclusivity(unchecked) private var isHandlingEvents = false
  private var hasToldOfClose = false
  @exclusivity(unchecked) var isDirty = false
  @exclusivity(unchecked) var interest: Readiness = .readable
  @exclusivity(unchecked) var mustCloseAfterFlush = false
  /// TLS may have to read before it can write, and the reverse.
  @exclusivity(unchecked) var writeAwaitsInput = false
  @exclusivity(unchecked) var lastFlushBytes = 0
  @exclusivity(unchecked) private var readAwaitsOutput = false

  @exclusivity(unchecked) var clock: ConnectionClock
  /// Whether an open connection has anything to wait for.
  private let isTimed: Bool
  let timer: UnsafeMutablePointer<TimerNode>

  /// Bytes of complete requests and uncollected answers, as the handler counts them.
  @exclusivity(unchecked) private var heldBytes = 0
  /// What the server's memory budget was told of `pending`.
  @exclusivity(unchecked) var countedPendingBytes = 0
  /// Connection window kept back while `heldBytes` is over the limit.
  @exclusivity(unchecked) private var withheldWindow = 0

  /// Who the peer is, as the handler made out; empty: nobody knows. Stays where it is as long as the connection lives.
  @exclusivity(unchecked) package private(set) var peerIdentity = UnsafeRawBufferPointer(start: nil, count: 0)

  /// A peer that is gone is an error to handle, not a signal.
  static let noSignal = Int32(MSG_NOSIGNAL)

  init(
    _ socket: consuming Socket, tls: TLSStream?, session: HTTP2Session, state: State, times: SharedTimes,
    on transport: TransportLoop, handler: any ConnectionHandler
  ) {
    self.transport = transport
    self.socket = socket
    self.tls = tls
    self.session = session
    self.handler = handler
    self.state = state
    clock = ConnectionClock(now: transport.loop.now, times: times)
    isTimed = times.times.limitsOpenConnections
    timer = .allocate(capacity: 1)
    timer.initialize(
      to: TimerNode(context: Unmanaged.passUnretained(self).toOpaque(), fire: connectionTimerFired))
  }

  deinit {
    transport.loop.timers.disarm(timer)
    timer.deallocate()
    peerIdentity.deallocate()
  }

  func register(for readiness: Readiness) throws(SystemError) {
    interest = readiness
    registration = try transport.loop.register(socket.descriptor, for: readiness, self)
    transport.add(self)
    armTimer()
  }

  /// Whether its TLS session was taken up from an earlier connection.
  package var wasResumed: Bool { tls?.wasResumed ?? false }

  /// The peer's certificate, if it has shown one. To be asked once the connection is open.
  package var peerCertificate: PeerCertificate? { tls?.peerCertificate }

  /// Keeps what the handler made out of the peer's certificate. Once.
  package func identifyPeer(as name: String) {
    precondition(peerIdentity.count == 0, "A peer was identified twice. This is a bug.")
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: name.utf8.count, alignment: 1)
    bytes.copyBytes(from: name.utf8)
    peerIdentity = UnsafeRawBufferPointer(bytes)
  }

  // MARK: In

  package func handle(_ events: Readiness) {
    if state == .connecting { return finishConnecting() }
    let mayRead = !events.isDisjoint(with: readAwaitsOutput ? .anything : .readableOrClosed)
    if !events.isDisjoint(with: writeAwaitsInput ? .readable : .writable) { socketIsWritable() }
    if state == .handshake { continueHandshake() }
    if state != .closed, mayRead { readSocket() }
  }

  private func readSocket() {
    readAwaitsOutput = false
    // Several reads only under TLS, whose buffered records the poller does not see.
    for _ in 0..<8 {
      guard state != .closed, state != .handshake else { return }
      let outcome = readOnce()
      switch outcome {
      case .bytes(let count):
        clock.lastRead = transport.loop.now
        ingest(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(transport.input)[..<count]))
        if tls == nil { return }
      case .wantsRead: return
      case .wantsWrite:
        readAwaitsOutput = true
        return setInterest([.readable, .writable])
      case .closed: return close(.peer)
      case .failed(let reason): return close(readFailure(reason))
      }
    }
    if let tls, tls.hasBufferedInput {
      transport.loop.execute(ReadAgain(connection: self).run)
    }
  }

  /// Right after the call that failed: without TLS the reason is in errno.
  private func readFailure(_ reason: String) -> CloseReason {
    tls == nil ? .system(.last("read")) : .tls(reason)
  }

  private func readOnce() -> TLSStream.Outcome {
    if let tls { return tls.read(into: transport.input) }
    let count = recv(socket.descriptor, transport.input.baseAddress, transport.input.count, 0)
    if count > 0 { return .bytes(count) }
    if count == 0 { return .closed }
    return errno == EAGAIN || errno == EINTR ? .wantsRead : .failed("")
  }

  private func ingest(_ bytes: UnsafeRawBufferPointer) {
    if !speaksHTTP2 {
      // RFC 9113 §3.4: the client's preface begins "PRI * HTTP/2.0". nghttp2 checks the rest of it.
      guard zip(bytes, "PRI".utf8).allSatisfy({ $0 == $1 }) else { return refuseNonHTTP2() }
      speaksHTTP2 = true
    }
    guard !mustCloseAfterFlush else { return }
    if session.role == .client, state == .preface, zip(bytes, "HTTP/1".utf8).allSatisfy({ $0 == $1 }) {
      return close(.notHTTP2)
    }
    do throws(HTTP2Error) {
      try session.receive(bytes, at: transport.loop.now)
    } catch {
      closeReason = .protocolError(error)
      mustCloseAfterFlush = true  // the GOAWAY that says why is pending in the session
    }
    // Its SETTINGS end the preface; until then the time for the handshake runs.
    if state == .preface, session.hasPeerSettings {
      state = .open
      armTimer()
      handler.opened(self)
    }
    processEvents()
    setNeedsFlush()
  }

  /// RFC 9110 §15.6.6: 505 says that the version is not supported, and in which one to come back.
  private func refuseNonHTTP2() {
    let text = "This port speaks gRPC over HTTP/2 with prior knowledge (h2c), not HTTP/1.1.\n"
    let answer =
      "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain; charset=utf-8\r\n"
      + "Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)"
    Array(answer.utf8).withUnsafeBytes { bytes in
      if let tls { _ = tls.write(bytes) } else { _ = send(socket.descriptor, bytes.baseAddress, bytes.count, Self.noSignal) }
    }
    close()
  }

  func processEvents() {
    // A handler may close the connection while it handles an event: what that records comes after.
    guard !isHandlingEvents else { return }
    isHandlingEvents = true
    session.forEachEvent { event in
      switch event.kind {
      case .pingAcknowledged:
        clock.pingAcknowledged()
        handler.pingAnswered(self)
        if state == .draining { session.goAway(code: .noError) }
      case .pingReceived:
        if !clock.pingReceived(at: transport.loop.now, followsAnswer: event.code == 1) {
          session.goAway(code: .enhanceYourCalm, reason: "too_many_pings")
          mustCloseAfterFlush = true
        }
      case .goAway: handler.goingAway(self, code: event.code)  // streams that are open go on
      case .closed:
        handler.handle(event, on: self)
        if let stream = event.stream { session.recycle(stream) }
        if session.streamCount == 0 { clock.lastCallEnd = transport.loop.now }
        // While calls ran there may have been nothing to wait for; now there is the idle timeout.
        if isTimed, !timer.pointee.isArmed { armTimer() }
      case .drained:
        handler.handle(event, on: self)
        // It comes at the end of a turn, and what the handler now takes in is for work that comes before this.
        transport.loop.turnAgain()
      case .headers, .trailers, .data, .endOfStream:
        handler.handle(event, on: self)
      }
    }
    isHandlingEvents = false
    handler.settled(self)
    if state == .closed, !hasToldOfClose {
      hasToldOfClose = true
      handler.closed(self, reason: closeReason)
    }
  }

  /// A stream was opened from this side: the time without streams is over.
  package func streamWasOpened() {
    if session.streamCount == 1 { clock.lastWoken = transport.loop.now }
    if isTimed, !timer.pointee.isArmed { armTimer() }
    setNeedsFlush()
  }

  /// Sends a PING, whose answer must come in the keepalive's time-out.
  package func ping() {
    guard state == .open else { return }
    session.ping()
    clock.pingWasSent(at: transport.loop.now)
    armTimer()
    setNeedsFlush()
  }

  // MARK: Memory

  /// Returns window for body bytes, the connection's share only while it holds less than its limit.
  package func consume(_ count: Int, of stream: StreamPointer) {
    if heldBytes <= transport.limits.connectionBytes {
      session.consume(count, of: stream)
    } else {
      session.consumeStream(count, of: stream)
      withheldWindow += count
    }
  }

  /// Counts bytes that this connection's calls hold and will let go by themselves, or when the peer collects them.
  package func hold(_ count: Int) { heldBytes += count }

  package func letGo(_ count: Int) {
    heldBytes -= count
    if withheldWindow > 0, heldBytes <= transport.limits.connectionBytes {
      session.consumeConnection(withheldWindow)
      withheldWindow = 0
      setNeedsFlush()
    }
  }

  // MARK: End

  /// Lets the calls in hand finish and takes no new ones: GOAWAY twice, with a PING between, so that streams already on
  /// their way are not refused (RFC 9113 §6.8).
  func drain(grace: Duration) {
    switch state {
    case .open:
      state = .draining
      session.announceShutdown()
      session.ping()
      clock.beginDrain(at: transport.loop.now, grace: grace)
      armTimer()
      setNeedsFlush()
    case .draining:
      clock.beginDrain(at: transport.loop.now, grace: grace)
      armTimer()
    case .connecting, .handshake, .preface: close()
    case .closed: break
    }
  }

  func finishIfDone() {
    guard pending.isEmpty else { return }
    let isDrained = state == .draining && clock.drainIsAnnounced && session.streamCount == 0
    if mustCloseAfterFlush { return close(closeReason) }
    if session.isFinished || isDrained { close(session.violation.map { .protocolError($0) } ?? .finished) }
  }

  /// Closes the socket and ends every stream that is open. Safe to call twice.
  package func close(_ reason: CloseReason = .local) {
    guard state != .closed else { return }
    state = .closed
    closeReason = reason
    if let registration { transport.loop.deregister(registration) }
    transport.loop.timers.disarm(timer)
    tls?.sendCloseNotice()
    session.abandonStreams()
    processEvents()
    transport.loop.turnAgain()  // for what the handlers of those streams cancelled
    countPending()
    // The peer sees the end now; the descriptor itself closes with the last reference.
    shutdown(socket.descriptor, Int32(SHUT_RDWR))
    transport.remove(self)
  }
}

/// Carries a connection to the next turn of its own loop.
private struct ReadAgain: @unchecked Sendable {  // made and run on the same thread
  let connection: Connection
  func run() { connection.handle(.readable) }
}
