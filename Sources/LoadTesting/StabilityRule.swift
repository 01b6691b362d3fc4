/// When a measurement has settled: its last windows agree.
///
/// perf_analyzer's rule, three windows in a row, with one tolerance for throughput and for the median latency.
package struct StabilityRule: Hashable, Sendable {
  /// How far a window may lie from the mean of the last ones, as a share of it: 0.05 is 5 %.
  package var tolerance: Double
  /// So many windows must agree.
  package var windows = 3
  /// And so many must have been measured at all, or a comparison of two runs has nothing to tell noise by.
  package var leastWindows = 5

  package init(tolerance: Double) { self.tolerance = tolerance }

  /// Whether the last windows agree.
  ///
  /// - Parameters:
  ///   - throughputs: Answers a second, a window each.
  ///   - latencies: Medians in nanoseconds, a window each.
  package func isStable(throughputs: [Double], latencies: [Double]) -> Bool {
    guard throughputs.count >= max(windows, leastWindows), latencies.count == throughputs.count else { return false }
    return agree(throughputs.suffix(windows)) && agree(latencies.suffix(windows))
  }

  private func agree(_ values: ArraySlice<Double>) -> Bool {
    let mean = values.reduce(0, +) / Double(values.count)
    guard mean > 0 else { return false }
    return values.allSatisfy { abs($0 - mean) <= tolerance * mean }
  }
}
