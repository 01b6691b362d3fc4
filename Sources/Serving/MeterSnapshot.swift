/// What a `DeploymentMeter` had counted at one moment. The difference of two is what happened in between.
package struct MeterSnapshot: Hashable, Sendable {
  /// Requests by outcome's raw value.
  var counts: [UInt64] = Array(repeating: 0, count: RequestOutcome.count)
  /// Sum of the times of those that were worked on.
  package var totalNanoseconds: UInt64 = 0
  /// Those requests by time; see `LatencyBuckets`.
  package var buckets: [UInt64] = Array(repeating: 0, count: LatencyBuckets.count)

  package init() {}

  package subscript(outcome: RequestOutcome) -> UInt64 { counts[outcome.rawValue] }

  /// All requests, however they ended.
  package var requests: UInt64 { counts.reduce(0, &+) }

  /// Those that a deployment is to blame for: failed, late or unavailable. Full queues and callers' mistakes are not.
  package var faults: UInt64 { self[.failed] &+ self[.late] &+ self[.unavailable] }

  /// Requests whose time was counted: succeeded, failed or late.
  package var timedRequests: UInt64 { buckets.reduce(0, &+) }

  /// The time within which so large a share of the timed requests was over: at most 1/16 too much. Nil if none was.
  ///
  /// - Parameter share: 0 to 1; 0.99 is the 99th percentile.
  package func nanoseconds(atShare share: Double) -> UInt64? {
    let total = timedRequests
    guard total > 0 else { return nil }
    let wanted = max(1, UInt64((Double(total) * min(max(share, 0), 1)).rounded(.up)))
    var seen: UInt64 = 0
    for index in buckets.indices {
      seen &+= buckets[index]
      if seen >= wanted { return LatencyBuckets.end(of: index) }
    }
    return nil
  }

  package var meanNanoseconds: UInt64? {
    let total = timedRequests
    return total > 0 ? totalNanoseconds / total : nil
  }

  /// What was counted after `earlier`, a snapshot of the same meter.
  package static func - (later: MeterSnapshot, earlier: MeterSnapshot) -> MeterSnapshot {
    var difference = later
    for index in difference.counts.indices { difference.counts[index] &-= earlier.counts[index] }
    for index in difference.buckets.indices { difference.buckets[index] &-= earlier.buckets[index] }
    difference.totalNanoseconds &-= earlier.totalNanoseconds
    return difference
  }

  /// What both counted: two deployments, or live requests and copies.
  package static func + (left: MeterSnapshot, right: MeterSnapshot) -> MeterSnapshot {
    var sum = left
    for index in sum.counts.indices { sum.counts[index] &+= right.counts[index] }
    for index in sum.buckets.indices { sum.buckets[index] &+= right.buckets[index] }
    sum.totalNanoseconds &+= right.totalNanoseconds
    return sum
  }
}

/// Times in classes whose width is a sixteenth of their beginning: from about a microsecond to four and a half minutes.
///
/// ```
/// units of 1,024 ns   0 1 2 … 15 │ 16 17 … 31 │ 32 34 … 62 │ 64 68 …
/// class               0 1 2 … 15 │ 16 17 … 31 │ 32 33 … 47 │ 48 49 …
/// ```
package enum LatencyBuckets {
  private static let unitBits = 10
  private static let subBits = 4
  private static let topBits = 28
  package static let count = (topBits - subBits + 1) * (1 << subBits)

  package static func index(of nanoseconds: UInt64) -> Int {
    let units = nanoseconds >> UInt64(unitBits)
    guard units >= 1 << UInt64(subBits) else { return Int(units) }
    let exponent = 63 - units.leadingZeroBitCount
    guard exponent < topBits else { return count - 1 }
    let place = Int(truncatingIfNeeded: units >> UInt64(exponent - subBits)) & (1 << subBits - 1)
    return (exponent - subBits + 1) << subBits | place
  }

  /// The first time past the class, in nanoseconds.
  package static func end(of index: Int) -> UInt64 {
    let (group, place) = (index >> subBits, UInt64(index & (1 << subBits - 1)))
    let units = group == 0 ? place + 1 : (1 << UInt64(subBits) + place + 1) << UInt64(group - 1)
    return units << UInt64(unitBits)
  }
}
