package import Inference

/// What one pool may hold, and the codes of its refusals.
package struct PoolLimits: Hashable, Sendable {
  /// Most requests waiting where the model's configuration names no `max_queue_size`, and the ceiling where it does.
  package var maxQueuedRequests = 8192
  /// Most rows in a batch where neither configuration nor caller says, for a model that batches. Triton's default.
  package var defaultMaxBatchSize = 4
  /// The code of a full queue. Triton answers `.unavailable`, which invites retries.
  package var queueFullCode = InferenceError.Code.resourceExhausted
  /// The code of a queue timeout. Triton answers `.unavailable`.
  package var queueTimeoutCode = InferenceError.Code.deadlineExceeded

  /// A batch that runs in less than this may run on the event loop that brought it, where handing it to an instance's
  /// thread and back would cost more than the run. Zero: never.
  package var inlineRunLimit = Duration.microseconds(50)

  /// Most requests that one instance runs at once, and so most in one batch; nil: as many as their rows allow. At least 1.
  ///
  /// With it, no more than twice as many as all instances can run are in the pool, waiting and running. Source: Azure ML's
  /// `max_concurrent_requests_per_instance`, and its rule for "too many pending requests".
  package var requestsPerInstance: Int?
  /// Longest time in the queue, whatever the model's configuration says; nil: as that says. Azure ML's `max_queue_wait_ms`.
  package var maxQueueWait: Duration?
  /// Most instances that `resize(to:)` may ask for, where the model began with fewer.
  package var maxInstances = 64

  /// When a stuck instance is restarted; nil: never. `successThreshold` has no meaning here: a restart is a new instance.
  package var liveness: ProbePolicy?
  /// When an instance is taken out of rotation, and put back; nil: never.
  package var readiness: ProbePolicy?

  package init() {}
}

/// What became of a request that was submitted.
package enum SubmitResult {
  /// It will be answered through its mailbox. If `needsWake`, call `wake()` at the end of the turn.
  case accepted(needsWake: Bool)
  /// The pool takes nothing new; ask another. The request is the caller's still.
  case draining
  /// The request is the caller's still, to answer with this.
  case refused(InferenceError)
}

/// The clocks of a pool, replaced in tests.
package struct PoolClock: Sendable {
  package var now: @Sendable () -> Instant
  /// Milliseconds since 1970, for `last_inference`.
  package var epochMilliseconds: @Sendable () -> UInt64

  package init(now: @escaping @Sendable () -> Instant, epochMilliseconds: @escaping @Sendable () -> UInt64) {
    self.now = now
    self.epochMilliseconds = epochMilliseconds
  }
}
