/// How long calls took, in buckets that are at most a sixteenth wide: counts, and quantiles from them.
public struct LatencyHistogram: Sendable, Hashable {
  /// Calls by bucket; see `upperBound`.
  public internal(set) var counts = [UInt64](repeating: 0, count: LatencyHistogram.bucketCount)

  public init() {}

  /// Four bits below the leading one: each power of two is cut in 16. Longer than 36 minutes is in the last one.
  package static let bucketCount = 16 * 38
  private static let lastBit = 40

  /// The bucket of a duration.
  package static func bucket(ofNanoseconds nanoseconds: UInt64) -> Int {
    guard nanoseconds >= 16 else { return Int(nanoseconds) }
    let leading = 63 - nanoseconds.leadingZeroBitCount
    guard leading <= lastBit else { return bucketCount - 1 }
    let step = Int(nanoseconds >> UInt64(leading - 4)) & 15
    return 16 * (leading - 3) + step
  }

  /// Nanoseconds below which everything in the bucket is.
  public static func upperBound(ofBucket bucket: Int) -> UInt64 {
    guard bucket >= 16 else { return UInt64(bucket + 1) }
    let leading = bucket / 16 + 3
    return UInt64(16 + bucket % 16 + 1) << UInt64(leading - 4)
  }

  public var count: UInt64 { counts.reduce(0, +) }

  /// What so many of the calls did not take longer than, at most a sixteenth too high. Nil if there were none.
  ///
  /// - Parameter quantile: 0 to 1; 0.99 is the 99th percentile.
  public func quantile(_ quantile: Double) -> Duration? {
    let total = count
    guard total > 0 else { return nil }
    let rank = max(UInt64((Double(total) * min(max(quantile, 0), 1)).rounded(.up)), 1)
    var seen: UInt64 = 0
    for (bucket, count) in counts.enumerated() {
      seen += count
      if seen >= rank { return .nanoseconds(Int64(clamping: Self.upperBound(ofBucket: bucket))) }
    }
    return nil
  }

  /// What came since an earlier snapshot.
  public func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
    var difference = self
    for index in counts.indices { difference.counts[index] &-= earlier.counts[index] }
    return difference
  }

  mutating func add(_ other: LatencyHistogram) {
    for index in counts.indices { counts[index] &+= other.counts[index] }
  }
}
