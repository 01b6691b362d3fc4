import Inference
import Rollouts
import Testing

/// Rollouts under drawn traffic on virtual time: each second `rate` requests, split by the share that the rollout has
/// set.
private struct Simulation {
  var random: SeededGenerator
  var rollout: Rollout
  var requestsOfNew = 0

  init(seed: UInt64, plan: RolloutPlan) throws {
    random = SeededGenerator(state: seed)
    rollout = try Rollout(plan: plan, new: "green", old: "blue")
  }

  struct Model {
    var errorRate: Double
    /// Latencies are this and up to three times it, evenly.
    var microseconds: UInt64 = 5000
  }

  private mutating func measure(_ count: Int, of model: Model) -> DeploymentMeasurement {
    var measurement = DeploymentMeasurement(requests: UInt64(count))
    for _ in 0..<count {
      if random.chance(model.errorRate) {
        measurement.failures += 1
      } else {
        measurement.latencies.record(
          nanoseconds: UInt64.random(in: model.microseconds...3 * model.microseconds, using: &random) * 1000)
      }
    }
    return measurement
  }

  mutating func run(new: Model, old: Model, perSecond: Int, seconds: Int) -> Rollout.Phase {
    var percent = 0
    var action = rollout.start()
    for second in 0..<seconds {
      let now = Instant(nanoseconds: UInt64(second + 1) * 1_000_000_000)
      switch action {
      case .setTraffic(let share):
        percent = share
        action = rollout.trafficApplied(percent: share, at: now)
      case .rollBack:
        return rollout.trafficApplied(percent: 0, at: now) == .rest ? rollout.phase : .leaving
      case .finish: return .finished
      case .wait:
        let share = perSecond * percent / 100
        requestsOfNew += share
        let newMeasured = measure(share, of: new)
        let oldMeasured = measure(perSecond - share, of: old)
        action = rollout.tick(at: now, new: newMeasured, old: oldMeasured)
      case .setMirror, .rest: return rollout.phase
      }
    }
    return rollout.phase
  }
}

/// The two are equal and the bound is no difference at all: the hardest case that must not be rolled back. It is looked
/// at after every second. At 95 % confidence at most 5 % of the runs may be; the seeds are fixed, so this is exact.
@Test func `equal models are rolled back no more often than the plan allows`() throws {
  let bounds = RolloutBounds(maxErrorDifference: 0, maxLatencyRatio: 1, latencySlackNanoseconds: 0)
  let plan = RolloutPlan(
    steps: [20, 50, 100], holdNanoseconds: 5_000_000_000, bounds: bounds, minimumRequests: 5, confidence: 0.95)
  let runs: UInt64 = 200
  var rolledBack = 0
  for seed in 0..<runs {
    var simulation = try Simulation(seed: seed &* 7919, plan: plan)
    let model = Simulation.Model(errorRate: 0.1)
    if simulation.run(new: model, old: model, perSecond: 20, seconds: 40) == .rolledBack { rolledBack += 1 }
  }
  #expect(rolledBack <= Int(runs) / 20, "\(rolledBack) of \(runs)")
}

@Test func `an equal model finishes`() throws {
  let plan = RolloutPlan(holdNanoseconds: 5_000_000_000)
  for seed: UInt64 in 0..<20 {
    var simulation = try Simulation(seed: seed, plan: plan)
    let model = Simulation.Model(errorRate: 0.005)
    #expect(simulation.run(new: model, old: model, perSecond: 400, seconds: 400) == .finished)
  }
}

/// Requests of the new model before it was given up, in the worst of a hundred runs each.
@Test(arguments: [
  (1.0, 60), (0.5, 60), (0.2, 250), (0.05, 1500),
]) func `a bad model is rolled back before it has seen many requests`(errorRate: Double, limit: Int) throws {
  let plan = RolloutPlan(steps: [10, 50, 100], holdNanoseconds: 30_000_000_000)
  for seed: UInt64 in 0..<100 {
    var simulation = try Simulation(seed: seed, plan: plan)
    let phase = simulation.run(
      new: .init(errorRate: errorRate), old: .init(errorRate: 0.002), perSecond: 100, seconds: 300)
    #expect(phase == .rolledBack)
    #expect(simulation.requestsOfNew <= limit)
  }
}

@Test func `a model of twice the latency is rolled back within seconds`() throws {
  let plan = RolloutPlan(steps: [10, 100])
  for seed: UInt64 in 0..<20 {
    var simulation = try Simulation(seed: seed, plan: plan)
    let phase = simulation.run(
      new: .init(errorRate: 0, microseconds: 10_000), old: .init(errorRate: 0, microseconds: 5000), perSecond: 500,
      seconds: 300)
    #expect(phase == .rolledBack)
    #expect(simulation.requestsOfNew <= 500)
  }
}
