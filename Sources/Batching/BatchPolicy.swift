package import Inference

/// When waiting requests of one model become a batch: the numbers of a `ModelConfiguration`, with defaults filled in.
///
/// Source: Triton's `ModelDynamicBatching` and `ModelQueuePolicy`.
package struct BatchPolicy: Hashable, Sendable {
  /// Most rows in one batch; a row is one index along axis 0. At least 1.
  package var maxBatchRows: Int
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
    let limit = maxBatchRows
    let preferred = Set(batching.preferredBatchSizes.filter { (1...limit).contains($0) }).sorted()
    preferredRows = preferred.isEmpty ? [limit] : preferred
    maxQueueDelayNanoseconds = joinsRequests ? Self.nanoseconds(batching.maxQueueDelayMicroseconds) : 0
    let queue = batching.queuePolicy
    timeoutAction = queue.timeoutAction
    defaultTimeoutNanoseconds =
      queue.defaultTimeoutMicroseconds == 0 ? nil : Self.nanoseconds(queue.defaultTimeoutMicroseconds)
    allowsTimeoutOverride = queue.allowTimeoutOverride
    maxQueuedRequests = queue.maxQueueSize > 0 ? min(queue.maxQueueSize, queueLimit) : queueLimit
    priorityLevels = min(max(batching.priorityLevels, 0), Int(UInt8.max))
    defaultPriority = min(max(batching.defaultPriorityLevel, 1), max(priorityLevels, 1))
    self.maxBatchRequests = maxBatchRequests.map { max($0, 1) }
    if let maxQueueWait {
      timeoutAction = .reject
      defaultTimeoutNanoseconds = min(defaultTimeoutNanoseconds ?? .max, maxQueueWait.wholeNanoseconds)
    }
  }

  /// Where a request's priority ranks, 0 being the most urgent. 0 asks for the default, and what is past the last counts
  /// as the last.
  func level(of priority: UInt8) -> UInt8 {
    guard priorityLevels > 1 else { return 0 }
    return UInt8(min(priority == 0 ? defaultPriority : Int(priority), priorityLevels) - 1)
  }

  /// When a request that enters the queue at `now` has waited too long.
  ///
  /// - Parameter microseconds: What the request asks for; nil or 0: nothing.
  package func timeout(enteringAt now: Instant, requested microseconds: UInt64?) -> Instant {
    var wait = defaultTimeoutNanoseconds
    if allowsTimeoutOverride, let microseconds, microseconds > 0 {
      wait = min(wait ?? .max, Self.nanoseconds(microseconds))
    }
    return wait.map { now.advanced(byNanoseconds: $0) } ?? .never
  }

  private static func nanoseconds(_ microseconds: UInt64) -> UInt64 {
    let (product, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
    return overflow ? .max : product
  }
}
