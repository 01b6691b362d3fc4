package import Inference

/// What the response cache in front of a pool has done for it, among the pool's statistics.
///
/// Source of the meanings: Triton, "Statistics Extension" and "Response Cache". A hit is a success that no run and no
/// inference counts; a miss is a look-up that found nothing, with the time that it took and that of keeping the answer.
extension ModelPool {
  /// Counts a request that was answered without a run of its own.
  ///
  /// - Parameters:
  ///   - waited: Nanoseconds that it waited for the answer to an identical request: its time in a queue.
  ///   - lookup: Nanoseconds of the look-up.
  package func noteCacheHit(_ request: RequestPointer, waited: UInt64, lookup: UInt64, at now: Instant) {
    statisticsRecorder.addCacheHit(
      success: now.nanoseconds(since: request.pointee.arrival), queue: waited, lookup: lookup)
  }

  /// Counts a look-up that found nothing.
  package func noteCacheMiss(lookup: UInt64) { statisticsRecorder.addCacheMiss(count: 1, nanoseconds: lookup) }

  /// Adds the time that it took to keep an answer, to the miss that it came of.
  package func noteCacheInsertion(nanoseconds: UInt64) {
    statisticsRecorder.addCacheMiss(count: 0, nanoseconds: nanoseconds)
  }

  /// Counts a request that nobody waited for any more when its turn to run came.
  package func noteUnwanted(_ request: RequestPointer, at now: Instant) {
    statisticsRecorder.addFailures(
      DurationCount(count: 1, nanoseconds: now.nanoseconds(since: request.pointee.arrival)), .cancelled)
  }
}
