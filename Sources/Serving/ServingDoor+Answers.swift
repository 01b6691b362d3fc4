package import Inference

extension ServingDoor {
  /// Finishes what was asked of an answer that came back: outputs for which classes were wanted become their classes, and
  /// those that go to shared memory are written there.
  package func prepareAnswer(_ request: RequestPointer) {
    if request.pointee.servedBy != nil {
      // First, who wants the outputs as the model gave them.
      if request.pointee.mirroredBy != nil { bringToMirror(request, isWanted: true) }
      if request.pointee.flight != nil { landFlight(of: request) }
      classify(request)
    }
    if request.pointee.sharedTensors != nil, request.pointee.failure == nil { giveOut(request) }
  }

  @inline(__always)
  private func classify(_ request: RequestPointer) {
    guard request.pointee.failure == nil, let served = request.pointee.servedBy else { return }
    let target = Unmanaged<ServedTarget>.fromOpaque(served.toOpaque())
    target._withUnsafeGuaranteedRef { target in
      do throws(InferenceError) {
        try target.deployment.classify(request)
      } catch {
        request.pointee.failure = error
      }
    }
  }

  /// Ends the stay of an accepted request: its answer is encoded or thrown away, and its place is free again.
  ///
  /// - Parameter now: The loop's time; nil: it is asked for where somebody wants to know.
  package func finish(_ request: RequestPointer, now: Instant? = nil) {
    if request.pointee.mirroredBy != nil { bringToMirror(request, isWanted: false) }
    if let served = request.pointee.servedBy {
      if request.pointee.flight != nil { landFlight(of: request) }
      let target = Unmanaged<ServedTarget>.fromOpaque(served.toOpaque())
      target._withUnsafeGuaranteedRef { if $0.isWatched { note(request, at: $0, now: now ?? .now()) } }
      release(servedBy: request)
    }
    if request.pointee.sharedTensors != nil { letGo(request) }
    request.pointee.releaseAnswer()
    admission.release()
  }

  private func note(_ request: RequestPointer, at target: ServedTarget, now: Instant) {
    let stay = now.nanoseconds(since: request.pointee.arrival)
    let policy = target.deployment.policy
    if let meter = policy.meter {
      var outcome = RequestOutcome(request.pointee.failure)
      // A call whose deadline passed is given up by its caller's side, and comes back as cancelled or too late to be seen.
      if outcome == .cancelled || outcome == .succeeded, request.pointee.deadline < now { outcome = .late }
      meter.record(outcome, nanoseconds: stay, shard: shard)
    }
    target.endpoint?.limiter?.leave(connection: request.pointee.connection, after: stay)
  }

  private func bringToMirror(_ request: RequestPointer, isWanted: Bool) {
    guard let ticket = request.pointee.mirroredBy, let mirror else { return }
    request.pointee.mirroredBy = nil
    mirror.bring(ticket, answerOf: isWanted ? request : nil)
    hasMirrored = true
  }
}

extension ServingDeployment {
  fileprivate func classify(_ request: RequestPointer) throws(InferenceError) {
    let requested = request.pointee.requestedOutputs
    for position in 0..<min(requested.count, request.pointee.outputs.count) where requested[position].classCount > 0 {
      try Classification.apply(
        to: &request.pointee.outputs[position], classCount: requested[position].classCount,
        isBatched: signature.isBatchable, labels: labels[requested[position].index], arena: request.pointee.arena)
    }
  }
}
