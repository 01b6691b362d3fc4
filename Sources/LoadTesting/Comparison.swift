/// What changed between two runs, beyond the noise that the runs themselves show.
///
/// Each metric is measured once a window. Two runs differ in it if the Mann-Whitney test gives ranks as unequal as theirs a
/// chance below `significance`, and if the medians differ by more than `threshold`. Windows of one run are more alike than
/// runs are, so a difference between two runs may still be one between two moments of the machine: repeat them.
package struct Comparison: Sendable {
  /// One metric of both runs, a value a window.
  package struct Metric: Sendable {
    package var name: String
    package var unit: String
    package var lowerIsBetter: Bool
    package var before: [Double]
    package var after: [Double]

    package init(_ name: String, unit: String, lowerIsBetter: Bool, before: [Double], after: [Double]) {
      (self.name, self.unit, self.lowerIsBetter, self.before, self.after) = (name, unit, lowerIsBetter, before, after)
    }
  }

  package enum Verdict: String, Sendable {
    case better, worse
    /// Within the noise, or too small to matter.
    case same
    /// Too few windows to tell: fewer than four a side.
    case unknown
  }

  package struct Line: Sendable {
    package var metric: Metric
    /// Medians of the windows.
    package var before: Double
    package var after: Double
    package var pValue: Double
    package var verdict: Verdict

    /// After against before: 0.1 is 10 % more. 0 if there was nothing before.
    package var change: Double { before == 0 ? 0 : after / before - 1 }
  }

  package static let leastWindows = 4
  package var significance = 0.01
  /// Smallest change of the medians that counts, as a share.
  package var threshold: Double

  package init(threshold: Double) { self.threshold = threshold }

  package func judge(_ metric: Metric) -> Line {
    let before = Self.median(metric.before)
    let after = Self.median(metric.after)
    var line = Line(
      metric: metric, before: before, after: after, pValue: MannWhitney.pValue(metric.before, metric.after),
      verdict: .same)
    if Swift.min(metric.before.count, metric.after.count) < Self.leastWindows {
      line.verdict = .unknown
    } else if line.pValue < max(significance, Self.leastP(metric.before.count, metric.after.count)),
      abs(after - before) > threshold * abs(before)
    {
      line.verdict = (after < before) == metric.lowerIsBetter ? .better : .worse
    }
    return line
  }

  /// The smallest p that so few windows can have lies above `significance`: there complete separation decides, with this
  /// bound just above it.
  private static func leastP(_ m: Int, _ n: Int) -> Double {
    var arrangements = 1.0
    for index in 1...m { arrangements = arrangements * Double(n + index) / Double(index) }
    return 2 / arrangements * 1.000_001
  }

  package static func median(_ values: [Double]) -> Double {
    guard !values.isEmpty else { return 0 }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
