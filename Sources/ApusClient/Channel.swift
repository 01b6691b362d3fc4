internal import EventLoops
internal import Glibc
internal import Inference
internal import Transport

/// One connection to a gRPC server, for one unary call at a time.
///
/// Calls block the thread until the answer, the time-out or the loss of the connection. The connection is made by the
/// first call, and again by the next call after it was lost; a call itself is never repeated. Between calls nothing is
/// read, so a server that expects answers to its pings may close an idle channel: the next call connects again.
///
/// For tools and tests. Not `Sendable`: use one channel a thread.
public final class Channel {
  /// What a call brought back.
  public struct Reply: Sendable, Hashable {
    public var message: [UInt8]
    /// Sent before the message.
    public var metadata: Metadata
    /// Sent after it.
    public var trailers: Metadata
  }

  /// As given: `HOST:PORT`, `[IPv6]:PORT`, `:PORT` (this machine) or `unix:PATH`.
  public let address: String
  private let target: SocketAddress
  private let options: ChannelOptions
  private let tls: TLSContext?
  private var connection: ClientConnection?

  /// Checks the address and reads the certificates; nothing is connected yet.
  ///
  /// With TLS, SIGPIPE is ignored from here on in the whole process if it had its default effect: OpenSSL can't write
  /// without it when the server goes away.
  ///
  /// - Throws: `.invalidArgument` for an address that is none of the forms, or a file that can't be used.
  public init(_ address: String, options: ChannelOptions = ChannelOptions()) throws(ClientError) {
    guard let target = SocketAddress(address) else {
      throw ClientError(
        .client, .invalidArgument, "'\(address)' is no address; expected HOST:PORT, [IPv6]:PORT, :PORT or unix:PATH")
    }
    self.address = address
    self.target = target
    self.options = options
    guard let tls = options.tls else {
      self.tls = nil
      return
    }
    do throws(TLSError) {
      self.tls = try TLSContext(
        clientTrusting: tls.caFile, certificateFile: tls.certificateFile, keyFile: tls.keyFile)
    } catch {
      throw ClientError(.client, .invalidArgument, error.description)
    }
    var action = sigaction()
    if sigaction(SIGPIPE, nil, &action) == 0, action.__sigaction_handler.sa_handler == nil { signal(SIGPIPE, SIG_IGN) }
  }

  /// Calls a method and waits for its answer.
  ///
  /// - Parameters:
  ///   - path: `/package.Service/Method`.
  ///   - timeout: From now to the answer. The server is told of it (`grpc-timeout`). Nil: for ever.
  /// - Throws: `ClientError` with the server's status, or with what happened to the connection.
  public func call(
    _ path: String, _ message: [UInt8], metadata: Metadata = Metadata(), timeout: Duration? = nil
  ) throws(ClientError) -> Reply {
    let deadline = timeout.map { Instant.now().advanced(byNanoseconds: $0.wholeNanoseconds) } ?? .never
    let connection = try openConnection(deadline: deadline)
    // Whatever goes wrong on the way, the next call begins with a new connection.
    self.connection = nil
    let call = ClientCall(path: path, metadata: metadata, deadline: deadline, maxMessageBytes: options.maxMessageBytes)
    try connection.run(call, message)
    if connection.isUsable { self.connection = connection }
    return try call.reply()
  }

  /// Ends the connection, if there is one.
  public func close() { connection = nil }

  private func openConnection(deadline: Instant) throws(ClientError) -> ClientConnection {
    if let connection {
      connection.readWhatArrived()
      if connection.isUsable { return connection }
    }
    connection = nil
    let latest = Instant.now().advanced(byNanoseconds: options.connectTimeout.wholeNanoseconds)
    return try ClientConnection(
      try connectedSocket(deadline: min(deadline, latest)), tls: tls, serverName: serverName, address: address,
      deadline: min(deadline, latest))
  }

  private func connectedSocket(deadline: Instant) throws(ClientError) -> Socket {
    do throws(SystemError) {
      return try Socket.connect(to: target, deadline: deadline)
    } catch {
      throw ClientError(connecting: error, to: address)
    }
  }

  private var serverName: String {
    if let name = options.tls?.serverName, !name.isEmpty { return name }
    if case .tcp(let host, _) = target, !host.isEmpty { return host }
    return "localhost"
  }
}

extension ClientError {
  /// What a failed attempt to connect means to a person.
  fileprivate init(connecting error: SystemError, to address: String) {
    let reason = String(cString: strerror(error.number))
    let text =
      switch error.number {
      case ECONNREFUSED, ENOENT:
        "nothing listens on \(address): \(reason). Is the server running? Start it with `apus serve`"
      case _ where error.call == "look up host": "there is no host named '\(error.subject)'"
      default: "can't connect to \(address): \(reason)"
      }
    self.init(.connection, .unavailable, text)
  }
}
