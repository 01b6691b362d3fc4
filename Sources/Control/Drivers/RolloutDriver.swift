internal import Documents
internal import FoundationEssentials
internal import Inference
internal import Resources
internal import Rollouts
internal import Serving
internal import Stores
internal import Threads

/// Carries rollouts out: measures the two deployments, asks `Rollout` what follows, and does it.
///
/// Every state is written down before it is acted on, so that a rollout goes on after a crash where it was.
internal final class RolloutDriver: Sendable {
  internal struct Active: Sendable {
    var rollout: Rollout
    /// Share of the endpoint's traffic that the two deployments have together.
    var shared: Int
    /// Meters at the last look.
    var new: MeterSnapshot
    var old: MeterSnapshot
    var mirror: MirrorMeasurement
    var nextWrite: Instant
  }

  static let kind: RecordKind = "rollout"
  /// How often what was measured is written down while nothing else happens.
  private static let writeNanoseconds: UInt64 = 10_000_000_000

  private let active = Locked<[String: Active]>([:])

  var endpoints: [String] { active.withLock { Array($0.keys) } }

  func put(_ active: Active, for endpoint: String) { self.active.withLock { $0[endpoint] = active } }

  func current(_ endpoint: String) -> Active? { active.withLock { $0[endpoint] } }

  func forget(_ endpoint: String) { active.withLock { _ = $0.removeValue(forKey: endpoint) } }

  /// Takes what happened since the last look out of the meters, and hands it to the rollout.
  ///
  /// - Returns: What to do now, and whether the state must be written down first. Nil if there is no rollout.
  func tick(
    _ endpoint: String, at now: Instant, new: MeterSnapshot, old: MeterSnapshot, mirror: MirrorMeasurement
  ) -> (Rollout, Rollout.Action, mustWrite: Bool)? {
    active.withLock { all in
      guard var one = all[endpoint] else { return nil }
      let before = one.rollout
      let action = one.rollout.tick(
        at: now, new: DeploymentMeasurement(new - one.new), old: DeploymentMeasurement(old - one.old),
        mirror: MirrorMeasurement(
          compared: mirror.compared &- min(mirror.compared, one.mirror.compared),
          mismatched: mirror.mismatched &- min(mirror.mismatched, one.mirror.mismatched)))
      (one.new, one.old, one.mirror) = (new, old, mirror)
      let hasMoved = before.phase != one.rollout.phase || before.step != one.rollout.step || before.isPaused != one.rollout.isPaused
      let mustWrite = hasMoved || now >= one.nextWrite
      if mustWrite { one.nextWrite = now.advanced(byNanoseconds: Self.writeNanoseconds) }
      all[endpoint] = one
      return (one.rollout, action, mustWrite)
    }
  }

  /// Changes a rollout by an event other than a tick.
  func change<Value>(_ endpoint: String, _ body: (inout Rollout) throws(InferenceError) -> Value) throws(InferenceError) -> (Rollout, Value)? {
    let result: Result<(Rollout, Value)?, InferenceError> = active.withLock { all in
      guard var one = all[endpoint] else { return .success(nil) }
      do throws(InferenceError) {
        let value = try body(&one.rollout)
        all[endpoint] = one
        return .success((one.rollout, value))
      } catch { return .failure(error) }
    }
    return try result.get()
  }
}

extension DeploymentMeasurement {
  /// What a meter counted. Only what a deployment is to blame for is a failure.
  fileprivate init(_ counts: MeterSnapshot) {
    var latencies = LatencyCounts()
    for (index, count) in counts.buckets.enumerated() where count > 0 {
      latencies.record(nanoseconds: LatencyBuckets.end(of: index) - 1, count: count)
    }
    self.init(requests: counts[.succeeded] &+ counts.faults, failures: counts.faults, latencies: latencies)
  }
}
