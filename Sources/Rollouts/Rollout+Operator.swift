package import Inference

/// What an operator can say to a rollout.
extension Rollout {
  /// Stays in this step until `resume`. It is still watched, and a broken bound still rolls back.
  ///
  /// - Throws: `.failedPrecondition` if it is over or on its way back.
  package mutating func pause() throws(InferenceError) {
    try checkMovable(to: "be paused")
    isPaused = true
    reason = "paused by an operator"
  }

  /// Goes on where it was paused. A step's timeout begins again.
  package mutating func resume(at now: Instant) throws(InferenceError) -> Action {
    try checkMovable(to: "be resumed")
    guard isPaused else {
      throw .failedPrecondition("the rollout of '\(newName)' is not paused; it is in \(place)")
    }
    isPaused = false
    reason = nil
    if let timeout = plan.stepTimeoutNanoseconds, stepNanoseconds >= timeout { stepNanoseconds = 0 }
    guard phase == .mirroring || phase == .holding else { return pending }
    lastLook = now
    return .wait(until: now)
  }

  /// Gives everything back to the old deployment. Harmless when that is under way or done.
  ///
  /// - Throws: `.failedPrecondition` if the rollout has finished: then the way back is a rollout of the other one.
  package mutating func abort(_ why: String = "") throws(InferenceError) -> Action {
    if phase == .leaving || phase == .rolledBack { return pending }
    try checkMovable(to: "be aborted")
    return leave(because: why.isEmpty ? "aborted by an operator" : "aborted by an operator: \(why)")
  }

  /// Gives the new deployment the last step's share now, without watching any step that is left.
  package mutating func promote() throws(InferenceError) -> Action {
    try checkMovable(to: "be promoted")
    isPaused = false
    isPromoted = true
    move(to: plan.steps.count - 1)
    return pending
  }

  private func checkMovable(to act: String) throws(InferenceError) {
    switch phase {
    case .leaving, .rolledBack, .finished:
      throw .failedPrecondition("the rollout of '\(newName)' can not \(act): it \(place)")
    case .waiting, .copying, .mirroring, .moving, .holding: return
    }
  }

  /// Where it is: `step 2 of 6 (5 %)`.
  var place: String {
    switch phase {
    case .waiting: "its beginning"
    case .copying, .mirroring: "the mirror step (\(plan.mirror?.percent ?? 0) %)"
    case .moving, .holding: "step \(step + 1) of \(plan.steps.count) (\(plan.steps[step]) %)"
    case .leaving: "is being rolled back"
    case .rolledBack: "was rolled back"
    case .finished: "has finished"
    }
  }

  /// One line for a person: where it is, for how long, and what holds it up.
  package var progress: String {
    var text = "'\(newName)' \(isOver || phase == .leaving ? "" : "is in ")\(place)"
    if phase == .mirroring || phase == .holding {
      let hold = phase == .mirroring ? plan.mirror?.holdNanoseconds ?? 0 : plan.holdNanoseconds
      text += ", watched for \(Figures.time(stepNanoseconds)) of \(Figures.time(hold))"
      text += ", error rate \(Figures.share(new.failures, of: new.requests))"
    }
    if isPaused { text += ", paused" }
    if let reason { text += ": \(reason)" }
    return text
  }
}
