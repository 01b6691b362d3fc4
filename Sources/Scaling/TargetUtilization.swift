package import Inference

/// Scaling by how busy a deployment is: `scale_settings` of type `target_utilization`.
///
/// Utilisation is (busy instances + queued requests) / instances. (Azure ML, "Inference router and connectivity
/// requirements", autoscaling.)
package struct TargetUtilization: Hashable, Sendable {
  /// 0 lets an idle deployment have none.
  package var minInstances: Int
  /// At least 1 and `minInstances`.
  package var maxInstances: Int
  /// How often the load is looked at. At least 1 second.
  package var pollingSeconds: Int
  /// 1...100.
  package var targetPercent: Int

  /// Scaling in waits for so many polling intervals of low load.
  package static let scaleInPolls = 20
  /// The load must have fallen so far below the target, in percent of it, that the smaller deployment would not at once
  /// be on its edge.
  package static let scaleInMarginPercent = 10

  package init(minInstances: Int = 1, maxInstances: Int = 1, pollingSeconds: Int = 1, targetPercent: Int = 70) {
    self.minInstances = minInstances
    self.maxInstances = maxInstances
    self.pollingSeconds = pollingSeconds
    self.targetPercent = targetPercent
  }

  /// - Throws: `.invalidArgument` that names the field, what is expected and what it is.
  package func validate() throws(InferenceError) {
    guard minInstances >= 0 else {
      throw .invalidArgument("scale_settings.min_instances is \(minInstances); expected 0 or more")
    }
    guard maxInstances >= max(minInstances, 1) else {
      throw .invalidArgument(
        "scale_settings.max_instances is \(maxInstances); expected at least \(max(minInstances, 1))"
          + (minInstances > 1 ? ", as min_instances" : ""))
    }
    guard pollingSeconds >= 1 else {
      throw .invalidArgument("scale_settings.polling_interval is \(pollingSeconds); expected at least 1 second")
    }
    guard (1...100).contains(targetPercent) else {
      throw .invalidArgument("scale_settings.target_utilization_percentage is \(targetPercent); expected 1 to 100")
    }
  }
}

/// What a deployment has in hand at one moment.
package struct DeploymentLoad: Hashable, Sendable {
  /// Those that should be there, still loading ones included, or a slow start would look like too few for ever.
  package var instances: Int
  package var busyInstances: Int
  package var queuedRequests: Int

  package init(instances: Int, busyInstances: Int, queuedRequests: Int) {
    self.instances = instances
    self.busyInstances = busyInstances
    self.queuedRequests = queuedRequests
  }
}

/// The application of `TargetUtilization` to a deployment's load as time goes by.
///
/// Out: at once and as far as needed. In: when the load was low for the whole of 20 polling intervals, and only as far
/// as the highest load in that time allows. Nothing between, so a load that swings about the target changes nothing.
package struct UtilizationScaler: Sendable {
  package private(set) var policy: TargetUtilization
  /// Since when the load has been low, and the most instances that it would have needed in that time.
  private var lowSince: Instant?
  private var mostNeeded = 0

  package init(policy: TargetUtilization) { self.policy = policy }

  /// Takes over changed settings; what is known of the load stays.
  package mutating func update(to policy: TargetUtilization) { self.policy = policy }

  package mutating func decide(at now: Instant, load: DeploymentLoad) -> ScaleDecision {
    let instances = load.instances
    if instances < policy.minInstances {
      return change(to: policy.minInstances, "it has \(instances), below the minimum of \(policy.minInstances)")
    }
    if instances > policy.maxInstances {
      return change(to: policy.maxInstances, "it has \(instances), above the maximum of \(policy.maxInstances)")
    }
    let work = max(load.busyInstances, 0) + max(load.queuedRequests, 0)
    let utilisation =
      instances == 0 ? "no instance for \(work) requests" : "utilisation is \(work * 100 / instances) %"
    let needed = instancesNeeded(for: work, percent: policy.targetPercent)
    if needed > instances {
      guard instances < policy.maxInstances else {
        lowSince = nil
        return .keep(
          reason: "\(utilisation), above the target of \(policy.targetPercent) %, "
            + "but \(instances) is the maximum of instances")
      }
      return change(
        to: min(needed, policy.maxInstances), "\(utilisation) (\(load.busyInstances) busy, "
          + "\(load.queuedRequests) queued, \(instances) instances), the target \(policy.targetPercent) %")
    }
    return decideIn(at: now, work: work, instances: instances, utilisation)
  }

  private mutating func decideIn(
    at now: Instant, work: Int, instances: Int, _ utilisation: String
  ) -> ScaleDecision {
    let percent = max(policy.targetPercent * (100 - TargetUtilization.scaleInMarginPercent) / 100, 1)
    let needed = max(instancesNeeded(for: work, percent: percent), policy.minInstances)
    guard needed < instances else {
      lowSince = nil
      return .keep(reason: "\(utilisation), the target \(policy.targetPercent) %")
    }
    let window = UInt64(policy.pollingSeconds * TargetUtilization.scaleInPolls) * 1_000_000_000
    guard let since = lowSince else {
      lowSince = now
      mostNeeded = needed
      return .keep(reason: "\(utilisation), low for 0 of \(window / 1_000_000_000) s")
    }
    mostNeeded = max(mostNeeded, needed)
    let low = now.nanoseconds(since: since)
    guard low >= window else {
      return .keep(reason: "\(utilisation), low for \(low / 1_000_000_000) of \(window / 1_000_000_000) s")
    }
    return change(
      to: mostNeeded,
      "\(mostNeeded) \(mostNeeded == 1 ? "instance has" : "instances have") been enough for "
        + "\(low / 1_000_000_000) s, the target \(policy.targetPercent) %")
  }

  /// Every change begins the low time anew.
  private mutating func change(to count: Int, _ reason: String) -> ScaleDecision {
    lowSince = nil
    return .scale(to: count, reason: reason)
  }

  private func instancesNeeded(for work: Int, percent: Int) -> Int {
    let scaled = min(work, Int.max / 200) * 100
    return scaled / percent + (scaled % percent == 0 ? 0 : 1)
  }
}
