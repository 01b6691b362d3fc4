internal import Inference
internal import Pools
internal import Routing

// `_withUnsafeGuaranteedRef` uses an object without touching its reference count; the snapshot keeps it.

extension ServingDoor {
  /// Lets a request of the catalogue's in, within the endpoint's limits, and places it.
  ///
  /// - Returns: Why it was refused; nil if it was not.
  func enter(
    _ policy: EndpointPolicy, _ request: RequestPointer, _ endpoint: Int, now: Instant
  ) -> InferenceError? {
    shorten(request, to: policy.timeoutNanoseconds)
    guard let limiter = policy.limiter else { return place(request, endpoint, now: now) }
    let bytes = limiter.countsBytes ? inputBytes(of: request) : 0
    if let refusal = limiter.enter(connection: request.pointee.connection, bytes: bytes, now: now) {
      request.pointee.retryAfterNanoseconds = refusal.retryAfterNanoseconds
      return refusal.error
    }
    let error = place(request, endpoint, now: now)
    if error != nil { limiter.leave(connection: request.pointee.connection, after: nil) }
    return error
  }

  /// Decides, checks and submits; again with the next snapshot if the pool found drains by now.
  ///
  /// - Parameter isFirst: False for a request that was placed before, and may be another door's: its deadline stays, and
  ///   it is not mirrored, because it may be gone as soon as a pool has it.
  /// - Returns: Why it was refused; nil if it was not.
  func place(_ request: RequestPointer, _ endpoint: Int, now: Instant, isFirst: Bool = true) -> InferenceError? {
    var endpoint = endpoint
    while true {
      let decision: RoutingDecision
      switch decide(request, endpoint) {
      case .success(let decided): decision = decided
      case .failure(let error): return error
      }
      let target = targets + decision.target
      if let error = validate(request, for: target) {
        note(error, at: target)
        return error
      }
      keep(target, with: request, shortens: isFirst)
      if target.pointee.cacheNumber != 0, let cache, takesFromCache(request, target, cache) { return nil }
      switch target.pointee.pool._withUnsafeGuaranteedRef({ $0.submit(request, now: now) }) {
      case .accepted(let needsWake):
        if needsWake { rememberToWake(target.pointee.pool) }
        if decision.mirrorTarget >= 0, isFirst { mirror(request, from: target, to: targets + decision.mirrorTarget) }
        return nil
      case .refused(let error):
        if request.pointee.flight != nil { dissolveFlight(of: request) }
        release(servedBy: request)
        note(error, at: target)
        return error
      case .draining:
        if request.pointee.flight != nil { dissolveFlight(of: request) }
        release(servedBy: request)
        // The control plane publishes before it drains, so there is a newer snapshot without this pool.
        let seen = generation
        let deployment = target.pointee.served.takeUnretainedValue().deployment
        refresh()
        endpoint = routing._withUnsafeGuaranteedRef { $0.index(of: request.pointee.modelName) }
        guard generation != seen else {
          return .unavailable("model '\(deployment.name)' version \(deployment.version) is being unloaded")
        }
        guard endpoint >= 0 else { return RoutingTable.unknown(request.pointee.modelName) }
        noteRerouted()
      }
    }
  }

  private func decide(_ request: RequestPointer, _ endpoint: Int) -> Result<RoutingDecision, InferenceError> {
    routing._withUnsafeGuaranteedRef { table in
      do throws(InferenceError) {
        return .success(
          try table.decide(
            endpoint: endpoint, version: request.pointee.modelVersion, pin: request.pointee.pin,
            routingKey: request.pointee.routingKey))
      } catch { return .failure(error) }
    }
  }

  private func validate(
    _ request: RequestPointer, for target: UnsafeMutablePointer<ServingSnapshot.Target>
  ) -> InferenceError? {
    target.pointee.validator._withUnsafeGuaranteedRef { validator in
      do throws(InferenceError) {
        try validator.validate(request)
        return nil
      } catch { return error }
    }
  }

  /// Prepares a request for its stay: from `submit` on it is the pool's.
  private func keep(
    _ target: UnsafeMutablePointer<ServingSnapshot.Target>, with request: RequestPointer, shortens: Bool
  ) {
    let wantsClasses = request.pointee.requestedOutputs.contains { $0.classCount > 0 }
    guard target.pointee.isWatched || wantsClasses else { return }
    _ = target.pointee.served.retain()
    request.pointee.servedBy = Unmanaged.fromOpaque(target.pointee.served.toOpaque())
    request.pointee.answeredDeployment = target.pointee.name
    if shortens { shorten(request, to: target.pointee.timeoutNanoseconds) }
  }

  func release(servedBy request: RequestPointer) {
    request.pointee.servedBy?.release()
    request.pointee.servedBy = nil
    request.pointee.answeredDeployment = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  private func note(_ error: InferenceError, at target: UnsafeMutablePointer<ServingSnapshot.Target>) {
    target.pointee.meter?._withUnsafeGuaranteedRef { $0.record(RequestOutcome(error), nanoseconds: 0, shard: shard) }
  }

  private func shorten(_ request: RequestPointer, to nanoseconds: UInt64) {
    guard nanoseconds < .max else { return }
    let end = request.pointee.arrival.advanced(byNanoseconds: nanoseconds)
    if end < request.pointee.deadline { request.pointee.deadline = end }
  }

  private func inputBytes(of request: RequestPointer) -> Int {
    var total = 0
    for index in 0..<request.pointee.inputs.count { total += request.pointee.inputs[index].bytes.count }
    return total
  }

  // MARK: - Mirror

  /// Has a request that is with its pool copied, unless there is more important work.
  private func mirror(
    _ request: RequestPointer, from target: UnsafeMutablePointer<ServingSnapshot.Target>,
    to shadow: UnsafeMutablePointer<ServingSnapshot.Target>
  ) {
    guard let mirror else { return }
    guard 2 * admission.requestsInFlight <= admission.limit else { return mirror.noteDrop(.serverBusy) }
    let isBusy = target.pointee.pool._withUnsafeGuaranteedRef { pool in
      pool.load.queuedRequests > pool.instanceCount * max(1, pool.maxBatchSize)
    }
    if isBusy { return mirror.noteDrop(.liveBusy) }
    hasMirrored = true
    request.pointee.mirroredBy = mirror.copy(
      request, from: target.pointee.served.takeUnretainedValue(), for: shadow.pointee.served.takeUnretainedValue())
  }
}
