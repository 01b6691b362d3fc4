internal import Glibc

/// The Mann-Whitney U test: whether two samples come from the same distribution, judged by ranks alone, so that neither
/// outliers nor the shape of the distribution matter.
///
/// Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the other"
/// (1947).
package enum MannWhitney {
  /// The chance of ranks as unequal as these, in either direction, if both samples came from one distribution.
  ///
  /// Exact where there are no ties and at most 20 values a side; else by the normal approximation with the corrections for
  /// ties and continuity. 1 if a sample is empty.
  package static func pValue(_ first: [Double], _ second: [Double]) -> Double {
    guard !first.isEmpty, !second.isEmpty else { return 1 }
    let (u, ties) = statistic(first, second)
    if ties == 0, first.count <= 20, second.count <= 20 { return exact(u, first.count, second.count) }
    return approximate(u, first.count, second.count, ties)
  }

  /// U of the first sample (pairs that it wins, a tie counting half), and Σ(t³ - t) over groups of t equal values.
  private static func statistic(_ first: [Double], _ second: [Double]) -> (u: Double, ties: Double) {
    let all = (first.map { ($0, true) } + second.map { ($0, false) }).sorted { $0.0 < $1.0 }
    var rankSum = 0.0
    var ties = 0.0
    var start = 0
    while start < all.count {
      var end = start + 1
      while end < all.count, all[end].0 == all[start].0 { end += 1 }
      let rank = Double(start + 1 + end) / 2
      rankSum += rank * Double(all[start..<end].count { $0.1 })
      let group = Double(end - start)
      ties += group * group * group - group
      start = end
    }
    let count = Double(first.count)
    return (rankSum - count * (count + 1) / 2, ties)
  }

  /// By counting the arrangements of each U: those of (m, n) end in a value of either sample.
  private static func exact(_ u: Double, _ m: Int, _ n: Int) -> Double {
    // counts[j][k]: arrangements of i values of one sample and j of the other with U = k, for the i of the outer loop.
    var counts = (0...n).map { _ in [1.0] }
    for i in 1...m {
      var next: [[Double]] = [[1.0]]
      for j in 1...n {
        var row = [Double](repeating: 0, count: i * j + 1)
        for (k, ways) in next[j - 1].enumerated() { row[k] += ways }
        for (k, ways) in counts[j].enumerated() { row[k + j] += ways }
        next.append(row)
      }
      counts = next
    }
    let total = counts[n].reduce(0, +)
    let smaller = Swift.min(u, Double(m * n) - u)
    let tail = counts[n].prefix(Int(smaller) + 1).reduce(0, +)
    return Swift.min(1, 2 * tail / total)
  }

  private static func approximate(_ u: Double, _ m: Int, _ n: Int, _ ties: Double) -> Double {
    let (m, n) = (Double(m), Double(n))
    let total = m + n
    let variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    guard variance > 0 else { return 1 }
    let distance = Swift.max(abs(u - m * n / 2) - 0.5, 0)
    return erfc(distance / variance.squareRoot() / 2.0.squareRoot())
  }
}
