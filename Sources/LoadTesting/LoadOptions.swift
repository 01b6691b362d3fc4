internal import Transport

/// How a load test talks to its server, and how it measures.
package struct LoadOptions: Sendable {
  /// PEM files, as `apus infer` takes them.
  package struct TLS: Hashable, Sendable {
    package var caFile = ""
    package var certificateFile = ""
    package var keyFile = ""
    package init() {}
  }

  /// `HOST:PORT`, `[IPv6]:PORT`, `:PORT` or `unix:PATH`.
  package var address: String
  /// Nil: in the clear.
  package var tls: TLS?
  /// Event loops, each with its share of the connections.
  package var threads = 1
  /// Of all threads together.
  package var connections = 1
  /// Most calls in flight on a connection.
  package var streams = 100
  /// Header fields of every call.
  package var metadata: [(name: String, value: String)] = []
  /// Of every call, from when it is sent; the server is told. Nil: none.
  package var deadlineNanoseconds: UInt64?
  package var connectTimeout = Duration.seconds(10)
  /// Poll without rest, so that calls leave within microseconds of when they are due.
  package var isPrecise = false
  package var seed: UInt64 = 1
  /// Of each thread's answers the first hundred are compared with their reference, and then one in so many. 0: none.
  package var checkEvery = 100

  package var windowNanoseconds: UInt64 = 1_000_000_000
  /// Discarded at the start of each step.
  package var warmUpNanoseconds: UInt64 = 1_000_000_000
  /// How long answers are awaited when a step is over.
  package var patienceNanoseconds: UInt64 = 5_000_000_000
  /// The server's process, if it is on this machine.
  package var process: WatchedProcess?

  package init(address: String) { self.address = address }
}

/// How long a step is measured, without its warm-up.
package struct StepLength: Hashable, Sendable {
  /// The end, whatever happens.
  package var nanoseconds: UInt64
  /// Ends it earlier. Nil: never.
  package var stability: StabilityRule?

  package init(nanoseconds: UInt64, stability: StabilityRule? = nil) {
    (self.nanoseconds, self.stability) = (nanoseconds, stability)
  }
}
