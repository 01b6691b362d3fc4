package import Inference

/// What an attempt's end means for sending its call again.
package struct AttemptFailure: Sendable, Hashable {
  package var code: StatusCode
  /// False only where the server surely did not process it.
  package var mayHaveRun: Bool
  /// It was handed to a connection and given back unprocessed: refused, or past the last stream of a GOAWAY.
  package var wasReturned: Bool
  package var advice: RetryAdvice?

  package init(code: StatusCode, mayHaveRun: Bool, wasReturned: Bool = false, advice: RetryAdvice? = nil) {
    self.code = code
    self.mayHaveRun = mayHaveRun
    self.wasReturned = wasReturned
    self.advice = advice
  }
}

/// One call's attempts: which follow the first, and when. A value without a clock: times, tokens and chance are passed
/// in.
package struct AttemptPlan: Sendable {
  package enum Verdict: Sendable, Equatable {
    /// The call fails with this failure; attempts that still run are cancelled.
    case fail
    /// Others still run.
    case wait
    case start(at: Instant)
  }

  private enum Mode {
    case retrying(RetryPolicy)
    case hedging(HedgingPolicy)
  }

  private let mode: Mode
  private let isIdempotent: Bool
  private let deadline: Instant
  /// Attempts that were started, those given back not counted.
  package private(set) var attempts = 0
  /// Attempts that run.
  package private(set) var running = 0
  private var returns = 0
  /// Retries since the server last said when to come back.
  private var retriesSincePushback = 0
  /// Hedging ended: the server said never, or the bucket is empty.
  private var isSettled = false

  /// Attempts that may be given back unprocessed before it counts as a failure: a server that drains refuses some.
  private static let maxReturns = 2

  package init(retry: RetryPolicy, hedging: HedgingPolicy?, isIdempotent: Bool, deadline: Instant) {
    if let hedging, isIdempotent { mode = .hedging(hedging) } else { mode = .retrying(retry) }
    self.isIdempotent = isIdempotent
    self.deadline = deadline
  }

  package var isHedging: Bool { if case .hedging = mode { true } else { false } }

  /// An attempt is started.
  ///
  /// - Returns: When to ask `mayHedge`; nil if not at all.
  package mutating func started(at now: Instant) -> Instant? {
    attempts += 1
    running += 1
    guard case .hedging(let policy) = mode, attempts < policy.maxAttempts, !isSettled else { return nil }
    let next = now.advanced(byNanoseconds: policy.delay.wholeNanoseconds)
    return next < deadline ? next : nil
  }

  /// Whether to start one more now, while others run.
  package mutating func mayHedge(_ throttle: borrowing RetryThrottle) -> Bool {
    guard case .hedging(let policy) = mode, attempts < policy.maxAttempts, !isSettled else { return false }
    guard throttle.allowsMore else {
      isSettled = true
      return false
    }
    return true
  }

  /// An attempt failed.
  package mutating func failed(
    _ failure: AttemptFailure, at now: Instant, _ throttle: inout RetryThrottle,
    using random: inout some RandomNumberGenerator
  ) -> Verdict {
    running -= 1
    if failure.wasReturned, !failure.mayHaveRun, returns < Self.maxReturns, now < deadline {
      returns += 1
      attempts -= 1
      return .start(at: now)
    }
    switch mode {
    case .retrying(let policy): return retry(failure, policy, now, &throttle, &random)
    case .hedging(let policy): return hedge(failure, policy, now, &throttle)
    }
  }

  private mutating func retry(
    _ failure: AttemptFailure, _ policy: RetryPolicy, _ now: Instant, _ throttle: inout RetryThrottle,
    _ random: inout some RandomNumberGenerator
  ) -> Verdict {
    let isRetryable = policy.retryableCodes.contains(failure.code) || failure.advice != nil
    if isRetryable { throttle.failed() }
    guard isRetryable, failure.advice != .never, isIdempotent || !failure.mayHaveRun,
      attempts < policy.maxAttempts, throttle.allowsMore
    else { return .fail }
    let wait: UInt64
    if case .after(let nanoseconds) = failure.advice {
      wait = nanoseconds
      retriesSincePushback = 0
    } else {
      retriesSincePushback += 1
      wait = policy.wait(beforeRetry: retriesSincePushback, using: &random)
    }
    let next = now.advanced(byNanoseconds: wait)
    return next < deadline ? .start(at: next) : .fail
  }

  private mutating func hedge(
    _ failure: AttemptFailure, _ policy: HedgingPolicy, _ now: Instant, _ throttle: inout RetryThrottle
  ) -> Verdict {
    guard policy.nonFatalCodes.contains(failure.code) || failure.advice != nil else { return .fail }
    throttle.failed()
    if failure.advice == .never || !throttle.allowsMore { isSettled = true }
    guard attempts < policy.maxAttempts, !isSettled else { return running > 0 ? .wait : .fail }
    var next = now
    if case .after(let nanoseconds) = failure.advice { next = now.advanced(byNanoseconds: nanoseconds) }
    if next < deadline { return .start(at: next) }
    return running > 0 ? .wait : .fail
  }
}
