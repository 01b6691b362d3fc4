internal import EventLoops
internal import Glibc
internal import HTTP2
internal import Inference
internal import Transport

/// A connected HTTP/2 session with its socket, moved by poll(2) on the caller's thread while a call runs.
final class ClientConnection {
  /// False once the server says goodbye, the socket is gone, or a call was left half done.
  private(set) var isUsable = true

  private let address: String
  private let socket: Socket
  private let tls: TLSStream?
  private let session: HTTP2Session
  private let output = OutputBuffer()
  /// Bytes of `output` that the socket took.
  private var writtenBytes = 0
  private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
  /// What OpenSSL said it waits for, which need not be what we do: a read may want to write.
  private var tlsWants: Int16 = 0

  /// - Throws: `ClientError` when TLS can't be agreed on.
  init(
    _ socket: consuming Socket, tls context: TLSContext?, serverName: String, address: String, deadline: Instant
  ) throws(ClientError) {
    self.address = address
    do {
      session = try HTTP2Session(role: .client, streams: StreamStore(), now: .now())
      tls = try context.map { try TLSStream($0, descriptor: socket.descriptor, side: .client(host: serverName)) }
    } catch {
      throw ClientError(.client, .internal, "\(error)")
    }
    self.socket = socket
    try handshake(deadline: deadline)
  }

  deinit {
    tls?.sendCloseNotice()
    input.deallocate()
  }

  /// The server's name for HTTP/2; a Unix socket has none.
  private var authority: String {
    if address.hasPrefix("unix:") { return "localhost" }
    return address.hasPrefix(":") ? "localhost\(address)" : address
  }

  // MARK: Calls

  /// Sends the call's message and takes what comes until the call is over and everything of it has left.
  ///
  /// - Throws: `ClientError` for what happened to the connection or the deadline. The call then holds nothing of use,
  /// and   the connection must not be used again.
  func run(_ call: ClientCall, _ message: [UInt8]) throws(ClientError) {
    isUsable = false
    defer { if !isUsable { output.reset() } }
    let outcome = message.withUnsafeBytes { message -> Result<Void, ClientError> in
      do throws(ClientError) { return .success(try exchange(call, message)) } catch { return .failure(error) }
    }
    try outcome.get()
  }

  private func exchange(_ call: ClientCall, _ message: UnsafeRawBufferPointer) throws(ClientError) {
    guard let stream = call.open(on: session, authority: authority, isSecure: tls != nil, message) else {
      throw lost("it takes no more calls")
    }
    var isGoingAway = false
    while !call.isOver || !isOutputWritten {
      let isWritten = try flush()
      if call.isOver, isWritten { break }
      try wait(forOutput: !isWritten, until: call.deadline)
      if try !receive() {
        // What came before the end may have completed the call.
        _ = handleEvents(call, stream)
        if call.isOver { return }
        throw lost("the server closed it before it answered")
      }
      isGoingAway = handleEvents(call, stream) || isGoingAway
    }
    isUsable = !isGoingAway
  }

  /// Hands what arrived to the call. Returns whether the server said goodbye.
  private func handleEvents(_ call: ClientCall?, _ stream: StreamPointer?) -> Bool {
    var isGoingAway = false
    session.forEachEvent { event in
      if event.kind == .goAway { isGoingAway = true }
      if let call, let stream, event.stream == stream { call.handle(event, session) }
      if event.kind == .closed, let stream = event.stream { session.recycle(stream) }
    }
    return isGoingAway
  }

  /// Learns, without waiting, whether the server went away since the last call.
  func readWhatArrived() {
    do {
      var entry = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
      while isUsable, poll(&entry, 1, 0) > 0 {
        let isOpen = try receive()
        if handleEvents(nil, nil) || !isOpen { isUsable = false }
      }
    } catch {
      isUsable = false
    }
  }

  // MARK: Bytes

  private func handshake(deadline: Instant) throws(ClientError) {
    guard let tls else { return }
    while true {
      switch tls.handshake() {
      case .bytes:
        guard tls.speaksHTTP2 else { throw lost("the server speaks TLS, but not HTTP/2") }
        return
      case .wantsRead: try wait(for: Int16(POLLIN), until: deadline)
      case .wantsWrite: try wait(for: Int16(POLLOUT), until: deadline)
      case .closed: throw lost("the server closed it during the TLS handshake. Does it serve TLS on this address?")
      case .failed(let reason): throw lost("no agreement on TLS: \(reason)")
      }
    }
  }

