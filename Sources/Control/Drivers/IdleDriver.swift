internal import Backends
internal import Inference
internal import Pools
internal import Resources
internal import Scaling
internal import Serving
internal import Telemetry

/// Takes the models of deployments out of memory that nobody calls; see `DeploymentExtensions.loadsOnDemand`. Their next
/// request brings them back.
extension ControlPlane {
  /// One look at every deployment that may leave memory.
  internal func tickIdle(at now: Instant) async {
    let served = reconciler.allServed()
    guard served.contains(where: { $0.served.deployment.extensions.loadsOnDemand }) else { return }
    let loaded = served.filter { !$0.served.serving.pool.isSuspended }.map { name, served in
      let pool = served.serving.pool
      return IdlePolicy.Loaded(
        name: name.description, memoryBytes: pool.memoryUsage.reduce(0) { $0 + $1.byteCount }, lastUsed: pool.lastUsed,
        requestsInHand: pool.load.queuedAndRunning, minInstances: served.deployment.extensions.loadsOnDemand ? 0 : 1,
        idleNanoseconds: served.deployment.extensions.idleSeconds.map { UInt64($0) * 1_000_000_000 })
    }
    let policy = IdlePolicy(memoryBudgetBytes: options.modelMemoryBytes)
    for suspension in policy.verdict(at: now, loaded: loaded).suspend {
      guard let (name, one) = served.first(where: { $0.name.description == suspension.name }) else { continue }
      let pool = one.serving.pool
      guard await onOwnThread({ pool.suspend() }) else { continue }  // A request came in between.
      log.info("took a model out of memory", ["deployment": suspension.name, "reason": suspension.reason])
      reconciler.log(of: name).append("out of memory: \(suspension.reason)")
    }
  }
}
