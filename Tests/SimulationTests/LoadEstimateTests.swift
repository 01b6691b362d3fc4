import Batching
import Simulation
import Testing

private let second: UInt64 = 1_000_000_000

@Test func `costs are those of the runs since the last look`() throws {
  var estimate = LoadEstimate()
  #expect(estimate.cost == nil && estimate.requestsPerSecond == nil)
  estimate.observe([.init(rows: 1, count: 10, nanoseconds: 1000)], requests: 10, answered: (10, 10), at: second)
  #expect(estimate.cost?.nanoseconds(rows: 1) == 100)
  #expect(estimate.requestsPerSecond == nil)
  estimate.observe(
    [.init(rows: 1, count: 20, nanoseconds: 4000), .init(rows: 4, count: 5, nanoseconds: 2500)], requests: 40,
    answered: (40, 40), at: 2 * second)
  // 10 of 100 ns and 10 of 300 ns.
  #expect(estimate.cost?.nanoseconds(rows: 1) == 200)
  #expect(estimate.cost?.nanoseconds(rows: 4) == 500)
  #expect(estimate.requestsPerSecond == 30)
  #expect(estimate.runs == 25)
  #expect(abs(estimate.busyInstances - 5500e-9) < 1e-12)
}

@Test func `what was measured long ago fades`() throws {
  var estimate = LoadEstimate()
  var (count, nanoseconds): (UInt64, UInt64) = (0, 0)
  for look in 1...60 as ClosedRange<UInt64> {
    count += 500
    nanoseconds += 500 * (look <= 30 ? 1000 : 3000)
    estimate.observe([.init(rows: 2, count: count, nanoseconds: nanoseconds)], requests: 1000 * count, answered: (1, 1), at: look * second)
  }
  let cost = try #require(estimate.cost).nanoseconds(rows: 2)
  #expect((2990...3000).contains(cost))
}

@Test func `a rate follows the load within some seconds`() throws {
  var estimate = LoadEstimate()
  var requests: UInt64 = 0
  for look in 1...20 as ClosedRange<UInt64> {
    requests += 100
    estimate.observe([], requests: requests, answered: (requests, 3 * requests), at: look * second)
  }
  #expect(abs(try #require(estimate.requestsPerSecond) - 100) < 1e-9)
  #expect(estimate.rowsPerRequest == 3)
  for look in 21...30 as ClosedRange<UInt64> {
    requests += 1000
    estimate.observe([], requests: requests, answered: (requests, 3 * requests), at: look * second)
  }
  #expect((700...800).contains(try #require(estimate.requestsPerSecond)))
}

@Test func `counters that begin anew are another pool's`() {
  var estimate = LoadEstimate()
  estimate.observe([.init(rows: 1, count: 100, nanoseconds: 100_000)], requests: 100, answered: (100, 100), at: second)
  estimate.observe([.init(rows: 1, count: 10, nanoseconds: 30_000)], requests: 10, answered: (10, 10), at: 2 * second)
  #expect(estimate.runs == 110)
  #expect(estimate.requestsPerSecond == nil)
}
