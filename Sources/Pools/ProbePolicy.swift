package import Inference

/// When an instance counts as stuck: the numbers of a liveness or readiness probe, with Azure ML's defaults.
///
/// A probe looks whether the instance has been in one run for longer than `timeout`. It does not call the model: an
/// instance runs one batch at a time, so a look from outside is all that can be had without waiting in line.
package struct ProbePolicy: Hashable, Sendable {
  /// From the moment the instance is ready to the first probe.
  package var initialDelay = Duration.seconds(10)
  package var period = Duration.seconds(10)
  /// Longest run that is no failure.
  package var timeout = Duration.seconds(2)
  /// So many successes in a row end a failing state. At least 1.
  package var successThreshold = 1
  /// So many failures in a row, all in the same run, begin it. At least 1.
  package var failureThreshold = 30

  package init() {}
}

/// How one instance fares with one probe.
///
/// ```
/// passing ──failureThreshold failures in one run──▶ failing
///    ▲                                                 │
///    └─────────successThreshold successes in a row─────┘
/// ```
package struct ProbeState: Hashable, Sendable {
  /// What follows from a look.
  package enum Action: Hashable, Sendable {
    case none
    /// It began to fail.
    case fail
    /// It passes again.
    case recover
  }

  package private(set) var isPassing = true
  /// When the next probe is due.
  package private(set) var next: Instant
  private let policy: ProbePolicy
  private var failures = 0
  private var successes = 0
  private var failingRun: UInt64 = 0

  /// - Parameter now: When the instance became ready.
  package init(_ policy: ProbePolicy, at now: Instant) {
    self.policy = policy
    next = now.advanced(byNanoseconds: policy.initialDelay.wholeNanoseconds)
  }

  /// Looks at the instance if a probe is due.
  ///
  /// - Parameters:
  ///   - runningSince: When its run began; nil: it is in none.
  ///   - run: Tells its runs apart. A new run since the last failure is progress: failures are counted from it anew.
  package mutating func look(at now: Instant, runningSince: Instant?, run: UInt64) -> Action {
    guard now >= next else { return .none }
    next = now.advanced(byNanoseconds: policy.period.wholeNanoseconds)
    guard let runningSince, now.nanoseconds(since: runningSince) > policy.timeout.wholeNanoseconds else {
      failures = 0
      successes += 1
      guard !isPassing, successes >= policy.successThreshold else { return .none }
      isPassing = true
      return .recover
    }
    if run != failingRun { failures = 0 }
    failingRun = run
    failures += 1
    successes = 0
    guard isPassing, failures >= policy.failureThreshold else { return .none }
    isPassing = false
    return .fail
  }
}
