import Arrivals
import Batching
import Inference
import Simulation
import Testing

private let millisecond = 1e6

/// One row a request and a batch, in always the same time.
private func single(_ milliseconds: Double, queueLimit: Int = 1 << 20) -> FleetPlan {
  FleetPlan(
    cost: CostCurve([.init(rows: 1, nanoseconds: milliseconds * millisecond)]),
    policy: BatchPolicy(maxBatchSize: 0, dynamicBatching: nil, queueLimit: queueLimit))
}

/// Batches of up to `rows` with a fixed part and one for each row.
private func batching(_ fixed: Double, _ perRow: Double, rows: Int, delayMicroseconds: UInt64 = 0) -> FleetPlan {
  var dynamic = DynamicBatching()
  dynamic.maxQueueDelayMicroseconds = delayMicroseconds
  let points = [1, rows].map { CostCurve.Point(rows: $0, nanoseconds: (fixed + perRow * Double($0)) * millisecond) }
  return FleetPlan(
    cost: CostCurve(points), policy: BatchPolicy(maxBatchSize: rows, dynamicBatching: dynamic, queueLimit: 1 << 20))
}

private func poisson(_ rate: Double, seed: UInt64 = 1) -> ArrivalSchedule { ArrivalSchedule(.poisson, rate: rate, seed: seed) }

/// Source: the Pollaczek-Khinchine formula for constant service, s + s·ρ / (2 (1 - ρ)).
@Test(arguments: [0.3, 0.6, 0.8]) func `a server without batches waits as queueing theory says`(load: Double) throws {
  let result = FleetSimulation.run(single(1), poisson(1000 * load), count: 40_000)
  let expected = millisecond * (1 + load / (2 * (1 - load)))
  let mean = try #require(result.meanNanoseconds)
  #expect(abs(mean / expected - 1) < 0.06, "\(mean / millisecond) ms, and not \(expected / millisecond)")
  #expect(abs(result.utilisation - load) < 0.02)
  #expect(result.answered == 40_000 && result.batches == 40_000 && result.averageBatch == 1)
}

@Test func `several instances share one queue`() throws {
  var plan = single(1)
  plan.instances = 4
  let result = FleetSimulation.run(plan, poisson(3200), count: 30_000)
  // Erlang's C for four servers at 0.8 would be 1.75 ms with exponential service; constant service waits about half.
  let mean = try #require(result.meanNanoseconds)
  #expect((1.25 * millisecond...1.55 * millisecond).contains(mean))
  #expect(abs(result.utilisation - 0.8) < 0.03)
}

@Test func `batches grow with the load, up to the whole capacity`() throws {
  let plan = batching(5, 0.1, rows: 64)
  #expect(abs(plan.capacity / (64 / 0.0114) - 1) < 0.001)
  var last = 0.0
  for load in [0.2, 0.5, 0.8, 0.95] {
    let result = FleetSimulation.run(plan, poisson(plan.capacity * load), count: 10_000)
    #expect(result.answered == 10_000)
    #expect(result.averageBatch > last)
    #expect(try #require(result.latency(percentile: 99)) < 40_000_000)
    last = result.averageBatch
  }
}

@Test func `a full queue refuses, and past the capacity that is most of the rest`() {
  let result = FleetSimulation.run(single(1, queueLimit: 10), poisson(2000), count: 20_000)
  #expect(result.answered + result.refused == 20_000 && result.late == 0)
  #expect(abs(Double(result.refused) / 20_000 - 0.5) < 0.02)
  #expect(result.mostWaiting == 10)
  #expect(result.latency(percentile: 100)! <= 11_000_000)
}

@Test func `callers who wait no longer are late, and none of them is answered after that`() {
  var plan = single(1)
  plan.patienceNanoseconds = 5_000_000
  let result = FleetSimulation.run(plan, poisson(1500), count: 10_000)
  #expect(result.answered + result.late == 10_000 && result.refused == 0)
  #expect(result.late > 2000)
  #expect(result.latencies.last! <= 5_000_000)
}

@Test func `a batch that waits for company leaves when its delay is over`() {
  // One request every 10 ms, none of which is ever joined by another.
  let plan = batching(1, 0, rows: 8, delayMicroseconds: 3000)
  let result = FleetSimulation.run(plan, ArrivalSchedule(.constant, rate: 100, seed: 1), count: 300)
  #expect(result.averageBatch == 1)
  #expect(result.latencies.first == 4_000_000 && result.latencies.last == 4_000_000)
}

