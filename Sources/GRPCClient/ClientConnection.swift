internal import EventLoops
internal import GRPC
package import HTTP2
package import Inference
package import Transport

/// One HTTP/2 connection to one address, and the calls on it. Made again by its owner, not by itself, when it is closed.
///
/// ```
/// idle ─ connect ─▶ connecting ─ SETTINGS ─▶ ready ─ GOAWAY, drain ─▶ draining ─ last call ─▶ closed
/// ```
///
/// Belongs to its loop's thread. From `connect` to `closed` the event loop keeps it.
package final class ClientConnection {
  package enum State: Sendable { case idle, connecting, ready, draining, closed }

  package let address: ResolvedAddress
  package let options: ClientConnectionOptions
  package let loop: GRPCClientLoop
  package internal(set) var state: State {
    get { core.pointee.state }
    set { core.pointee.state = newValue }
  }
  /// Calls that have not finished.
  package var openCalls: Int { core.pointee.openCalls }
  /// What the server allows at once; it may change its mind.
  package var peerMaxConcurrentStreams: Int { core.pointee.limit }
  /// Whether its TLS session was taken up from an earlier connection to the same address: the handshake was a short one.
  package var wasResumed: Bool { connection?.wasResumed ?? false }
  /// What the server said when it went away, for people.
  package var goAwayReason: String { connection?.session.goAwayReason ?? "" }

  /// Until `closed`.
  var observer: (any ClientConnectionObserver)?
  /// From `connect` to `closed`.
  var connection: Connection? {
    didSet { core.pointee.connection = connection.map { .passUnretained($0) } }
  }
  /// Of every call that is lost with the connection.
  var lossStatus = GRPCStatus.ok
  let core: UnsafeMutablePointer<Core>

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  struct Core {
    var state = State.idle
    var connection: Unmanaged<Connection>?
    var openCalls = 0
    var limit = 0
    /// The last call's.
    var timeout: UInt64 = 0
    var timeoutByteCount = 0
    let timeoutText = UnsafeMutableRawBufferPointer.allocate(byteCount: 9, alignment: 8)
    /// The observer was not told of room since there was none.
    var isFull = false
  }

  package init(
    to address: ResolvedAddress, options: ClientConnectionOptions, on loop: GRPCClientLoop,
    observer: any ClientConnectionObserver
  ) {
    self.address = address
    self.options = options
    self.loop = loop
    self.observer = observer
    core = .allocate(capacity: 1)
    core.initialize(to: Core())
  }

  deinit {
    core.pointee.timeoutText.deallocate()
    core.deallocate()
  }

  // MARK: Life

  /// Begins to connect, once. The observer hears `isReady` or `closed`, never before this returns.
  package func connect() {
    guard state == .idle else { return }
    state = .connecting
    do {
      connection = try Connection.connect(
        to: address, tls: options.tls.map { ($0, options.serverName) }, settings: options.http2, times: SharedTimes(options.times),
        on: loop.transport, handler: self)
    } catch {
      let reason = (error as? SystemError).map { CloseReason.system($0) } ?? .tls("\(error)")
      loop.eventLoop.execute(ClosedLater(connection: self, reason: reason).run)
    }
  }

  /// Takes no new calls, and closes when those that run have finished.
  package func drain() {
    guard state == .ready || state == .connecting else { return }
    guard state == .ready, let connection, connection.session.streamCount > 0 else { return close() }
    beginDraining()
  }

  /// Closes at once; calls that run are lost. The observer hears of them and of it before this returns.
  package func close() {
    switch state {
    case .idle:
      state = .closed
      observer = nil
    case .connecting, .ready, .draining: if let connection { connection.close() } else { closed(.local) }
    case .closed: break
    }
  }

  /// Sends a PING. The observer hears `answeredPing`, or the connection is closed after the keepalive's time-out.
  package func ping() { connection?.ping() }

  func beginDraining() {
    guard state == .ready else { return }
    state = .draining
    observer?.connectionIsDraining(self)
  }

  func closed(_ reason: CloseReason) {
    guard state != .closed else { return }
    state = .closed
    connection = nil
    observer.take()?.connectionClosed(self, reason: reason)
  }

  // MARK: Calls

  /// Ready, and below what the server allows at once.
  package var mayStartCall: Bool {
    guard core.pointee.state == .ready, let connection = core.pointee.connection else { return false }
    // Of a lost connection the calls hear first: what they start then belongs on another.
    return connection._withUnsafeGuaranteedRef { $0.state != .closed && $0.session.streamCount < core.pointee.limit }
  }

  /// Opens a stream. What is sent on it leaves at the end of this turn of the loop.
  ///
  /// - Parameters:
  ///   - metadata: Fields of this call alone; they are copied, and no table of recent fields remembers them.
  ///   - deadline: The server is told of it. After it the call ends with `deadlineExceeded`; let it not be over yet.
  ///   - observer: Kept until its `finished`, which is not called before this returns.
  ///   - tag: The caller's own.
  /// - Returns: Nil where `mayStartCall` is false.
  package func start(
    _ template: RequestTemplate, metadata: HeaderBlock? = nil, deadline: Instant = .never,
    observer: any ClientCallObserver, tag: UInt = 0
  ) -> ClientCallPointer? {
    guard mayStartCall, let connection = core.pointee.connection else { return nil }
    return connection._withUnsafeGuaranteedRef { connection in
      guard let stream = openStream(template, metadata, deadline, connection) else {
        // Stream numbers are used up (RFC 9113 §5.1.1): a new connection has new ones.
        beginDraining()
        if connection.session.streamCount == 0 { connection.close(.finished) }
        return nil
      }
      return begin(template, on: stream, of: connection, deadline, observer, tag)
    }
  }

  private func begin(
    _ template: RequestTemplate, on stream: StreamPointer, of connection: Connection, _ deadline: Instant,
    _ observer: any ClientCallObserver, _ tag: UInt
  ) -> ClientCallPointer {
    let call = loop.takeCall()
    call.pointee.isOpen = true
    call.pointee.stream = stream
    call.pointee.connection = .passUnretained(self)
    call.pointee.observer = observer
    call.pointee.tag = tag
    call.pointee.template = .passRetained(template)
    stream.pointee.context = UnsafeMutableRawPointer(call)
    core.pointee.openCalls += 1
    if connection.session.streamCount >= core.pointee.limit { core.pointee.isFull = true }
    if deadline < .never { loop.eventLoop.timers.arm(call.pointee.timer, at: deadline) }
    connection.streamWasOpened()
    return ClientCallPointer(call)
  }

  private func openStream(
    _ template: RequestTemplate, _ metadata: HeaderBlock?, _ deadline: Instant, _ connection: Connection
  ) -> StreamPointer? {
    guard deadline < .never else { return connection.session.request(template.headers, adding: nil, metadata) }
    let left = max(deadline.nanoseconds(since: loop.eventLoop.now), 1)
    // Many callers give each call the same time: then it is worth a place in the table of recent fields.
    let isRepeated = left == core.pointee.timeout
    if !isRepeated {
      core.pointee.timeout = left
      core.pointee.timeoutByteCount = writeGRPCTimeout(nanoseconds: left, to: core.pointee.timeoutText)
    }
    let name: StaticString = "grpc-timeout"
    let field = HeaderBlock.Field(
      name: UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount),
      value: UnsafeRawBufferPointer(rebasing: core.pointee.timeoutText[..<core.pointee.timeoutByteCount]))
    return connection.session.request(template.headers, adding: field, isIndexed: isRepeated, metadata)
  }

  func withConnection(_ body: (Connection) -> Void) {
    core.pointee.connection?._withUnsafeGuaranteedRef(body)
  }

  /// A call with a stream has finished.
  func callEnded(on stream: StreamPointer) {
    core.pointee.openCalls -= 1
    guard !stream.pointee.isClosed else { return }
    withConnection { connection in
      connection.session.reset(stream, code: .cancel)
      connection.setNeedsFlush()
    }
  }
}

/// What happens to a connection, on its loop's thread. Kept until `connectionClosed`.
package protocol ClientConnectionObserver: AnyObject {
  /// The server's SETTINGS are there: calls can be started.
  func connectionIsReady(_ connection: ClientConnection)

  /// There is room for calls again, after `mayStartCall` was false because of the server's limit.
  func connectionMayStartCalls(_ connection: ClientConnection)

  /// No new calls can be started; those that run go on.
  func connectionIsDraining(_ connection: ClientConnection)

  /// The last that is heard of it. Its calls have finished before.
  func connectionClosed(_ connection: ClientConnection, reason: CloseReason)

  func connectionAnsweredPing(_ connection: ClientConnection)
}

extension ClientConnectionObserver {
  package func connectionMayStartCalls(_ connection: ClientConnection) {}
  package func connectionIsDraining(_ connection: ClientConnection) {}
  package func connectionAnsweredPing(_ connection: ClientConnection) {}
}

/// Tells of a connection that could not even begin, in the loop's next turn.
private struct ClosedLater: @unchecked Sendable {  // made and run on the same thread
  let connection: ClientConnection
  let reason: CloseReason
  func run() { connection.closed(reason) }
}
