import LoadTesting
import Testing

private let rule = StabilityRule(tolerance: 0.05)

@Test func `a run is stable when its last three windows agree`() {
  let steady = [100.0, 50, 101, 99, 100]
  #expect(rule.isStable(throughputs: steady, latencies: [9, 9, 5, 5, 5]))
  #expect(!rule.isStable(throughputs: [100, 50, 101, 99, 120], latencies: [5, 5, 5, 5, 5]))
  #expect(!rule.isStable(throughputs: steady, latencies: [5, 5, 5, 5, 7]))
}

@Test func `too few windows, or windows without an answer, are not stable`() {
  #expect(!rule.isStable(throughputs: [100, 100, 100, 100], latencies: [5, 5, 5, 5]))
  #expect(!rule.isStable(throughputs: [0, 0, 0, 0, 0], latencies: [0, 0, 0, 0, 0]))
}
