/// What a client has done since it was made.
public struct ClientMetrics: Sendable, Hashable {
  public var callsStarted: UInt64 = 0
  /// Calls by how they ended; all attempts of one count once.
  public var callsFinished: [StatusCode: UInt64] = [:]
  /// Attempts after a failure.
  public var retries: UInt64 = 0
  /// Attempts beside a slow one.
  public var hedges: UInt64 = 0
  /// Bytes of messages, before HTTP/2 and TLS.
  public var bytesSent: UInt64 = 0
  public var bytesReceived: UInt64 = 0
  public var openConnections: Int = 0
  /// Attempts to connect that failed.
  public var failedConnections: UInt64 = 0
  /// From submission to answer, with all attempts; of calls that ended with OK.
  public var latency = LatencyHistogram()

  public init() {}

  /// Calls that have no outcome yet.
  public var callsRunning: UInt64 { callsStarted &- callsFinished.values.reduce(0, &+) }
}
