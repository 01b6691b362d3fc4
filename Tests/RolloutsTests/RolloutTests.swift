import Foundation
import Inference
import Rollouts
import Testing

private let second: UInt64 = 1_000_000_000

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * second) }

private func measured(_ requests: UInt64, failures: UInt64 = 0, milliseconds: UInt64 = 10) -> DeploymentMeasurement {
  var latencies = LatencyCounts()
  latencies.record(nanoseconds: milliseconds * 1_000_000, count: requests - failures)
  return DeploymentMeasurement(requests: requests, failures: failures, latencies: latencies)
}

/// A rollout with its first step's share set at second 0.
private func holding(_ plan: RolloutPlan) throws -> Rollout {
  var rollout = try Rollout(plan: plan, new: "green", old: "blue")
  _ = rollout.start()
  _ = rollout.trafficApplied(percent: plan.steps[0], at: at(0))
  return rollout
}

@Test func `a good deployment walks the steps and finishes`() throws {
  var rollout = try Rollout(
    plan: RolloutPlan(steps: [10, 100], holdNanoseconds: 2 * second), new: "green", old: "blue")
  #expect(rollout.start() == .setTraffic(percent: 10))
  #expect(rollout.trafficApplied(percent: 10, at: at(0)) == .wait(until: at(1)))
  #expect(rollout.tick(at: at(1), new: measured(50), old: measured(450)) == .wait(until: at(2)))
  #expect(rollout.tick(at: at(2), new: measured(50), old: measured(450)) == .setTraffic(percent: 100))
  #expect(rollout.trafficApplied(percent: 100, at: at(3)) == .wait(until: at(4)))
  #expect(rollout.tick(at: at(5), new: measured(500), old: measured(0)) == .finish)
  #expect(rollout.isOver)
  #expect(rollout.tick(at: at(6), new: measured(1), old: measured(1)) == .finish)
}

@Test func `the reason of a rollback says both rates and the bound`() throws {
  var rollout = try holding(RolloutPlan(steps: [10, 100]))
  let action = rollout.tick(
    at: at(1), new: measured(1000, failures: 41), old: measured(9000, failures: 9))
  let reason =
    "error rate of 'green' 4.1 % (41 of 1000) against 'blue' 0.1 % (9 of 9000); the bound is +1 %"
  #expect(action == .rollBack(reason: reason))
  #expect(rollout.phase == .leaving)
  #expect(rollout.tick(at: at(2), new: measured(1), old: measured(1)) == .rollBack(reason: reason))
  #expect(rollout.trafficApplied(percent: 0, at: at(3)) == .rest)
  #expect(rollout.phase == .rolledBack)
  #expect(rollout.progress == "'green' was rolled back: " + reason)
}

@Test func `one failure in five requests proves nothing`() throws {
  var plan = RolloutPlan(steps: [10, 100])
  plan.minimumRequests = 1
  var rollout = try holding(plan)
  #expect(rollout.tick(at: at(1), new: measured(5, failures: 1), old: measured(1000)) == .wait(until: at(2)))
}

@Test func `a step is not left while its figures are in doubt, and is when the doubt has gone`() throws {
  var rollout = try holding(RolloutPlan(steps: [10, 100], holdNanoseconds: second))
  #expect(rollout.tick(at: at(1), new: measured(25, failures: 1), old: measured(250)) == .wait(until: at(2)))
  #expect(rollout.reason?.contains("4 % (1 of 25)") == true)
  #expect(rollout.tick(at: at(2), new: measured(200), old: measured(2000)) == .setTraffic(percent: 100))
}

@Test func `a model that fails always is gone at the first look after the minimum`() throws {
  var rollout = try holding(RolloutPlan())
  #expect(rollout.tick(at: at(1), new: measured(19, failures: 19), old: measured(2000)) == .wait(until: at(2)))
  guard case .rollBack = rollout.tick(at: at(2), new: measured(1, failures: 1), old: measured(2000)) else {
    Issue.record("still there")
    return
  }
}

