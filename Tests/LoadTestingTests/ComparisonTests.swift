import Arrivals
import LoadTesting
import Testing

private func noise(_ count: Int, around center: Double, seed: UInt64) -> [Double] {
  var random = SeededRandom(seed: seed)
  return (0..<count).map { _ in center * (1 + 0.1 * (random.unit() - 0.5)) }
}

private func judge(_ before: [Double], _ after: [Double], lowerIsBetter: Bool = true) -> Comparison.Verdict {
  Comparison(threshold: 0.02).judge(
    Comparison.Metric("p99", unit: "ms", lowerIsBetter: lowerIsBetter, before: before, after: after)
  ).verdict
}

/// Tables of the exact distribution: Mann and Whitney, 1947, for 3 and 4 values U = 0 has 1 of 35 arrangements.
@Test func `p-values of small samples are exact`() {
  #expect(abs(MannWhitney.pValue([1, 2, 3], [4, 5, 6, 7]) - 2.0 / 35) < 1e-12)
  #expect(abs(MannWhitney.pValue([4, 5, 6, 7], [1, 2, 3]) - 2.0 / 35) < 1e-12)
  #expect(abs(MannWhitney.pValue([1, 2, 4], [3, 5, 6, 7]) - 4.0 / 35) < 1e-12)
  #expect(MannWhitney.pValue([], [1]) == 1)
}

@Test func `ties and large samples go by the normal approximation`() {
  #expect(MannWhitney.pValue([5, 5, 5, 5], [5, 5, 5, 5]) == 1)
  let (left, right) = (noise(60, around: 1, seed: 1), noise(60, around: 1.05, seed: 2))
  #expect(MannWhitney.pValue(left, right) < 1e-6)
}

@Test func `noise alone is no change, over many pairs of runs`() {
  let verdicts = (0..<200).map { pair in
    judge(noise(10, around: 5, seed: pair * 2 + 1), noise(10, around: 5, seed: pair * 2 + 2))
  }
  #expect(verdicts.count { $0 != .same } <= 6)
}

@Test func `a change beyond the noise is seen, and which way it goes`() {
  let (slow, fast) = (noise(10, around: 6, seed: 3), noise(10, around: 5, seed: 4))
  #expect(judge(fast, slow) == .worse)
  #expect(judge(slow, fast) == .better)
  #expect(judge(fast, slow, lowerIsBetter: false) == .better)
}

@Test func `a change that is sure but tiny does not count`() {
  #expect(judge((0..<10).map { 100 + Double($0) / 100 }, (0..<10).map { 101 + Double($0) / 100 }) == .same)
}

@Test func `too few windows tell nothing, four that are apart do`() {
  #expect(judge([1, 2, 3], [7, 8, 9]) == .unknown)
  #expect(judge([1, 2, 3, 4], [7, 8, 9, 10]) == .worse)
  #expect(judge([1, 2, 3, 7], [4, 8, 9, 10]) == .same)
}
