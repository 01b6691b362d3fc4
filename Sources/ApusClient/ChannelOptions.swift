/// How a channel connects, beside the address.
public struct ChannelOptions: Sendable, Hashable {
  /// Nil: in the clear (h2c with prior knowledge).
  public var tls: TLSOptions?
  /// How long connecting, with the TLS handshake, may take. A call's own time-out may be shorter.
  public var connectTimeout = Duration.seconds(10)
  /// Largest answer that is taken.
  public var maxMessageBytes = Int(Int32.max)

  public init(tls: TLSOptions? = nil) { self.tls = tls }
}

/// Whom the client trusts, and who it says it is. All files are PEM.
public struct TLSOptions: Sendable, Hashable {
  /// The roots that the server's certificate must come from. Empty: the system's.
  public var caFile = ""
  /// The client's own certificate and those between it and a root. Empty: none.
  public var certificateFile = ""
  /// The key of that certificate.
  public var keyFile = ""
  /// The name that must be in the server's certificate. Empty: the address's host; `localhost` for Unix sockets.
  public var serverName = ""

  public init() {}
}