  private var isOutputWritten: Bool { writtenBytes == output.byteCount && !session.wantsToWrite }

  /// Writes until everything is written (true) or the socket takes no more (false).
  private func flush() throws(ClientError) -> Bool {
    while true {
      if writtenBytes == output.byteCount {
        output.reset()
        writtenBytes = 0
        do throws(HTTP2Error) { _ = try session.collectOutput(into: output) } catch { throw lost("\(error)") }
        if output.isEmpty { return true }
      }
      guard let count = try write(nextPiece()) else { return false }
      writtenBytes += count
    }
  }

  private func nextPiece() -> UnsafeRawBufferPointer {
    var skip = writtenBytes
    for piece in output.pieces {
      if skip < piece.bytes.count { return UnsafeRawBufferPointer(rebasing: piece.bytes[skip...]) }
      skip -= piece.bytes.count
    }
    preconditionFailure("asked for a piece when all are written. This is a bug.")
  }

  /// Nil when the socket takes no more now.
  private func write(_ bytes: UnsafeRawBufferPointer) throws(ClientError) -> Int? {
    if let tls {
      switch tls.write(bytes) {
      case .bytes(let count): return count
      case .wantsRead: tlsWants = Int16(POLLIN)
      case .wantsWrite: tlsWants = Int16(POLLOUT)
      case .closed: throw lost("the server closed it")
      case .failed(let reason): throw lost(reason)
      }
      return nil
    }
    let count = send(socket.descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    if count >= 0 { return count }
    if errno == EAGAIN || errno == EINTR { return nil }
    throw lost(String(cString: strerror(errno)))
  }

  /// Reads what is there into the session. False at the end of the connection.
  private func receive() throws(ClientError) -> Bool {
    guard let bytes = try read() else { return false }
    guard !bytes.isEmpty else { return true }
    do throws(HTTP2Error) { try session.receive(bytes, at: .now()) } catch {
      throw lost("what came is not HTTP/2 (\(error)). Is it the right port, and does it want TLS?")
    }
    return true
  }

  /// Empty when there is nothing now; nil at the end.
  private func read() throws(ClientError) -> UnsafeRawBufferPointer? {
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    if let tls {
      switch tls.read(into: input) {
      case .bytes(let count): return UnsafeRawBufferPointer(rebasing: input[..<count])
      case .wantsRead: return nothing
      case .wantsWrite:
        tlsWants = Int16(POLLOUT)
        return nothing
      case .closed: return nil
      case .failed(let reason): throw lost(reason)
      }
    }
    let count = recv(socket.descriptor, input.baseAddress, input.count, 0)
    if count > 0 { return UnsafeRawBufferPointer(rebasing: input[..<count]) }
    if count == 0 { return nil }
    if errno == EAGAIN || errno == EINTR { return nothing }
    throw lost(String(cString: strerror(errno)))
  }

  private func wait(forOutput: Bool, until deadline: Instant) throws(ClientError) {
    // Decrypted bytes inside OpenSSL do not show on the descriptor.
    if let tls, tls.hasBufferedInput { return }
    try wait(for: Int16(POLLIN) | (forOutput ? Int16(POLLOUT) : 0) | tlsWants, until: deadline)
    tlsWants = 0
  }

  private func wait(for events: Int16, until deadline: Instant) throws(ClientError) {
    var entry = pollfd(fd: socket.descriptor, events: events, revents: 0)
    while true {
      let result = poll(&entry, 1, deadline.pollTimeout(at: .now()))
      if result > 0 { return }
      if result < 0, errno != EINTR { throw lost(String(cString: strerror(errno))) }
      if Instant.now() >= deadline {
        throw ClientError(.client, .deadlineExceeded, "\(address) did not answer in time")
      }
    }
  }

  private func lost(_ reason: String) -> ClientError {
    ClientError(.connection, .unavailable, "the connection to \(address) is lost: \(reason)")
  }
}
