import Arrivals
import Batching
import Inference
import Simulation
import Testing

@Test(arguments: [1, 2, 3, 7, 8, 9, 99, 100]) func `the least number that is enough is found, in few looks`(enough: Int) {
  var looks = 0
  let found = CapacitySearch.least(upTo: 100) { count in
    looks += 1
    return count >= enough
  }
  #expect(found == enough && looks <= 16)
}

@Test func `what nothing is enough for is said to be so`() {
  #expect(CapacitySearch.least(upTo: 100) { _ in false } == nil)
  #expect(CapacitySearch.highestRate(capacity: 100) { _ in false } == nil)
}

@Test(arguments: [5.0, 33, 80, 99, 120]) func `the highest rate is found to a hundredth`(limit: Double) throws {
  let found = try #require(CapacitySearch.highestRate(capacity: 100) { $0 <= limit })
  #expect(found <= limit && found > 0.98 * limit)
}

@Test func `requests without an answer break an objective like slow ones`() {
  var plan = FleetPlan(
    cost: CostCurve([.init(rows: 1, nanoseconds: 1e6)]),
    policy: BatchPolicy(maxBatchSize: 0, dynamicBatching: nil, queueLimit: 5))
  plan.seed = 3
  let result = FleetSimulation.run(plan, ArrivalSchedule(.poisson, rate: 1000, seed: 3), count: 10_000)
  let refused = Double(result.refused) / Double(result.requests)
  #expect(refused > 0.02 && refused < 0.3)
  // Everything that is answered is answered in time.
  #expect(result.latency(percentile: 100)! <= 7_000_000)
  #expect(LatencyObjective(percentile: 100 * (1 - refused) - 0.1, nanoseconds: 7_000_000).isKept(by: result))
  #expect(!LatencyObjective(percentile: 100 * (1 - refused) + 0.1, nanoseconds: 7_000_000).isKept(by: result))
}

@Test func `a latency that every answer keeps is the last one, and none is nil`() {
  var plan = FleetPlan(
    cost: CostCurve([.init(rows: 1, nanoseconds: 1e6)]),
    policy: BatchPolicy(maxBatchSize: 0, dynamicBatching: nil, queueLimit: 5))
  let result = FleetSimulation.run(plan, ArrivalSchedule(.constant, rate: 10, seed: 1), count: 100)
  #expect(result.latency(percentile: 50) == 1_000_000 && result.latency(percentile: 100) == 1_000_000)
  #expect(result.countAnswered(within: 999_999) == 0 && result.countAnswered(within: 1_000_000) == 100)
  plan.patienceNanoseconds = 1
  let none = FleetSimulation.run(plan, ArrivalSchedule(.constant, rate: 10, seed: 1), count: 100)
  #expect(none.latency(percentile: 50) == nil && none.meanNanoseconds == nil && none.late == 100)
}
