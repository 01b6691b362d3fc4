extension InferenceClient {
  /// How a client connects and calls. Everything has a value that suits one server on a network.
  public struct Options: Sendable {
    // MARK: Connections

    /// Nil: in the clear (h2c with prior knowledge).
    public var tls: TLSOptions?
    /// Event loops, each with a thread and connections of its own. One does some hundred thousand small calls a second.
    public var threadCount = 1
    /// Of each event loop, to each address of each server. Calls share connections; more than one helps where a server
    /// limits the calls on each, or spreads connections over its own threads.
    public var connectionsPerAddress = 1
    public var balancing = BalancingPolicy.leastOutstanding
    /// From the first packet to a connection that takes calls. A call's own time-out may be shorter.
    public var connectTimeout = Duration.seconds(20)
    public var backoff = ConnectionBackoff()
    /// Nil: no PINGs.
    public var keepalive: Keepalive?
    public var resolution = Resolution()
    public var userAgent = "apus-client"

    // MARK: Calls

    /// For each call that does not say otherwise. Nil: for ever.
    public var timeout: Duration? = .seconds(60)
    /// Sent with every call.
    public var metadata = Metadata()
    public var credentials: Credentials?
    public var retry = RetryPolicy()
    public var retryBudget = RetryBudget()
    /// For calls that are idempotent. Nil: none.
    public var hedging: HedgingPolicy?
    /// Of what is sent. Compressed answers are always taken.
    public var compression = Compression.none
    /// Largest answer that is taken, before and after decompression.
    public var maxMessageBytes = Int(Int32.max)
    public var interceptors: [any CallInterceptor] = []

    public init() {}

    /// - Parameter tls: Nil: in the clear.
    public init(tls: TLSOptions?) { self.tls = tls }
  }

  /// PINGs on a quiet connection, so that one which is dead is found before a call is.
  ///
  /// Servers close connections that ping more often than they allow; 5 minutes is gRPC's default. Source: gRPC A8.
  public struct Keepalive: Sendable, Hashable {
    /// Without a byte from the server for so long, it is pinged.
    public var time: Duration
    /// Without its answer for so long, the connection is closed.
    public var timeout = Duration.seconds(20)
    /// Whether that is done while no call runs.
    public var withoutCalls = false

    public init(time: Duration) { self.time = time }
  }

  /// How often names are looked up again.
  public struct Resolution: Sendable, Hashable {
    /// After a connection was lost or refused, if the last look-up was so long ago.
    public var minimumInterval = Duration.seconds(30)
    /// Whatever happens, with the first call after so long: finds servers that were added. Nil: never.
    public var maximumAge: Duration?

    public init() {}
  }
}

/// Whom the client trusts, and who it says it is. All files are PEM.
///
/// A client with TLS has the whole process ignore SIGPIPE: OpenSSL can't write without it when the server goes away.
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