@Test func `failures that both share are not held against the new one`() throws {
  var rollout = try holding(RolloutPlan(steps: [50, 100], holdNanoseconds: second))
  #expect(rollout.tick(at: at(1), new: measured(1000), old: measured(1000)) == .setTraffic(percent: 100))
  _ = rollout.trafficApplied(percent: 100, at: at(2))
  // In the second step a shared disk is gone: 30 % fail on either side.
  let action = rollout.tick(at: at(3), new: measured(1000, failures: 300), old: measured(500, failures: 155))
  #expect(action == .finish)
}

@Test func `without a baseline the bound counts from zero`() throws {
  var rollout = try holding(RolloutPlan(steps: [100]))
  guard case .rollBack(let reason) = rollout.tick(at: at(1), new: measured(100, failures: 30), old: measured(0)) else {
    Issue.record("still there")
    return
  }
  #expect(reason.contains("'blue' has answered too few requests to compare with (0)"))
}

@Test func `a ratio of error rates is judged too`() throws {
  let bounds = RolloutBounds(maxErrorDifference: nil, maxErrorRatio: 2, maxLatencyRatio: nil)
  var rollout = try holding(RolloutPlan(steps: [50], bounds: bounds))
  let fair = rollout.tick(at: at(1), new: measured(5000, failures: 80), old: measured(5000, failures: 50))
  #expect(fair == .wait(until: at(2)))
  let action = rollout.tick(at: at(2), new: measured(5000, failures: 500), old: measured(5000, failures: 50))
  #expect(
    action
      == .rollBack(
        reason: "error rate of 'green' 5.8 % (580 of 10000) against 'blue' 1 % (100 of 10000); the bound is 2 times"))
}

@Test func `a slow model is rolled back with its percentile`() throws {
  var rollout = try holding(RolloutPlan(steps: [50]))
  let action = rollout.tick(at: at(1), new: measured(500, milliseconds: 40), old: measured(500, milliseconds: 10))
  #expect(
    action
      == .rollBack(
        reason: "latency of 'green' at the 95th percentile 41 ms (of 500) against 'blue' 10.2 ms (of 500); "
          + "the bound is 1.5 times"))
}

@Test func `a few slow requests are chance, and tiny latencies are no regression`() throws {
  var rollout = try holding(RolloutPlan(steps: [50]))
  var few = measured(100, milliseconds: 10)
  few.add(measured(6, milliseconds: 100))
  #expect(rollout.tick(at: at(1), new: few, old: measured(1000, milliseconds: 10)) == .wait(until: at(2)))
  var fast = try holding(RolloutPlan(steps: [50]))
  var new = DeploymentMeasurement(requests: 1000)
  new.latencies.record(nanoseconds: 200_000, count: 1000)
  var old = DeploymentMeasurement(requests: 1000)
  old.latencies.record(nanoseconds: 50_000, count: 1000)
  #expect(fast.tick(at: at(1), new: new, old: old) == .wait(until: at(2)))
}

@Test func `a step without enough requests times out as the plan says`() throws {
  var plan = RolloutPlan(steps: [10, 100], holdNanoseconds: second, stepTimeoutNanoseconds: 5 * second)
  var rollout = try holding(plan)
  #expect(rollout.tick(at: at(4), new: measured(3), old: measured(30)) == .wait(until: at(5)))
  #expect(
    rollout.tick(at: at(5), new: measured(0), old: measured(0))
      == .rollBack(
        reason: "step 1 of 2 (10 %) did not pass within 5 s: 'green' has 3 of 20 requests; "
          + "where callers are few, minimum_requests can be lower, or step_timeout can be longer"))

  plan.onStepTimeout = .pause
  rollout = try holding(plan)
  #expect(rollout.tick(at: at(5), new: measured(3), old: measured(30)) == .rest)
  #expect(rollout.isPaused)
  #expect(try rollout.resume(at: at(9)) == .wait(until: at(9)))
  #expect(rollout.tick(at: at(10), new: measured(20), old: measured(30)) == .setTraffic(percent: 100))
}

@Test func `the time-out that nobody named is an hour more than the longest step is watched`() {
  #expect(RolloutPlan(holdNanoseconds: 60 * second).standardStepTimeoutNanoseconds == 3660 * second)
  let mirrored = RolloutPlan(holdNanoseconds: 60 * second, mirror: MirrorStep(holdNanoseconds: 600 * second))
  #expect(mirrored.standardStepTimeoutNanoseconds == 4200 * second)
}

