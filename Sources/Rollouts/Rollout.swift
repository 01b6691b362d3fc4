package import Inference

/// One rollout under way: which step it is in, what was measured there, and what happens next.
///
/// ```
///            start        mirrorApplied       passed       trafficApplied       passed, last step
///   waiting ───────▶ copying ─────▶ mirroring ──────▶ moving ──────▶ holding ───────────────▶ finished
///      └──────────── no mirror step ────────────────────▲ └◀─ passed ─┘
///   from any of them: a broken bound, a timeout, an abort ─▶ leaving ── trafficApplied(0) ─▶ rolledBack
/// ```
///
/// It holds no clock and does nothing itself: the caller tells it what happened and does what it answers. Every answer
/// may be carried out twice without harm. The whole state is plain fields: written down after each event, and read back
/// after a crash, it goes on with `restarted(at:)`; the time that nobody watched is not counted.
package struct Rollout: Hashable, Sendable {
  package enum Phase: String, Hashable, Sendable, Codable, CaseIterable {
    /// Not begun.
    case waiting
    /// Asked for copies; they are not on yet.
    case copying
    /// Comparing the answers to copies.
    case mirroring
    /// Asked for a share of traffic; it is not set yet.
    case moving
    /// Watching a step.
    case holding
    /// Asked for the way back; it is not done yet.
    case leaving
    case rolledBack
    case finished
  }

  /// What the caller does now.
  package enum Action: Equatable, Sendable {
    /// Copy this share of the requests to the new deployment, then call `mirrorApplied`.
    case setMirror(percent: Int)
    /// End the copying, give the new deployment this share and the old one the rest, then call `trafficApplied`.
    case setTraffic(percent: Int)
    /// Measure and call `tick` then, or sooner.
    case wait(until: Instant)
    /// End the copying, give the new deployment nothing and the old one everything, then call `trafficApplied(percent:
    /// 0)`.
    case rollBack(reason: String)
    /// The new deployment has the last step's share and keeps it.
    case finish
    /// Nothing, until an operator speaks.
    case rest
  }

  package let plan: RolloutPlan
  /// Names of the two deployments, for the reasons.
  package let newName: String
  package let oldName: String
  package internal(set) var phase = Phase.waiting
  /// Index into the plan's steps.
  package internal(set) var step = 0
  /// Watched, but not moved on. A broken bound still rolls back.
  package internal(set) var isPaused = false
  /// The operator has said that the last step comes now and is not watched.
  package internal(set) var isPromoted = false
  /// Why it is paused, was rolled back, or stays in a step although its time is over.
  package internal(set) var reason: String?

  /// Time watched in this step.
  package internal(set) var stepNanoseconds: UInt64 = 0
  /// Measured in this step, and of the old deployment in the whole rollout.
  package internal(set) var new = DeploymentMeasurement()
  package internal(set) var old = DeploymentMeasurement()
  package internal(set) var oldOverall = DeploymentMeasurement()
  package internal(set) var mirror = MirrorMeasurement()
  /// When the step was last looked at; nil just after a change or a crash.
  var lastLook: Instant?

  /// How soon a step is looked at again: a broken deployment is found within about this time of enough requests.
  package static let lookNanoseconds: UInt64 = 1_000_000_000

  /// - Throws: `.invalidArgument` if the plan contradicts itself.
  package init(plan: RolloutPlan, new newName: String, old oldName: String) throws(InferenceError) {
    try plan.validate()
    self.plan = plan
    self.newName = newName
    self.oldName = oldName
  }

  package var isOver: Bool { phase == .rolledBack || phase == .finished }

  // MARK: Events

  /// Begins. Later calls repeat the answer.
  package mutating func start() -> Action {
    if phase == .waiting { phase = plan.mirror == nil ? .moving : .copying }
    return pending
  }

  /// Goes on after a crash, with the state that was written last.
  package mutating func restarted(at now: Instant) -> Action {
    lastLook = nil
    switch phase {
    // The share may or may not have been set before the crash, or been changed since: set it again.
    case .mirroring: phase = .copying
    case .holding: phase = .moving
    default: break
    }
    return pending
  }

  /// The copies are on.
  package mutating func mirrorApplied(at now: Instant) -> Action {
    guard phase == .copying else { return pending }
    phase = .mirroring
    lastLook = now
    return next(at: now)
  }

  /// The new deployment has this share. One that is not what was asked for is ignored.
  package mutating func trafficApplied(percent: Int, at now: Instant) -> Action {
    switch phase {
    case .moving where percent == plan.steps[step]:
      lastLook = now
      guard !isPromoted else {
        phase = .finished
        return .finish
      }
      phase = .holding
      return next(at: now)
    case .leaving where percent == 0:
      phase = .rolledBack
      return .rest
    default: return pending
    }
  }

  /// Takes in what happened since the last tick, and says what follows.
  ///
  /// - Parameters:
  ///   - new, old: Differences to the last tick, not sums since the start.
  ///   - mirror: Comparisons since the last tick; empty outside the mirror step.
  package mutating func tick(
    at now: Instant, new: DeploymentMeasurement, old: DeploymentMeasurement,
    mirror: MirrorMeasurement = MirrorMeasurement()
  ) -> Action {
    // What was measured while the share was being changed belongs to no step.
    guard phase == .mirroring || phase == .holding else { return pending }
    self.new.add(new)
    self.old.add(old)
    oldOverall.add(old)
    self.mirror.add(mirror)
    if !isPaused, let lastLook { stepNanoseconds += now.nanoseconds(since: lastLook) }
    lastLook = now
    return next(at: now)
  }

  // MARK: Decisions

  /// What was asked for last, for a caller that asks again.
  var pending: Action {
    switch phase {
    case .waiting, .mirroring, .holding, .rolledBack: .rest
    case .copying: .setMirror(percent: plan.mirror?.percent ?? 0)
    case .moving: .setTraffic(percent: plan.steps[step])
    case .leaving: .rollBack(reason: reason ?? "")
    case .finished: .finish
    }
  }

  private var hold: UInt64 {
    phase == .mirroring ? plan.mirror?.holdNanoseconds ?? 0 : plan.holdNanoseconds
  }

  /// What a step still lacks, in words; nil: it has seen enough.
  private var missing: String? {
    if phase == .mirroring, let wanted = plan.mirror?.minimumComparisons {
      return mirror.compared >= wanted ? nil : "\(mirror.compared) of \(wanted) comparisons"
    }
    let wanted = plan.minimumRequests
    return new.requests >= wanted ? nil : "\(new.requests) of \(wanted) requests"
  }

  /// The old deployment's figures of this step, because what both suffer from at this hour is nobody's fault; those of
  /// the whole rollout where the step has too few, as at 100 %.
  private var baseline: DeploymentMeasurement {
    let wanted = max(plan.minimumRequests, plan.bounds.maxLatencyRatio == nil ? 0 : plan.bounds.minimumLatencySamples)
    return old.requests >= wanted ? old : oldOverall
  }

  private mutating func next(at now: Instant) -> Action {
    let judge = Judge(plan: plan, newName: newName, oldName: oldName)
    var verdict = judge.verdict(new: new, old: baseline)
    if phase == .mirroring { verdict = verdict.worse(judge.verdict(mirror: mirror)) }
    if case .broken(let reason) = verdict { return leave(because: reason) }
    if isPaused { return .rest }

    var doubt: String?
    if case .doubtful(let text) = verdict { doubt = text }
    if stepNanoseconds >= hold, missing == nil, doubt == nil { return advance() }
    reason = stepNanoseconds < hold ? nil : doubt ?? missing.map { "'\(newName)' has \($0)" }

    if let timeout = plan.stepTimeoutNanoseconds, stepNanoseconds >= timeout {
      var why = "\(place) did not pass within \(Figures.time(timeout)): \(reason ?? "its hold time is longer")"
      if doubt == nil, missing != nil {
        why += "; where callers are few, \(phase == .mirroring ? "" : "minimum_requests can be lower, or ")step_timeout can be longer"
      }
      switch plan.onStepTimeout {
      case .rollBack: return leave(because: why)
      case .pause:
        isPaused = true
        reason = why
        return .rest
      }
    }
    let left = stepNanoseconds < hold ? hold - stepNanoseconds : Self.lookNanoseconds
    return .wait(until: now.advanced(byNanoseconds: min(left, Self.lookNanoseconds)))
  }

  private mutating func advance() -> Action {
    guard phase == .mirroring || step + 1 < plan.steps.count else {
      phase = .finished
      reason = nil
      return .finish
    }
    move(to: phase == .mirroring ? 0 : step + 1)
    return pending
  }

  /// Asks for a step's share, and forgets what was measured in the one before.
  mutating func move(to step: Int) {
    phase = .moving
    self.step = step
    reason = nil
    stepNanoseconds = 0
    new = DeploymentMeasurement()
    old = DeploymentMeasurement()
    lastLook = nil
  }

  mutating func leave(because reason: String) -> Action {
    phase = .leaving
    isPaused = false
    self.reason = reason
    return .rollBack(reason: reason)
  }
}

