internal import Inference
internal import Threads

/// One run of the model, as the clock saw it.
struct RunTimes {
  var start = Instant(nanoseconds: 0)
  var inputsReady = Instant(nanoseconds: 0)
  var outputsReady = Instant(nanoseconds: 0)
  var end = Instant(nanoseconds: 0)
}

/// What one run, or one removal from the queue, adds to the statistics; summed before the lock is taken.
struct StatisticsDelta {
  var success = DurationCount()
  var rows = 0
  var queueNanoseconds: UInt64 = 0
  var fail = DurationCount()

  mutating func addSuccess(_ request: RequestPointer, started: Instant, ended: Instant) {
    success.add(ended.nanoseconds(since: request.pointee.arrival))
    queueNanoseconds &+= started.nanoseconds(since: request.pointee.enqueued)
    rows += request.pointee.rows
  }

  mutating func addFailure(_ request: RequestPointer, ended: Instant) {
    fail.add(ended.nanoseconds(since: request.pointee.arrival))
  }
}

/// The statistics of one pool: written once a batch, before its answers leave, and read as a value.
///
/// `@unchecked`: everything is guarded by `lock`.
final class StatisticsRecorder: @unchecked Sendable {
  private let lock = Lock()
  @exclusivity(unchecked) private var statistics = PoolStatistics()
  @exclusivity(unchecked) private var batchSizes: [Int: BatchSizeStatistics] = [:]

  deinit { lock.deallocate() }

  func snapshot() -> PoolStatistics {
    lock.withLock {
      var snapshot = statistics
      snapshot.batchSizes = batchSizes.values.sorted { $0.batchSize < $1.batchSize }
      return snapshot
    }
  }

  func addFailures(_ fail: DurationCount, _ reason: FailureReason) {
    guard fail.count > 0 else { return }
    lock.withLock { addFailuresLocked(fail, reason) }
  }

  func addRun(_ delta: StatisticsDelta, _ times: RunTimes, batchRows: Int, epochMilliseconds: UInt64) {
    let input = times.inputsReady.nanoseconds(since: times.start)
    let infer = times.outputsReady.nanoseconds(since: times.inputsReady)
    let output = times.end.nanoseconds(since: times.outputsReady)
    let count = delta.success.count
    lock.withLock {
      statistics.executionCount += 1
      statistics.lastInferenceMilliseconds = max(statistics.lastInferenceMilliseconds, epochMilliseconds)
      statistics.inferenceCount += UInt64(delta.rows)
      statistics.success.add(delta.success.nanoseconds, count: Int(count))
      statistics.queue.add(delta.queueNanoseconds, count: Int(count))
      statistics.computeInput.add(input &* count, count: Int(count))
      statistics.computeInfer.add(infer &* count, count: Int(count))
      statistics.computeOutput.add(output &* count, count: Int(count))
      var size = batchSizes[batchRows] ?? BatchSizeStatistics(batchSize: batchRows)
      size.computeInput.add(input)
      size.computeInfer.add(infer)
      size.computeOutput.add(output)
      batchSizes[batchRows] = size
      if delta.fail.count > 0 { addFailuresLocked(delta.fail, .other) }
    }
  }

  func addCacheHit(success: UInt64, queue: UInt64, lookup: UInt64) {
    lock.withLock {
      statistics.success.add(success)
      statistics.queue.add(queue)
      statistics.cacheHit.add(lookup)
    }
  }

  func addCacheMiss(count: Int, nanoseconds: UInt64) {
    lock.withLock { statistics.cacheMiss.add(nanoseconds, count: count) }
  }

  private func addFailuresLocked(_ fail: DurationCount, _ reason: FailureReason) {
    statistics.fail.add(fail.nanoseconds, count: Int(fail.count))
    statistics.failures[reason, default: 0] += fail.count
  }
}
