internal import EventLoops
internal import Glibc
package import HTTP2
internal import Inference

/// How a connection begins: accepted or connected, then TLS, then HTTP/2's preface.
extension Connection {
  /// Takes over an accepted socket and registers it with the loop, which keeps the connection until it is closed.
  static func open(
    _ socket: consuming Socket, tls: TLSContext?, on transport: TransportLoop, handler: any ConnectionHandler
  ) throws {
    let stream = try tls.map { try TLSStream($0, descriptor: socket.descriptor, side: .server) }
    let session = try HTTP2Session(
      role: .server, settings: transport.limits.http2, streams: transport.streams, now: transport.loop.now)
    let connection = Connection(
      socket, tls: stream, session: session, state: stream == nil ? .preface : .handshake, times: transport.times,
      on: transport, handler: handler)
    try connection.register(for: .readable)
  }

  /// Begins to connect. What becomes of it the handler hears: `opened` or `closed`.
  ///
  /// - Parameters:
  ///   - tls: With the name that the peer's certificate must bear.
  ///   - settings: What is announced to the peer.
  /// - Throws: `SystemError`, `TLSError` or `HTTP2Error` where it can't even begin; the handler then hears nothing.
  package static func connect(
    to address: ResolvedAddress, tls: (context: TLSContext, host: String)?, settings: HTTP2Settings,
    times: SharedTimes, on transport: TransportLoop, handler: any ConnectionHandler
  ) throws -> Connection {
    let socket = try Socket.beginToConnect(to: address)
    let stream = try tls.map {
      try TLSStream($0.context, descriptor: socket.descriptor, side: .client(host: $0.host, target: "\(address)"))
    }
    let session = try HTTP2Session(
      role: .client, settings: settings, streams: transport.streams, now: transport.loop.now)
    let connection = Connection(
      socket, tls: stream, session: session, state: .connecting, times: times, on: transport, handler: handler)
    try connection.register(for: .writable)
    transport.load.enter()
    return connection
  }

  func finishConnecting() {
    let number = socket.connectionResult
    guard number == 0 else { return close(.system(SystemError(call: "connect", number: number))) }
    state = .handshake
    if tls == nil { beginPreface() } else { continueHandshake() }
  }

  func continueHandshake() {
    guard let tls else { return }
    switch tls.handshake() {
    case .bytes:
      // RFC 9113 §3.2: over TLS, HTTP/2 is what ALPN agreed on.
      if tls.speaksHTTP2 { beginPreface() } else { close(.tls("the peer speaks TLS, but not HTTP/2")) }
    case .wantsRead: setInterest(.readable)
    case .wantsWrite: setInterest([.readable, .writable])
    case .closed: close(.tls("the peer closed the connection during the TLS handshake"))
    case .failed(let reason): close(.tls(reason))
    }
  }

  private func beginPreface() {
    state = .preface
    setInterest(.readable)
    // RFC 9113 §3.4: the client begins, and need not wait.
    guard session.role == .client else { return }
    speaksHTTP2 = true
    setNeedsFlush()
  }
}