@Test func `a mirror step without copies to compare times out too`() throws {
  let plan = RolloutPlan(
    steps: [100], holdNanoseconds: second, stepTimeoutNanoseconds: 5 * second, mirror: MirrorStep(holdNanoseconds: second))
  var rollout = try Rollout(plan: plan, new: "green", old: "blue")
  _ = rollout.start()
  _ = rollout.mirrorApplied(at: at(0))
  #expect(
    rollout.tick(at: at(5), new: measured(0), old: measured(0))
      == .rollBack(
        reason: "the mirror step (10 %) did not pass within 5 s: 'green' has 0 of 50 comparisons; "
          + "where callers are few, step_timeout can be longer"))
}

@Test func `a mirror step comes before any share, and differing answers end it`() throws {
  let plan = RolloutPlan(steps: [100], mirror: MirrorStep(percent: 20, holdNanoseconds: second))
  var rollout = try Rollout(plan: plan, new: "green", old: "blue")
  #expect(rollout.start() == .setMirror(percent: 20))
  #expect(rollout.mirrorApplied(at: at(0)) == .wait(until: at(1)))
  var other = rollout
  let waiting = rollout.tick(
    at: at(1), new: measured(40), old: measured(200), mirror: MirrorMeasurement(compared: 40, mismatched: 0))
  #expect(waiting == .wait(until: at(2)))
  #expect(rollout.progress.contains("'green' has 40 of 50 comparisons"))
  let passed = rollout.tick(
    at: at(2), new: measured(40), old: measured(200), mirror: MirrorMeasurement(compared: 40, mismatched: 0))
  #expect(passed == .setTraffic(percent: 100))

  let differing = other.tick(
    at: at(1), new: measured(200), old: measured(1000), mirror: MirrorMeasurement(compared: 200, mismatched: 30))
  #expect(
    differing
      == .rollBack(
        reason: "answers of 'green' that differ from those of 'blue' 15 % (30 of 200); the bound is 1 %"))
}

@Test func `a paused rollout stays in its step, but a broken bound still rolls back`() throws {
  var rollout = try holding(RolloutPlan(steps: [10, 100], holdNanoseconds: second))
  try rollout.pause()
  #expect(rollout.tick(at: at(9), new: measured(100), old: measured(900)) == .rest)
  var broken = rollout
  #expect(try rollout.resume(at: at(10)) == .wait(until: at(10)))
  #expect(rollout.tick(at: at(11), new: measured(1), old: measured(9)) == .setTraffic(percent: 100))
  guard case .rollBack = broken.tick(at: at(10), new: measured(100, failures: 90), old: measured(900)) else {
    Issue.record("still there")
    return
  }
}

@Test func `an operator aborts with a reason, and promotes without watching`() throws {
  var rollout = try holding(RolloutPlan())
  var promoted = rollout
  #expect(try rollout.abort("wrong model") == .rollBack(reason: "aborted by an operator: wrong model"))
  #expect(throws: InferenceError.self) { try rollout.pause() }
  #expect(try promoted.promote() == .setTraffic(percent: 100))
  #expect(promoted.trafficApplied(percent: 100, at: at(1)) == .finish)
  do {
    _ = try promoted.abort()
    Issue.record("no error")
  } catch {
    #expect(error.code == .failedPrecondition)
    #expect(error.message == "the rollout of 'green' can not be aborted: it has finished")
  }
}

