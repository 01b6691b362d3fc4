import ApusClient
import Inference
import Testing

/// Milliseconds on a clock of the test's own.
private func at(_ milliseconds: UInt64) -> Instant { Instant(nanoseconds: milliseconds * 1_000_000) }

private let refusedBeforeItRan = AttemptFailure(code: .unavailable, mayHaveRun: false)
private let unavailable = AttemptFailure(code: .unavailable, mayHaveRun: true)

@Suite struct RetryTests {
  var random = SeededGenerator(seed: 1)
  var throttle = RetryThrottle(RetryBudget())

  private func plan(_ policy: RetryPolicy = RetryPolicy(), isIdempotent: Bool = false, deadline: Instant = .never)
    -> AttemptPlan
  {
    var plan = AttemptPlan(retry: policy, hedging: nil, isIdempotent: isIdempotent, deadline: deadline)
    _ = plan.started(at: at(0))
    return plan
  }

  @Test mutating func `a call that may have run is not sent again`() {
    var plan = plan()
    #expect(plan.failed(unavailable, at: at(1), &throttle, using: &random) == .fail)
  }

  @Test mutating func `one that may have run is sent again if twice is as good as once`() {
    var plan = plan(isIdempotent: true)
    guard case .start(let instant) = plan.failed(unavailable, at: at(1), &throttle, using: &random) else {
      Issue.record("not retried")
      return
    }
    #expect(instant >= at(1) && instant <= at(51))
  }

  @Test mutating func `a call is sent as often as the policy says, and no more`() {
    var plan = plan()
    for _ in 2...3 {
      #expect(plan.failed(refusedBeforeItRan, at: at(1), &throttle, using: &random) != .fail)
      _ = plan.started(at: at(1))
    }
    #expect(plan.attempts == 3)
    #expect(plan.failed(refusedBeforeItRan, at: at(1), &throttle, using: &random) == .fail)
  }

  @Test mutating func `a status that is not retryable fails the call`() {
    var plan = plan(isIdempotent: true)
    let failure = AttemptFailure(code: .invalidArgument, mayHaveRun: true)
    #expect(plan.failed(failure, at: at(1), &throttle, using: &random) == .fail)
    #expect(throttle.tokens == 100)
  }

  @Test mutating func `what a connection gives back is sent again at once, even without a retry policy`() {
    var plan = plan(.none)
    let returned = AttemptFailure(code: .unavailable, mayHaveRun: false, wasReturned: true)
    for _ in 1...2 {
      #expect(plan.failed(returned, at: at(7), &throttle, using: &random) == .start(at: at(7)))
      _ = plan.started(at: at(7))
      #expect(plan.attempts == 1)
    }
    #expect(plan.failed(returned, at: at(7), &throttle, using: &random) == .fail)
  }

  @Test mutating func `the server's word on when to come back is kept, and its never too`() {
    var waiting = plan()
    let later = AttemptFailure(code: .resourceExhausted, mayHaveRun: false, advice: .after(250_000_000))
    #expect(waiting.failed(later, at: at(10), &throttle, using: &random) == .start(at: at(260)))
    var refused = plan(isIdempotent: true)
    let never = AttemptFailure(code: .unavailable, mayHaveRun: false, advice: .never)
    #expect(refused.failed(never, at: at(10), &throttle, using: &random) == .fail)
  }

  @Test mutating func `a retry that would come after the deadline is not made`() {
    var plan = plan(deadline: at(200))
    let later = AttemptFailure(code: .unavailable, mayHaveRun: false, advice: .after(250_000_000))
    #expect(plan.failed(later, at: at(10), &throttle, using: &random) == .fail)
  }

  @Test func `waits grow by the multiplier up to the bound, and use all of their range`() {
    var policy = RetryPolicy()
    policy.initialBackoff = .milliseconds(100)
    policy.maxBackoff = .milliseconds(350)
    var random = SeededGenerator(seed: 7)
    for (number, bound) in [(1, 100), (2, 200), (3, 350), (9, 350)] {
      let waits = (0..<1000).map { _ in policy.wait(beforeRetry: number, using: &random) / 1_000_000 }
      #expect(waits.max()! <= bound)
      #expect(waits.max()! > bound * 95 / 100)
      #expect(waits.min()! < bound * 5 / 100)
    }
  }

  /// A server that fails everything, and then a share of the calls: how much is sent beyond the calls themselves.
  @Test(arguments: 1...20) func `retries end when too much fails, and go on when little does`(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    func extra(calls: Int, failureRate: Double) -> Int {
      var throttle = RetryThrottle(RetryBudget())
      var sent = 0
      for _ in 0..<calls {
        var plan = AttemptPlan(retry: RetryPolicy(), hedging: nil, isIdempotent: true, deadline: .never)
        attempts: while true {
          _ = plan.started(at: at(0))
          sent += 1
          guard Double.random(in: 0..<1, using: &random) < failureRate else {
            throttle.succeeded()
            break
          }
          if case .fail = plan.failed(unavailable, at: at(0), &throttle, using: &random) { break attempts }
        }
        #expect(plan.attempts <= 3)
      }
      return sent - calls
    }
    // Half the bucket: 49 failures leave it over half full, and each allows a retry.
    #expect(extra(calls: 10_000, failureRate: 1) <= 50)
    let few = extra(calls: 10_000, failureRate: 0.02)
    #expect(few > 100 && few < 400)
  }
}

