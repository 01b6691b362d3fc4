import Inference
import Scaling
import Testing

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
private let second: UInt64 = 1_000_000_000

@Test func `each grain has the figures of its own time`() {
  var window = MetricWindow(grainNanoseconds: 60 * second, count: 6)
  window.record(10, at: at(60))
  window.record(20, at: at(119))
  window.record(5, at: at(120))
  let grains = window.grains(of: 300 * second, at: at(130))
  #expect(grains.count == 2)
  #expect(grains[0].count == 2 && grains[0].sum == 30 && grains[0].least == 10 && grains[0].greatest == 20)
  #expect(grains[1].sum == 5)
}

@Test func `what is older than the window does not count, also after a long silence`() {
  var window = MetricWindow(grainNanoseconds: second, count: 11)
  for time: UInt64 in 0...10 { window.record(Double(time), at: at(time)) }
  #expect(window.grains(of: 5 * second, at: at(10)).map(\.sum) == [5, 6, 7, 8, 9, 10])
  #expect(window.grains(of: 5 * second, at: at(14)).map(\.sum) == [9, 10])
  #expect(window.grains(of: 5 * second, at: at(100)).isEmpty)
  window.record(7, at: at(1000))
  #expect(window.grains(of: 10 * second, at: at(1000)).map(\.sum) == [7])
}

@Test func `a late value lands in its grain, or nowhere if that is gone`() {
  var window = MetricWindow(grainNanoseconds: second, count: 4)
  window.record(1, at: at(10))
  window.record(2, at: at(8))
  window.record(3, at: at(2))
  #expect(window.grains(of: 3 * second, at: at(10)).map(\.sum) == [2, 1])
}

@Test func `values that are no numbers are dropped`() {
  var window = MetricWindow(grainNanoseconds: second, count: 4)
  window.record(.nan, at: at(1))
  window.record(.infinity, at: at(1))
  #expect(window.grains(of: second, at: at(1)).isEmpty)
}

/// Against a plain list of everything that was recorded.
@Test func `the ring says what a list of all values would say`() {
  for seed: UInt64 in 0..<50 {
    var random = SeededGenerator(state: seed)
    let grain = UInt64.random(in: 1...5, using: &random)
    let count = Int.random(in: 1...20, using: &random)
    var window = MetricWindow(grainNanoseconds: grain, count: count)
    var all: [(grain: UInt64, value: Double)] = []
    var now: UInt64 = 0
    for _ in 0..<300 {
      now += UInt64.random(in: 0...8, using: &random)
      let value = Double(Int.random(in: 0...9, using: &random))
      window.record(value, at: Instant(nanoseconds: now))
      all.append((now / grain, value))
      let length = UInt64.random(in: 0...grain * UInt64(count - 1), using: &random)
      let begin = (now > length ? now - length : 0) / grain
      let expected = all.filter { $0.grain >= begin }.reduce(0) { $0 + $1.value }
      let found = window.grains(of: length, at: Instant(nanoseconds: now)).reduce(0) { $0 + $1.sum }
      #expect(found == expected)
    }
  }
}
