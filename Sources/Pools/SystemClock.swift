internal import Glibc
internal import Inference

extension PoolClock {
  /// `CLOCK_MONOTONIC` and `CLOCK_REALTIME`.
  package static let system = PoolClock(
    now: { Instant.now() },
    epochMilliseconds: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    })
}
