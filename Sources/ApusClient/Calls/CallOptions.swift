/// How long a call may take, from its start to its answer, all attempts included.
public enum CallTimeout: Sendable, Hashable {
  /// What the client's options say.
  case standard
  case after(Duration)
  /// For ever: only where something else ends the call.
  case unlimited

  public static func seconds(_ count: Double) -> CallTimeout { .after(.seconds(count)) }
  public static func milliseconds(_ count: Double) -> CallTimeout { .after(.milliseconds(count)) }
}

/// What is special about one call; what is nil or empty is as the client's options say.
public struct CallOptions: Sendable {
  public var timeout = CallTimeout.standard
  /// Sent along, beside what the client's options send.
  public var metadata = Metadata()
  /// Where the request stands in the model's queue, 1 being first; for inference. Nil: as the model says.
  public var priority: UInt64?
  /// Running it twice is as good as once, so that it may be sent again even where it may have run.
  public var isIdempotent = false
  /// Waits for a connection, until the deadline, where it would fail because none can be had now.
  public var waitsForConnection = false
  public var retry: RetryPolicy?
  public var hedging: HedgingPolicy?
  /// Of what is sent.
  public var compression: Compression?
  /// Nil: the task's `TraceContext.current`.
  public var traceContext: TraceContext?

  public init(
    timeout: CallTimeout = .standard, metadata: Metadata = Metadata(), priority: UInt64? = nil,
    isIdempotent: Bool = false, waitsForConnection: Bool = false, retry: RetryPolicy? = nil,
    hedging: HedgingPolicy? = nil, compression: Compression? = nil, traceContext: TraceContext? = nil
  ) {
    self.timeout = timeout
    self.metadata = metadata
    self.priority = priority
    self.isIdempotent = isIdempotent
    self.waitsForConnection = waitsForConnection
    self.retry = retry
    self.hedging = hedging
    self.compression = compression
    self.traceContext = traceContext
  }
}

/// How messages are packed on their way. Tensors rarely get smaller; text does.
public enum Compression: Sendable, Hashable {
  case none, gzip, deflate
}
