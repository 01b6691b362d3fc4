internal import Inference

/// When a failed call is sent again.
///
/// A call that the server may have run is sent again only if `CallOptions.isIdempotent` says that twice is as good as
/// once. Calls that surely did not run (the stream was refused, or the connection said goodbye first) are sent again at
/// once whatever the policy says. Where the server says when to come back (`google.rpc.RetryInfo`, or
/// `grpc-retry-pushback-ms`), that counts; where it says never, nothing is sent.
public struct RetryPolicy: Sendable, Hashable {
  /// Times that a call is sent, the first included. 1: once.
  public var maxAttempts = 3
  /// The wait before the first retry is a random time up to this one.
  public var initialBackoff = Duration.milliseconds(50)
  /// The longest such time.
  public var maxBackoff = Duration.seconds(2)
  /// What the time is multiplied by after each retry. At least 1.
  public var multiplier = 2.0
  /// Statuses after which the same call may succeed.
  public var retryableCodes: Set<StatusCode> = [.unavailable]

  public init() {}

  /// Sends every call once.
  public static let none: RetryPolicy = {
    var policy = RetryPolicy()
    policy.maxAttempts = 1
    return policy
  }()

  /// Nanoseconds before the retry with this number, the first being 1: anything up to the bound ("full jitter").
  package func wait(beforeRetry number: Int, using random: inout some RandomNumberGenerator) -> UInt64 {
    var bound = Double(initialBackoff.wholeNanoseconds)
    let longest = Double(maxBackoff.wholeNanoseconds)
    for _ in 1..<max(number, 1) where bound < longest { bound *= max(multiplier, 1) }
    return UInt64(Double.random(in: 0...min(bound, longest), using: &random))
  }
}

/// Sending a call to a second server while the first one is slow; the first answer is taken and the others are
/// cancelled.
///
/// Only for calls with `CallOptions.isIdempotent`. Takes the place of the retry policy. Source: gRPC A6, "Hedging".
public struct HedgingPolicy: Sendable, Hashable {
  /// Times that a call is sent at most, the first included. At least 2.
  public var maxAttempts = 2
  /// How long each has for an answer before the next is sent. A latency that few answers pass, such as the 95th
  /// percentile.
  public var delay: Duration
  /// Statuses that bring on the next attempt at once; any other fails the call.
  public var nonFatalCodes: Set<StatusCode> = [.unavailable]

  public init(delay: Duration) { self.delay = delay }
}
