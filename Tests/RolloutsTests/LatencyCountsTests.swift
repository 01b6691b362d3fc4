import Rollouts
import Testing

@Test func `a percentile is right to a sixteenth, and never below the truth`() {
  var random = SeededGenerator(state: 3)
  var counts = LatencyCounts()
  var all: [UInt64] = []
  for _ in 0..<5000 {
    let latency = UInt64.random(in: 1000...2_000_000_000 >> UInt64.random(in: 0...20, using: &random), using: &random)
    counts.record(nanoseconds: latency)
    all.append(latency)
  }
  all.sort()
  for percentile in [1.0, 25, 50, 90, 99, 100] {
    let truth = all[Int((5000 * percentile / 100).rounded(.up)) - 1]
    let read = counts.percentile(percentile)!
    #expect(read >= truth)
    #expect(Double(read) <= Double(truth) * 1.0626 + 1000)
  }
}

@Test func `latencies off either end count in the last bucket there`() {
  var counts = LatencyCounts()
  counts.record(nanoseconds: 0)
  counts.record(nanoseconds: .max)
  #expect(counts.total == 2)
  #expect(counts.percentile(50) == 1000)
  #expect(counts.percentile(100)! > 4_000_000_000_000)
}

@Test func `nothing counted has no percentile`() {
  #expect(LatencyCounts().percentile(50) == nil)
}

@Test func `sums are the sums of their parts`() {
  var left = LatencyCounts()
  var right = LatencyCounts()
  var both = LatencyCounts()
  left.record(nanoseconds: 5000, count: 3)
  right.record(nanoseconds: 7_000_000, count: 2)
  both.record(nanoseconds: 5000, count: 3)
  both.record(nanoseconds: 7_000_000, count: 2)
  left.add(right)
  #expect(left == both)
}
