internal import Batching
internal import Inference
internal import Threads

/// When batches leave, where that is left to the server.
extension ModelPool {
  /// Whether it is: requests share batches, and the configuration names neither sizes nor a delay.
  package var isTunable: Bool {
    guard policy.joinsRequests, let batching = configuration.dynamicBatching else { return false }
    return batching.preferredBatchSizes.isEmpty && batching.maxQueueDelayMicroseconds == 0
  }

  /// Has batches leave by other numbers from now on.
  ///
  /// - Parameters:
  ///   - rows: Most rows of requests that leave together.
  ///   - delayNanoseconds: How long the oldest request waits for company; 0: a free instance never waits.
  package func retune(rows: Int, delayNanoseconds: UInt64) {
    precondition(isTunable, "The configuration of '\(name)' says when batches leave. This is a bug.")
    lock.withLock { state.pointee.queue.retune(rows: rows, delayNanoseconds: delayNanoseconds) }
    // What waited for company may not have to any longer.
    wake()
  }
}
