internal import Inference
internal import Synchronization
internal import Threads

/// How much of an endpoint its callers may use together. 0 is no limit.
package struct RequestLimits: Hashable, Sendable {
  /// Requests let in a second, on average.
  package var requestsPerSecond = 0
  /// Requests that may come at once after a rest; 0: as many as in a second.
  package var burst = 0
  /// Requests that may be let in and not answered yet.
  package var maxInFlight = 0
  /// Connections that such requests may come by.
  package var maxConnections = 0
  /// Bytes of input tensors let in a second, on average. A request that finds some of the second left is let in whole.
  package var bytesPerSecond = 0

  package init(
    requestsPerSecond: Int = 0, burst: Int = 0, maxInFlight: Int = 0, maxConnections: Int = 0, bytesPerSecond: Int = 0
  ) {
    self.requestsPerSecond = requestsPerSecond
    self.burst = burst
    self.maxInFlight = maxInFlight
    self.maxConnections = maxConnections
    self.bytesPerSecond = bytesPerSecond
  }
}

/// Keeps the requests of an endpoint within limits. All event loops share it; nobody waits, but for the short lock that a
/// limit of connections takes.
///
/// Rates are kept by the generic cell rate algorithm, a token bucket in one word: the instant at which the bucket would be
/// full again. A request moves it ahead by its own share of a second, and is refused if that lies too far ahead. The same
/// object stays through changes of a snapshot, or a change would fill every bucket.
///
/// Source: ITU-T I.371, Annex A, "virtual scheduling".
package final class RequestLimiter: Sendable {
  package let limits: RequestLimits
  /// Who is limited, for error texts: "endpoint 'churn'".
  package let subject: String

  private let requestNanoseconds: UInt64
  private let burstNanoseconds: UInt64
  private let byteNanoseconds: Double
  private let nextRequest = Atomic<UInt64>(0)
  private let nextBytes = Atomic<UInt64>(0)
  private let inFlight = Atomic<Int>(0)
  /// Requests in flight by their connection; only where connections are limited, and no more entries than that.
  private let connections = Locked<[UInt: Int]>([:])
  /// A running mean of how long requests stay; not exact where two finish at once.
  private let stayNanoseconds = Atomic<UInt64>(0)

  private static let second: UInt64 = 1_000_000_000
  /// Bounds of what a caller is told to wait for a place.
  private static let shortestRetry: UInt64 = 1_000_000
  private static let longestRetry: UInt64 = 10_000_000_000
  /// What it is told while no request has been answered yet.
  private static let firstRetry: UInt64 = 100_000_000

  package init(_ limits: RequestLimits, of subject: String) {
    self.limits = limits
    self.subject = subject
    requestNanoseconds = limits.requestsPerSecond > 0 ? Self.second / UInt64(limits.requestsPerSecond) : 0
    let burst = limits.burst > 0 ? limits.burst : max(limits.requestsPerSecond, 1)
    burstNanoseconds = requestNanoseconds * UInt64(burst - 1)
    byteNanoseconds = limits.bytesPerSecond > 0 ? Double(Self.second) / Double(limits.bytesPerSecond) : 0
  }

  package var requestsInFlight: Int { inFlight.load(ordering: .relaxed) }
  package var connectionsInUse: Int { connections.withLock { $0.count } }

  /// Whether `enter` looks at the size of a request.
  var countsBytes: Bool { byteNanoseconds > 0 }

  /// Lets a request in, to be balanced by `leave`; or says why not and after how long it is worth another try.
  ///
  /// - Parameter connection: The same for all requests of one connection.
  func enter(connection: UInt, bytes: Int, now: Instant) -> Refusal? {
    let before = inFlight.wrappingAdd(1, ordering: .relaxed).oldValue
    if limits.maxInFlight > 0, before >= limits.maxInFlight {
      inFlight.wrappingSubtract(1, ordering: .relaxed)
      return Refusal(limiter: self, cause: .inFlight(before), retryAfterNanoseconds: expectedStay)
    }
    if limits.maxConnections > 0, !open(connection) {
      inFlight.wrappingSubtract(1, ordering: .relaxed)
      return Refusal(limiter: self, cause: .connections, retryAfterNanoseconds: expectedStay)
    }
    if requestNanoseconds > 0,
      let wait = Self.take(requestNanoseconds, from: nextRequest, ahead: burstNanoseconds, now: now)
    {
      leave(connection: connection, after: nil)
      return Refusal(limiter: self, cause: .requests, retryAfterNanoseconds: wait)
    }
    if byteNanoseconds > 0 {
      let cost = UInt64(min(Double(bytes) * byteNanoseconds, 0x1p62))
      if let wait = Self.take(cost, from: nextBytes, ahead: Self.second, now: now) {
        leave(connection: connection, after: nil)
        return Refusal(limiter: self, cause: .bytes, retryAfterNanoseconds: wait)
      }
    }
    return nil
  }

  /// Ends a stay.
  ///
  /// - Parameter nanoseconds: How long it was; nil where the request was refused after all.
  func leave(connection: UInt, after nanoseconds: UInt64?) {
    let before = inFlight.wrappingSubtract(1, ordering: .relaxed).oldValue
    precondition(before > 0, "A request left \(subject) that never entered. This is a bug.")
    if limits.maxConnections > 0 { close(connection) }
    guard limits.maxInFlight > 0 || limits.maxConnections > 0, let nanoseconds else { return }
    let mean = stayNanoseconds.load(ordering: .relaxed)
    stayNanoseconds.store(mean == 0 ? nanoseconds : mean - mean / 16 + nanoseconds / 16, ordering: .relaxed)
  }

  /// Counts one more request of a connection, unless that connection would be one too many.
  private func open(_ connection: UInt) -> Bool {
    connections.withLock { connections in
      if let count = connections[connection] {
        connections[connection] = count + 1
        return true
      }
      guard connections.count < limits.maxConnections else { return false }
      connections[connection] = 1
      return true
    }
  }

  private func close(_ connection: UInt) {
    connections.withLock { connections in
      let count = connections[connection] ?? 0
      precondition(count > 0, "A connection left \(subject) that never came. This is a bug.")
      connections[connection] = count > 1 ? count - 1 : nil
    }
  }

  private var expectedStay: UInt64 {
    let mean = stayNanoseconds.load(ordering: .relaxed)
    return mean == 0 ? Self.firstRetry : min(max(mean, Self.shortestRetry), Self.longestRetry)
  }

  /// Moves the bucket's instant ahead by `cost`, unless it lies more than `ahead` in the future: then how long until it
  /// does not.
  private static func take(
    _ cost: UInt64, from next: borrowing Atomic<UInt64>, ahead: UInt64, now: Instant
  ) -> UInt64? {
    var known = next.load(ordering: .relaxed)
    while true {
      let start = max(known, now.nanoseconds)
      if start - now.nanoseconds > ahead { return start - now.nanoseconds - ahead }
      let (end, overflow) = start.addingReportingOverflow(cost)
      let (exchanged, original) = next.weakCompareExchange(
        expected: known, desired: overflow ? .max : end, ordering: .relaxed)
      if exchanged { return nil }
      known = original
    }
  }

  /// Why a request was not let in. The text is made only when somebody is told.
  struct Refusal {
    enum Cause {
      case inFlight(Int)
      case connections
      case requests
      case bytes
    }
    let limiter: RequestLimiter
    let cause: Cause
    let retryAfterNanoseconds: UInt64

    /// The words before the colon are Azure's reasons ("Troubleshoot online endpoints", 429).
    var error: InferenceError {
      let subject = limiter.subject
      let limits = limiter.limits
      return switch cause {
      case .inFlight(let count):
        .resourceExhausted(
          "too many pending requests: \(count) of \(subject) are in flight; the limit is \(limits.maxInFlight)")
      case .connections:
        .resourceExhausted("too many connections: \(subject) takes requests of \(limits.maxConnections) at a time")
      case .requests:
        .resourceExhausted("rate-limiting: \(subject) takes \(limits.requestsPerSecond) requests a second")
      case .bytes:
        .resourceExhausted("rate-limiting: \(subject) takes \(limits.bytesPerSecond) bytes of input a second")
      }
    }
  }
}
