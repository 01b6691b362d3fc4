import Arrivals
import LoadTesting
import Testing

@Test func `percentiles are within three digits of the recorded values'`() {
  var histogram = LatencyHistogram()
  var random = SeededRandom(seed: 7)
  var values: [UInt64] = []
  for _ in 0..<20_000 {
    let value = UInt64(random.exponential(mean: 3_000_000)) + 20_000
    values.append(value)
    histogram.record(value)
  }
  values.sort()
  for percentile in [1.0, 50, 90, 99, 99.9] {
    let exact = Double(values[Int((percentile / 100 * Double(values.count)).rounded(.up)) - 1])
    let found = Double(histogram.value(atPercentile: percentile))
    #expect(abs(found - exact) <= 0.001 * exact + 1024, "p\(percentile): \(found), exactly \(exact)")
  }
  #expect(histogram.count == 20_000)
  #expect(abs(histogram.mean - values.reduce(0.0) { $0 + Double($1) } / 20_000) < 1)
}

@Test func `a merged histogram is that of all values`() {
  var all = LatencyHistogram()
  var parts = [LatencyHistogram(), LatencyHistogram()]
  for index in 0..<1000 {
    all.record(UInt64(index) * 50_000)
    parts[index % 2].record(UInt64(index) * 50_000)
  }
  parts[0].add(parts[1])
  #expect(parts[0].distribution() == all.distribution())
  #expect(parts[0].count == 1000 && parts[0].mean == all.mean && parts[0].max == all.max)
}

@Test func `what takes longer than an hour counts as an hour, and a reset forgets`() {
  var histogram = LatencyHistogram()
  histogram.record(2 * LatencyHistogram.longest)
  #expect(histogram.count == 1)
  #expect(histogram.max >= LatencyHistogram.longest)
  histogram.reset()
  #expect(histogram.count == 0 && histogram.max == 0 && histogram.mean == 0 && histogram.value(atPercentile: 99) == 0)
  #expect(histogram.distribution().isEmpty)
}

@Test func `the distribution rises to its last value at 100 percent`() {
  var histogram = LatencyHistogram()
  for value in 1...5000 { histogram.record(UInt64(value) * 10_000) }
  let points = histogram.distribution()
  #expect(zip(points, points.dropFirst()).allSatisfy { $0.percentile <= $1.percentile && $0.nanoseconds <= $1.nanoseconds })
  #expect(points.last?.percentile == 100)
  #expect(points.count > 50)
}