@Suite struct HedgingTests {
  var random = SeededGenerator(seed: 1)
  var throttle = RetryThrottle(RetryBudget())

  private func plan(attempts: Int = 3, isIdempotent: Bool = true) -> AttemptPlan {
    var policy = HedgingPolicy(delay: .milliseconds(20))
    policy.maxAttempts = attempts
    return AttemptPlan(retry: .none, hedging: policy, isIdempotent: isIdempotent, deadline: at(1000))
  }

  @Test func `a call that may not run twice is not hedged`() {
    var plan = plan(isIdempotent: false)
    #expect(!plan.isHedging)
    #expect(plan.started(at: at(0)) == nil)
    #expect(plan.mayHedge(throttle) == false)
  }

  @Test func `each attempt has the delay for itself, and the last has no successor`() {
    var plan = plan()
    #expect(plan.started(at: at(0)) == at(20))
    #expect(plan.mayHedge(throttle) == true)
    #expect(plan.started(at: at(20)) == at(40))
    #expect(plan.mayHedge(throttle) == true)
    #expect(plan.started(at: at(40)) == nil)
    #expect(plan.mayHedge(throttle) == false)
    #expect(plan.running == 3)
  }

  @Test mutating func `a non-fatal failure brings the next attempt on at once`() {
    var plan = plan()
    _ = plan.started(at: at(0))
    #expect(plan.failed(unavailable, at: at(5), &throttle, using: &random) == .start(at: at(5)))
  }

  @Test mutating func `a fatal failure fails the call while others run`() {
    var plan = plan()
    _ = plan.started(at: at(0))
    _ = plan.started(at: at(20))
    let fatal = AttemptFailure(code: .invalidArgument, mayHaveRun: true)
    #expect(plan.failed(fatal, at: at(30), &throttle, using: &random) == .fail)
  }

  @Test mutating func `with no attempt left the call waits for those that run, and fails with the last`() {
    var plan = plan(attempts: 2)
    _ = plan.started(at: at(0))
    _ = plan.started(at: at(20))
    #expect(plan.failed(unavailable, at: at(30), &throttle, using: &random) == .wait)
    #expect(plan.failed(unavailable, at: at(31), &throttle, using: &random) == .fail)
  }

  @Test mutating func `an empty bucket ends hedging`() {
    throttle = RetryThrottle(RetryBudget(maxTokens: 2, tokensPerSuccess: 0.1))
    throttle.failed()
    var plan = plan()
    _ = plan.started(at: at(0))
    #expect(plan.mayHedge(throttle) == false)
    #expect(plan.failed(unavailable, at: at(1), &throttle, using: &random) == .fail)
  }

  @Test mutating func `a server that says never gets no further attempt`() {
    var plan = plan()
    _ = plan.started(at: at(0))
    _ = plan.started(at: at(20))
    let never = AttemptFailure(code: .unavailable, mayHaveRun: true, advice: .never)
    #expect(plan.failed(never, at: at(21), &throttle, using: &random) == .wait)
    #expect(plan.mayHedge(throttle) == false)
  }
}

@Suite struct RetryAdviceTests {
  @Test(arguments: [("120", RetryAdvice.after(120_000_000)), ("0", .after(0)), ("-1", .never), ("soon", .never)])
  func `a pushback is a number of milliseconds, or never`(text: String, advice: RetryAdvice) {
    #expect(RetryAdvice(["grpc-retry-pushback-ms": text]) == advice)
  }

  /// As protobuf writes google.rpc.Status { code: 14, message: "busy", details: [RetryInfo { retry_delay: 1.5 s }] }.
  private static let duration: [UInt8] = [8, 1, 16, 0x80, 0xca, 0xb5, 0xee, 0x01]
  private static func status(_ duration: [UInt8]) -> [UInt8] {
    let info = [10, UInt8(duration.count)] + duration
    let url = Array("type.googleapis.com/google.rpc.RetryInfo".utf8)
    let any = [10, UInt8(url.count)] + url + [18, UInt8(info.count)] + info
    return [8, 14, 18, 4] + Array("busy".utf8) + [26, UInt8(any.count)] + any
  }

  @Test func `RetryInfo in the status details is read`() {
    var trailers = Metadata()
    trailers.append("grpc-status-details-bin", bytes: Self.status(Self.duration))
    #expect(RetryAdvice(trailers) == .after(1_500_000_000))
    let error = ClientError(.server, .unavailable, "busy", trailers: trailers)
    #expect(error.details.map(\.typeURL) == ["type.googleapis.com/google.rpc.RetryInfo"])
  }

  @Test func `without a word from the server there is no advice`() {
    #expect(RetryAdvice(["x": "1"]) == nil)
    #expect(RetryAdvice(["grpc-status-details-bin": "%%%"]) == nil)
  }

  @Test func `details cut short at any byte, or with any byte changed, are never more than ignored`() {
    let whole = Self.status(Self.duration)
    for count in 0..<whole.count {
      var trailers = Metadata()
      trailers.append("grpc-status-details-bin", bytes: Array(whole[..<count]))
      #expect(RetryAdvice(trailers) == nil)
    }
    for index in whole.indices {
      for bit in 0..<8 {
        var broken = whole
        broken[index] ^= 1 << UInt8(bit)
        _ = StatusDetail.all(in: broken)
        var trailers = Metadata()
        trailers.append("grpc-status-details-bin", bytes: broken)
        _ = RetryAdvice(trailers)
      }
    }
  }
}