@Test func `the same seed has the same outcome, and another one another`() {
  var plan = batching(2, 1, rows: 8)
  plan.variation = 0.3
  plan.servers = 5
  plan.balancing = .random
  func latencies(_ seed: UInt64) -> [UInt64] {
    plan.seed = seed
    return FleetSimulation.run(plan, poisson(2000, seed: seed), count: 5000).latencies
  }
  #expect(latencies(1) == latencies(1))
  #expect(latencies(1) != latencies(2))
}

@Test func `runs vary around their cost`() {
  var plan = single(1)
  plan.variation = 0.5
  let result = FleetSimulation.run(plan, poisson(10), count: 20_000)
  let mean = result.busyNanoseconds / Double(result.batches)
  #expect(abs(mean / millisecond - 1) < 0.04)
  #expect(result.latency(percentile: 1)! < 500_000 && result.latency(percentile: 99)! > 2_000_000)
}

@Test func `who looks at the servers deals better than who does not`() throws {
  var plan = single(1)
  plan.servers = 20
  func tail(_ balancing: Balancing) throws -> UInt64 {
    plan.balancing = balancing
    let result = FleetSimulation.run(plan, poisson(20_000 * 0.8), count: 30_000)
    #expect(result.answered == 30_000)
    return try #require(result.latency(percentile: 99))
  }
  let (least, two, random) = (try tail(.leastOutstanding), try tail(.twoChoices), try tail(.random))
  #expect(least < two && two < random)
  #expect(try tail(.roundRobin) < random)
}

@Test func `thousands of servers are simulated`() throws {
  var plan = batching(8, 0.5, rows: 32)
  plan.servers = 2000
  let result = FleetSimulation.run(plan, poisson(plan.capacity * 0.7), count: 20_000)
  #expect(result.answered == 20_000)
}

/// Whatever the plan, every request has one outcome, and no instance has more work than time.
@Test(arguments: 0..<40) func `no request is lost or counted twice`(seed: UInt64) {
  var random = SeededRandom(seed: seed)
  var dynamic = DynamicBatching()
  let rows = Int.random(in: 1...16, using: &random)
  dynamic.maxQueueDelayMicroseconds = [0, 500, 5000].randomElement(using: &random)!
  dynamic.preferredBatchSizes = [[], [rows], [1, rows]].randomElement(using: &random)!
  dynamic.queuePolicy.defaultTimeoutMicroseconds = [0, 0, 4000].randomElement(using: &random)!
  var plan = FleetPlan(
    cost: CostCurve([.init(rows: 1, nanoseconds: 1e6), .init(rows: 16, nanoseconds: 1e6 * Double.random(in: 1...16, using: &random))]),
    policy: BatchPolicy(maxBatchSize: rows, dynamicBatching: dynamic, queueLimit: Int.random(in: 1...50, using: &random)))
  plan.servers = Int.random(in: 1...7, using: &random)
  plan.instances = Int.random(in: 1...3, using: &random)
  plan.balancing = Balancing.allCases.randomElement(using: &random)!
  plan.rows = Int.random(in: 1...rows, using: &random)
  plan.variation = [0, 0.5].randomElement(using: &random)!
  plan.patienceNanoseconds = [nil, 3_000_000, 30_000_000].randomElement(using: &random)!
  plan.seed = seed
  let process: ArrivalProcess = [.poisson, .constant, .bursts(factor: 8, seconds: 0.05), .diurnal(depth: 1, seconds: 1)].randomElement(using: &random)!
  let rate = plan.capacity * Double.random(in: 0.1...3, using: &random)
  let result = FleetSimulation.run(plan, ArrivalSchedule(process, rate: rate, seed: seed), count: 1500)
  #expect(result.requests == 1500)
  #expect(result.busyNanoseconds <= 1.0001 * Double(result.nanoseconds) * Double(plan.servers * plan.instances))
  #expect(result.averageBatch <= Double(rows))
  #expect(result.latencies.allSatisfy { $0 <= plan.patienceNanoseconds ?? .max })
}
