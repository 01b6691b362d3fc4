internal import Histogram

/// How often each latency was seen: an HdrHistogram of nanoseconds.
///
/// Resolves a microsecond, and three significant digits above it, up to an hour; what is longer counts as an hour.
/// Recording allocates nothing.
package struct LatencyHistogram: Sendable {
  private var values: Histogram<UInt64>
  /// Of all values, so that their mean needs no walk over the buckets: it is asked for once a window.
  private var sum = 0.0

  /// Longest latency that is told from longer ones: an hour.
  package static let longest: UInt64 = 3_600_000_000_000

  package init() {
    values = Histogram(
      lowestDiscernibleValue: 1000, highestTrackableValue: Self.longest, numberOfSignificantValueDigits: .three)
  }

  package var count: UInt64 { values.totalCount }

  package mutating func record(_ nanoseconds: UInt64) {
    let value = Swift.min(nanoseconds, Self.longest)
    values.record(value)
    sum += Double(value)
  }

  /// Adds all that `other` has recorded.
  package mutating func add(_ other: LatencyHistogram) {
    guard other.count > 0 else { return }
    values.add(other.values)
    sum += other.sum
  }

  package mutating func reset() {
    guard count > 0 else { return }
    values.reset()
    sum = 0
  }

  /// The latency that `percentile` of the calls did not exceed, in nanoseconds; 0 if nothing was recorded.
  ///
  /// - Parameter percentile: 0 to 100, inclusive.
  package func value(atPercentile percentile: Double) -> UInt64 { values.valueAtPercentile(percentile) }

  /// Nanoseconds; 0 if nothing was recorded.
  package var mean: Double { count == 0 ? 0 : sum / Double(count) }
  package var max: UInt64 { count == 0 ? 0 : values.maxRecorded }
  package var min: UInt64 { count == 0 ? 0 : values.min }
  package var standardDeviation: Double { count == 0 ? 0 : values.stdDeviation }

  /// A point of the distribution: so large a share of the calls took no longer.
  package struct Point: Hashable, Sendable {
    package var nanoseconds: UInt64
    /// Above 0 and at most 100.
    package var percentile: Double
  }

  /// The cumulative distribution, finer towards its tail: ten points for each halving of what is left.
  package func distribution() -> [Point] {
    guard count > 0 else { return [] }
    var points: [Point] = []
    for step in values.percentiles(ticksPerHalfDistance: 10) {
      let point = Point(nanoseconds: step.value, percentile: step.percentile)
      if points.last != point { points.append(point) }
    }
    return points
  }
}
