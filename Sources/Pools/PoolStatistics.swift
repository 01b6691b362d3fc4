package import Batching

/// How many events, and how long they took together. Source: Triton's `StatisticDuration`.
package struct DurationCount: Hashable, Sendable {
  package var count: UInt64 = 0
  package var nanoseconds: UInt64 = 0

  package init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
    self.count = count
    self.nanoseconds = nanoseconds
  }

  mutating func add(_ nanoseconds: UInt64, count: Int = 1) {
    self.count &+= UInt64(count)
    self.nanoseconds &+= nanoseconds
  }
}

/// Executions of one batch size. Source: Triton's `InferBatchStatistics`.
package struct BatchSizeStatistics: Hashable, Sendable {
  /// Rows in the batch; 1 where the model does not batch.
  package var batchSize = 0
  package var computeInput = DurationCount()
  package var computeInfer = DurationCount()
  package var computeOutput = DurationCount()

  package init(batchSize: Int = 0) { self.batchSize = batchSize }
}

/// What a pool has done since it was made, with Triton's meaning of every counter.
///
/// A request is in `success` or in `fail`, never in both. `queue` counts successful requests, and the `compute` counters
/// those of them that ran, each charged with the whole time of the batch it was in. Executions are those that succeeded: a
/// batch that failed and was run again one request at a time counts as the runs that came of it.
package struct PoolStatistics: Hashable, Sendable {
  /// Rows of successful requests.
  package var inferenceCount: UInt64 = 0
  /// Successful runs of the model.
  package var executionCount: UInt64 = 0
  /// When the last one ended, in milliseconds since 1970; 0: none yet.
  package var lastInferenceMilliseconds: UInt64 = 0
  /// From arrival to answer.
  package var success = DurationCount()
  package var fail = DurationCount()
  /// From the queue's door to the start of the run.
  package var queue = DurationCount()
  package var computeInput = DurationCount()
  package var computeInfer = DurationCount()
  package var computeOutput = DurationCount()
  /// Requests that the response cache answered, and the time of their look-ups. They are in `success` and `queue` too.
  package var cacheHit = DurationCount()
  /// Look-ups that found nothing, and what they and keeping the answers took.
  package var cacheMiss = DurationCount()
  /// One for each batch size seen, ascending.
  package var batchSizes: [BatchSizeStatistics] = []
  /// `fail` by reason. Source: the label of Triton's `nv_inference_request_failure`.
  package var failures: [FailureReason: UInt64] = [:]
  /// Batches that left the queue, by what made them leave.
  package var batchCauses: [FormedBatch.Cause: UInt64] = [:]

  package init() {}
}

package enum FailureReason: String, Hashable, Sendable, CaseIterable {
  /// The queue was full, or the time in it too long.
  case rejected = "REJECTED"
  /// The caller went away, or its deadline passed.
  case cancelled = "CANCELED"
  case backend = "BACKEND"
  /// The answer did not fit in what the request may hold.
  case other = "OTHER"
}