/// All fields but the time of the last look, which means nothing to another run of the process.
extension Rollout: Codable {
  private enum CodingKeys: String, CodingKey {
    case plan, newName, oldName, phase, step, isPaused, isPromoted, reason, stepNanoseconds
    case new, old, oldOverall, mirror
  }

  /// - Throws: also if the plan contradicts itself or has no such step.
  package init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      plan: fields.decode(RolloutPlan.self, forKey: .plan), new: fields.decode(String.self, forKey: .newName),
      old: fields.decode(String.self, forKey: .oldName))
    phase = try fields.decode(Phase.self, forKey: .phase)
    step = try fields.decode(Int.self, forKey: .step)
    guard plan.steps.indices.contains(step) else {
      throw DecodingError.dataCorruptedError(
        forKey: .step, in: fields, debugDescription: "step is \(step); the plan has \(plan.steps.count)")
    }
    isPaused = try fields.decode(Bool.self, forKey: .isPaused)
    isPromoted = try fields.decode(Bool.self, forKey: .isPromoted)
    reason = try fields.decodeIfPresent(String.self, forKey: .reason)
    stepNanoseconds = try fields.decode(UInt64.self, forKey: .stepNanoseconds)
    new = try fields.decode(DeploymentMeasurement.self, forKey: .new)
    old = try fields.decode(DeploymentMeasurement.self, forKey: .old)
    oldOverall = try fields.decode(DeploymentMeasurement.self, forKey: .oldOverall)
    mirror = try fields.decode(MirrorMeasurement.self, forKey: .mirror)
  }
}
