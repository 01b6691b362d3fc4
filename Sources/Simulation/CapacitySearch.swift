/// What callers are promised: which share of them is answered in which time.
package struct LatencyObjective: Hashable, Sendable {
  /// Above 0 and below 100.
  package var percentile: Double
  package var nanoseconds: UInt64

  package init(percentile: Double, nanoseconds: UInt64) {
    self.percentile = percentile
    self.nanoseconds = nanoseconds
  }

  /// Whether a simulated fleet keeps it. Requests without an answer count as late.
  package func isKept(by result: SimulationResult) -> Bool {
    let inTime = result.countAnswered(within: nanoseconds)
    return Double(inTime) >= percentile / 100 * Double(result.requests)
  }
}

extension SimulationResult {
  package func countAnswered(within nanoseconds: UInt64) -> Int {
    var (low, high) = (0, latencies.count)
    while low < high {
      let middle = (low + high) / 2
      if latencies[middle] <= nanoseconds { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Looks for the least of something that keeps all objectives: servers, instances; or the most: a rate.
///
/// More of it must never be worse, as far as chance allows. Doubles until the objectives are kept, then halves the gap.
package enum CapacitySearch {
  /// - Parameters:
  ///   - most: Not looked at beyond it.
  ///   - isEnough: Whether so many keep the objectives.
  /// - Returns: The least number that is enough; nil: not even `most` is.
  package static func least(upTo most: Int, isEnough: (Int) -> Bool) -> Int? {
    var enough = 1
    var tooFew = 0
    while !isEnough(enough) {
      tooFew = enough
      guard enough < most else { return nil }
      enough = min(enough * 2, most)
    }
    while enough - tooFew > 1 {
      let middle = (tooFew + enough) / 2
      if isEnough(middle) { enough = middle } else { tooFew = middle }
    }
    return enough
  }

  /// The highest rate, to one part in a hundred, at which the objectives are kept; nil: at none over a thousandth of
  /// `capacity`, beyond which nothing is looked at.
  package static func highestRate(capacity: Double, isKept: (Double) -> Bool) -> Double? {
    var (kept, broken) = (0.0, capacity * 1.25)
    var rate = capacity / 2
    while broken - kept > 0.01 * broken {
      if isKept(rate) { kept = rate } else { broken = rate }
      if broken < capacity / 1000 { return nil }
      rate = (kept + broken) / 2
    }
    return kept > 0 ? kept : nil
  }
}
