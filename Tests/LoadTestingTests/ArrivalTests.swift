import Arrivals
import LoadTesting
import Testing

/// The instants up to a time, in nanoseconds.
private func arrivals(_ schedule: ArrivalSchedule, until end: UInt64) -> [UInt64] {
  var schedule = schedule
  var found: [UInt64] = []
  while schedule.due < end {
    found.append(schedule.due)
    schedule.advance()
  }
  return found
}

@Test func `constant arrivals are evenly spaced, and do not drift`() {
  let found = arrivals(ArrivalSchedule(.constant, rate: 3, seed: 1), until: 1_000_000_000_000)
  #expect(found.count == 3000)
  #expect(found[0] == 0 && found[3] == 1_000_000_000 && found[2997] == 999_000_000_000)
}

@Test func `the threads' constant arrivals interleave to the whole rate`() {
  let whole = arrivals(ArrivalSchedule(.constant, rate: 1000, seed: 1), until: 1_000_000_000)
  let parts = (0..<4).flatMap {
    arrivals(ArrivalSchedule(.constant, rate: 1000, part: ($0, 4), seed: 1), until: 1_000_000_000)
  }
  #expect(parts.sorted() == whole)
}

/// The gaps of a Poisson process are exponential: their mean is 1/rate, and a share of 1 - e^-x is below x means. The
/// bound is that of Kolmogorov and Smirnov for 20,000 values at 0.1 %.
@Test func `Poisson arrivals have exponential gaps of the right mean`() {
  var schedule = ArrivalSchedule(.poisson, rate: 1000, seed: 42)
  var gaps: [Double] = []
  var last: UInt64 = 0
  for _ in 0..<20_000 {
    gaps.append(Double(schedule.due - last) / 1e6)
    last = schedule.due
    schedule.advance()
  }
  let mean = gaps.reduce(0, +) / 20_000
  #expect(abs(mean - 1) < 0.025)
  gaps.sort()
  let distance = gaps.enumerated().map { index, gap in
    abs(Double(index + 1) / 20_000 - (1 - exponential(-gap)))
  }.max()!
  #expect(distance < 1.95 / 20_000.0.squareRoot())
}

/// e^x by its series, for a test without the C library.
private func exponential(_ x: Double) -> Double {
  var (sum, term) = (1.0, 1.0)
  for index in 1...80 {
    term *= x / 8 / Double(index)
    sum += term
  }
  return (0..<3).reduce(sum) { value, _ in value * value }
}

@Test func `the same seed gives the same arrivals, and threads of one seed differ`() {
  let first = ArrivalSchedule(.poisson, rate: 500, part: (0, 2), seed: 3)
  #expect(arrivals(first, until: 1 << 32) == arrivals(first, until: 1 << 32))
  let second = ArrivalSchedule(.poisson, rate: 500, part: (1, 2), seed: 3)
  #expect(arrivals(first, until: 1 << 32) != arrivals(second, until: 1 << 32))
}

@Test func `a trace is put in order, counted from its first arrival, and dealt to the threads`() throws {
  let trace = try ArrivalTrace("time,model,priority\n# a comment\n10.5,a,2\n10.0\r\n\n11,b\n10.5, a ,\n", from: "t.csv")
  #expect(trace.models == ["a", "b"])
  #expect((0..<4).map { trace[$0].nanoseconds } == [0, 500_000_000, 500_000_000, 1_000_000_000])
  #expect((0..<4).map { trace[$0].model } == [-1, 0, 0, 1])
  #expect((0..<4).map { trace[$0].priority } == [nil, 2, nil, nil])
  #expect(arrivals(ArrivalSchedule(trace, part: (0, 2)), until: .max) == [0, 500_000_000])
  #expect(arrivals(ArrivalSchedule(trace, part: (1, 2)), until: .max) == [500_000_000, 1_000_000_000])
}

@Test(arguments: [
  ("", "t has no arrivals"), ("1\nx\n", "t, line 2: expected seconds, found 'x'"),
  ("1,a,b", "t, line 1: expected a priority, found 'b'"), ("1e30", "t, line 1: 1e30 seconds are out of range"),
  ("nan", "t, line 1: nan seconds are out of range"), ("1,a,1,2", "t, line 1: expected seconds,model,priority, found 4 columns"),
])
func `a trace that can't be read says where`(text: String, message: String) {
  #expect(throws: TraceError(message)) { try ArrivalTrace(text, from: "t") }
}

@Test(arguments: [
  ("1000", [1000.0]), ("10..50", [10, 20, 30, 40, 50]), ("50..10", [50, 40, 30, 20, 10]), ("1.5..1.5", [1.5]),
])
func `a range of loads is climbed in equal steps`(text: String, steps: [Double]) {
  #expect(LoadRange(text)?.steps(5) == steps)
}

@Test(arguments: ["", "0", "-1", "x", "1..", "..2", "1..2..3", "nan", "inf", "1..x"])
func `what is no range of loads is refused`(text: String) {
  #expect(LoadRange(text) == nil)
}

@Test(arguments: [
  (ArrivalProcess.poisson, 0.8...1.2), (.constant, 0.0...0.01), (.bursts(factor: 10, seconds: 0.5), 20...2000),
  (.diurnal(depth: 0.9, seconds: 10), 20...2000),
]) func `every process has its rate on average, and its own unrest`(process: ArrivalProcess, unrest: ClosedRange<Double>) {
  let seconds = 400
  let found = arrivals(ArrivalSchedule(process, rate: 1000, seed: 11), until: UInt64(seconds) * 1_000_000_000)
  #expect(abs(Double(found.count) / Double(1000 * seconds) - 1) < 0.1)
  var counts = Array(repeating: 0.0, count: 4 * seconds)
  for instant in found { counts[Int(instant / 250_000_000)] += 1 }
  let mean = counts.reduce(0, +) / Double(counts.count)
  let variance = counts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(counts.count)
  // Counts of a Poisson process vary by their mean.
  #expect(unrest.contains(variance / mean), "\(variance / mean)")
}
