package import Inference

/// When waiting requests of one model become a batch: the numbers of a `ModelConfiguration`, with defaults filled in.
///
/// Source: Triton's `ModelDynamicBatching` and `ModelQueuePolicy`.
package struct BatchPolicy: Hashable, Sendable {
  /// Most rows in one batch; a row is one index along axis 0. At least 1.
  package var maxBatchRows: Int
  /// Most rows of requests that leave together, up to `maxBatchRows`; a request that has more leaves alone.
  package var joinedRows: Int
  /// Whether requests share batches at all. If not, each runs alone.
  package var joinsRequests: Bool
  /// Sizes at which a batch leaves without waiting for more, ascending, each in `1...maxBatchRows`; never empty.
  package var preferredRows: [Int]
  /// Longest wait of the oldest request for company. 0: a free instance never waits.
  package var maxQueueDelayNanoseconds: UInt64
  package var timeoutAction: QueuePolicy.TimeoutAction
  /// Longest time in the queue; nil: no limit.
  package var defaultTimeoutNanoseconds: UInt64?
  /// Whether a request may ask for less time than the default. (Where there is no default any time is less; Triton
  /// ignores the request then.)
  package var allowsTimeoutOverride: Bool
  /// Most requests waiting. One past it is refused, not delayed.
  package var maxQueuedRequests: Int
  /// Most requests in one batch; nil: as many as its rows allow. At least 1.
  package var maxBatchRequests: Int?
  /// Deadlines less than so far apart count as one: several threads bring requests a little out of order, and to sort those
  /// gains nobody anything.
  package var deadlineGrainNanoseconds: UInt64 = 1_000_000
  /// How many priorities there are, 1 the most urgent; 0: all requests are equal. At most 255.
  package var priorityLevels: Int
  /// The priority of a request that names none.
  package var defaultPriority: Int
  /// What each priority has for itself, the most urgent first; empty: all are as this policy says, and share its limit.
  package var levels: [Level] = []

  /// The policy of the requests of one priority.
  package struct Level: Hashable, Sendable {
    package var timeoutAction: QueuePolicy.TimeoutAction
    /// Longest time in the queue; nil: no limit.
    package var defaultTimeoutNanoseconds: UInt64?
    package var allowsTimeoutOverride: Bool
    /// Most requests of this priority waiting, those that were delayed included.
    package var maxQueuedRequests: Int

    /// - Parameters:
    ///   - queueLimit: Most requests waiting where the policy does not say.
    ///   - isOrdered: Whether answers leave in the order of the requests. To serve one later than its turn helps nobody
    ///     then, as all behind it wait for its answer: it keeps its place.
    ///   - maxQueueWait: Longest time in the queue, whatever the policy says.
    init(_ policy: QueuePolicy, queueLimit: Int, isOrdered: Bool, maxQueueWait: Duration?) {
      let keepsPlace = isOrdered && policy.timeoutAction == .delay
      timeoutAction = policy.timeoutAction
      defaultTimeoutNanoseconds =
        policy.defaultTimeoutMicroseconds == 0 || keepsPlace
        ? nil : BatchPolicy.nanoseconds(policy.defaultTimeoutMicroseconds)
      allowsTimeoutOverride = policy.allowTimeoutOverride && !keepsPlace
      maxQueuedRequests = policy.maxQueueSize > 0 ? min(policy.maxQueueSize, queueLimit) : queueLimit
      if let maxQueueWait {
        timeoutAction = .reject
        defaultTimeoutNanoseconds = min(defaultTimeoutNanoseconds ?? .max, maxQueueWait.wholeNanoseconds)
      }
    }
  }

  /// - Parameters:
  ///   - maxBatchSize: As resolved from the configuration and the model; 0: the model does not batch.
  ///   - queueLimit: Most requests waiting where the configuration does not say.
  ///   - maxQueueWait: Longest time in the queue, whatever the configuration says; a request that waited longer fails.
  package init(
    maxBatchSize: Int, dynamicBatching: DynamicBatching?, queueLimit: Int, maxBatchRequests: Int? = nil,
    maxQueueWait: Duration? = nil
  ) {
    let batching = dynamicBatching ?? DynamicBatching()
    joinsRequests = maxBatchSize > 1 && dynamicBatching != nil && maxBatchRequests ?? .max > 1
    maxBatchRows = max(maxBatchSize, 1)
    joinedRows = maxBatchRows
    let limit = maxBatchRows
    let preferred = Set(batching.preferredBatchSizes.filter { (1...limit).contains($0) }).sorted()
    preferredRows = preferred.isEmpty ? [limit] : preferred
    maxQueueDelayNanoseconds = joinsRequests ? Self.nanoseconds(batching.maxQueueDelayMicroseconds) : 0
    func level(_ policy: QueuePolicy) -> Level {
      Level(policy, queueLimit: queueLimit, isOrdered: batching.preserveOrdering, maxQueueWait: maxQueueWait)
    }
    let whole = level(batching.queuePolicy)
    timeoutAction = whole.timeoutAction
    defaultTimeoutNanoseconds = whole.defaultTimeoutNanoseconds
    allowsTimeoutOverride = whole.allowsTimeoutOverride
    maxQueuedRequests = whole.maxQueuedRequests
    priorityLevels = min(max(batching.priorityLevels, 0), Int(UInt8.max))
    defaultPriority = min(max(batching.defaultPriorityLevel, 1), max(priorityLevels, 1))
    self.maxBatchRequests = maxBatchRequests.map { max($0, 1) }
    guard !batching.priorityQueuePolicies.isEmpty else { return }
    levels = (1...max(priorityLevels, 1)).map { level(batching.priorityQueuePolicies[$0] ?? batching.queuePolicy) }
    maxQueuedRequests = queueLimit  // the default policy's size is that of each level which has no other
  }

  /// Where a request's priority ranks, 0 being the most urgent. 0 asks for the default, and what is past the last counts
  /// as the last.
  package func level(of priority: UInt8) -> UInt8 {
    guard priorityLevels > 1 else { return 0 }
    return UInt8(min(priority == 0 ? defaultPriority : Int(priority), priorityLevels) - 1)
  }

  /// Whether a request of this priority may ask for less time than its default.
  package func allowsTimeoutOverride(of priority: UInt8) -> Bool {
    levels.isEmpty ? allowsTimeoutOverride : levels[Int(level(of: priority))].allowsTimeoutOverride
  }

  /// What becomes of a request of this level that has waited too long.
  func timeoutAction(ofLevel level: UInt8) -> QueuePolicy.TimeoutAction {
    levels.isEmpty ? timeoutAction : levels[Int(level)].timeoutAction
  }

  /// When a request that enters the queue at `now` has waited too long.
  ///
  /// - Parameters:
  ///   - microseconds: What the request asks for; nil or 0: nothing.
  ///   - priority: As in `BatchQueue.append`.
  package func timeout(enteringAt now: Instant, requested microseconds: UInt64?, priority: UInt8 = 0) -> Instant {
    var wait = levels.isEmpty ? defaultTimeoutNanoseconds : levels[Int(level(of: priority))].defaultTimeoutNanoseconds
    if allowsTimeoutOverride(of: priority), let microseconds, microseconds > 0 {
      wait = min(wait ?? .max, Self.nanoseconds(microseconds))
    }
    return wait.map { now.advanced(byNanoseconds: $0) } ?? .never
  }

  private static func nanoseconds(_ microseconds: UInt64) -> UInt64 {
    let (product, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
    return overflow ? .max : product
  }
}