/// Writes the state down after every event and goes on from what was read back, as after a crash at that moment.
@Test func `a crash after any event loses neither the step nor its figures`() throws {
  let plan = RolloutPlan(
    steps: [10, 50, 100], holdNanoseconds: 3 * second, mirror: MirrorStep(holdNanoseconds: 2 * second))
  func reread(_ rollout: Rollout) throws -> Rollout {
    try JSONDecoder().decode(Rollout.self, from: JSONEncoder().encode(rollout))
  }
  func run(crashing: Bool) throws -> [String] {
    var rollout = try Rollout(plan: plan, new: "green", old: "blue")
    var shares: [String] = []
    var action = rollout.start()
    var now: UInt64 = 0
    for _ in 0..<200 where !rollout.isOver {
      now += 1
      if crashing {
        rollout = try reread(rollout)
        action = rollout.restarted(at: at(now))
      }
      switch action {
      case .setMirror(let percent):
        if shares.last != "mirror \(percent)" { shares.append("mirror \(percent)") }
        action = rollout.mirrorApplied(at: at(now))
      case .setTraffic(let percent):
        if shares.last != "\(percent)" { shares.append("\(percent)") }
        action = rollout.trafficApplied(percent: percent, at: at(now))
      default: break
      }
      now += 1
      action = rollout.tick(
        at: at(now), new: measured(30), old: measured(30), mirror: MirrorMeasurement(compared: 30, mismatched: 0))
    }
    #expect(rollout.phase == .finished)
    return shares
  }
  #expect(try run(crashing: true) == ["mirror 10", "10", "50", "100"])
  #expect(try run(crashing: false) == ["mirror 10", "10", "50", "100"])

  var rollout = try holding(plan)
  _ = try rollout.abort()
  var back = try reread(rollout)
  #expect(back.restarted(at: at(9)) == .rollBack(reason: "aborted by an operator"))
}

@Test func `the state written down is the state read back`() throws {
  var rollout = try holding(RolloutPlan(mirror: nil))
  _ = rollout.tick(at: at(1), new: measured(100, failures: 1), old: measured(900, milliseconds: 333))
  let back = try JSONDecoder().decode(Rollout.self, from: JSONEncoder().encode(rollout))
  #expect(back.new == rollout.new)
  #expect(back.oldOverall == rollout.oldOverall)
  #expect(back.phase == .holding && back.stepNanoseconds == second)
}

@Test func `a state that names no step of its plan is not read`() throws {
  let text = String(decoding: try JSONEncoder().encode(holding(RolloutPlan())), as: UTF8.self)
  for (field, wrong) in [("\"step\":0", "\"step\":6"), ("[1,5,10,25,50,100]", "[]")] {
    #expect(text.contains(field))
    #expect(throws: (any Error).self) {
      try JSONDecoder().decode(Rollout.self, from: Data(text.replacing(field, with: wrong).utf8))
    }
  }
}

@Test(arguments: [
  (RolloutPlan(steps: []), "steps has 0 steps; expected 1 to 32"),
  (RolloutPlan(steps: [0, 10]), "steps[0] is 0; expected a percentage from 1 to 100"),
  (RolloutPlan(steps: [10, 101]), "steps[1] is 101; expected a percentage from 1 to 100"),
  (RolloutPlan(steps: [10, 10]), "steps[1] is 10 after 10; expected ascending percentages"),
  (RolloutPlan(minimumRequests: 0), "minimum_requests is 0; expected at least 1"),
  (RolloutPlan(confidence: 1), "confidence is 1.0; expected a number above 0 and below 1, such as 0.99"),
  (RolloutPlan(stepTimeoutNanoseconds: 1_000_000_000), "step_timeout is 1 s; expected at least the hold time, 60 s"),
  (
    RolloutPlan(stepTimeoutNanoseconds: 60 * second, mirror: MirrorStep(holdNanoseconds: 90 * second)),
    "step_timeout is 60 s; expected at least the hold time, 90 s"
  ),
  (
    RolloutPlan(bounds: RolloutBounds(maxErrorDifference: -0.1)),
    "max_error_difference is -0.1; expected a share from 0 to below 1"
  ),
  (
    RolloutPlan(bounds: RolloutBounds(maxLatencyRatio: .nan)),
    "max_latency_ratio is nan; expected a number of at least 1"
  ),
  (RolloutPlan(mirror: MirrorStep(percent: 51)), "mirror.percent is 51; expected 1 to 50"),
]) func `a plan that contradicts itself is refused`(plan: RolloutPlan, message: String) {
  do {
    try plan.validate()
    Issue.record("no error")
  } catch {
    #expect(error == .invalidArgument(message))
  }
}
