internal import Inference
internal import Resources
internal import Scaling
internal import Serving
internal import Stores
internal import Threads

/// Decides how many instances each deployment should have, as its scale settings or its autoscale rules say.
///
/// It measures and asks the pure policies; what they decide, the control plane carries out.
internal final class AutoscaleDriver: Sendable {
  static let kind: RecordKind = "autoscale"

  private enum Scaler {
    case utilisation(UtilizationScaler, nextLook: Instant)
    case rules(Autoscaler)
  }

  private struct One {
    var scaler: Scaler
    var settings: Settings
    var last: MeterSnapshot
    var lastLook: Instant
  }

  /// What a deployment is scaled by; a change of it is taken over without forgetting what was measured.
  internal enum Settings: Hashable, Sendable {
    case utilisation(ScaleSettings.TargetUtilization)
    case rules(AutoscaleSettings)
  }

  private let scalers = Locked<[DeploymentName: One]>([:])

  /// What was measured of a deployment since the last look.
  struct Measurement: Sendable {
    var load: DeploymentLoad
    var meter: MeterSnapshot
    /// Share of the machine's cores, in percent, that its instances were busy with.
    var busyPercent: Double
  }

  /// - Returns: Nil if there is nothing to decide now.
  func decide(
    _ name: DeploymentName, by settings: Settings, at now: Instant, unixSeconds: Int64, _ measurement: Measurement
  ) throws(InferenceError) -> ScaleDecision? {
    let result: Result<ScaleDecision?, InferenceError> = scalers.withLock { all in
      do throws(InferenceError) {
        var one: One
        if let known = all[name] {
          one = known
        } else {
          let scaler = try AutoscaleDriver.scaler(settings, at: now)
          one = One(scaler: scaler, settings: settings, last: measurement.meter, lastLook: now)
        }
        if one.settings != settings { try AutoscaleDriver.update(&one, to: settings, at: now) }
        defer { all[name] = one }
        switch one.scaler {
        case .utilisation(var scaler, let nextLook):
          guard now >= nextLook else { return .success(nil) }
          let decision = scaler.decide(at: now, load: measurement.load)
          one.scaler = .utilisation(
            scaler, nextLook: now.advanced(byNanoseconds: UInt64(scaler.policy.pollingSeconds) * 1_000_000_000))
          return .success(decision)
        case .rules(var scaler):
          AutoscaleDriver.feed(&scaler, measurement, since: one.last, seconds: now.nanoseconds(since: one.lastLook), at: now)
          one.last = measurement.meter
          one.lastLook = now
          let decision = scaler.decide(at: now, unixSeconds: unixSeconds, instances: measurement.load.instances)
          if case .scale = decision { scaler.scaled(at: now) }
          one.scaler = .rules(scaler)
          return .success(decision)
        }
      } catch { return .failure(error) }
    }
    return try result.get()
  }

  func forget(_ name: DeploymentName) { scalers.withLock { _ = $0.removeValue(forKey: name) } }

  // MARK: - Settings

  private static func scaler(_ settings: Settings, at now: Instant) throws(InferenceError) -> Scaler {
    switch settings {
    case .utilisation(let scale): .utilisation(UtilizationScaler(policy: TargetUtilization(scale)), nextLook: now)
    case .rules(let settings): .rules(try Autoscaler(rules: try AutoscaleRules(settings), since: now))
    }
  }

  private static func update(_ one: inout One, to settings: Settings, at now: Instant) throws(InferenceError) {
    switch (one.scaler, settings) {
    case (.utilisation(var scaler, let nextLook), .utilisation(let scale)):
      scaler.update(to: TargetUtilization(scale))
      one.scaler = .utilisation(scaler, nextLook: nextLook)
    case (.rules(var scaler), .rules(let settings)):
      try scaler.update(to: try AutoscaleRules(settings))
      one.scaler = .rules(scaler)
    default: one.scaler = try scaler(settings, at: now)
    }
    one.settings = settings
  }

  // MARK: - Metrics

  /// The metrics that rules may name, as Azure Monitor calls them, and `QueuedRequests` and `Utilization` of our own.
  static let metricNames = [
    "CpuUtilizationPercentage", "RequestsPerMinute", "RequestLatency", "RequestLatency_P50", "RequestLatency_P90",
    "RequestLatency_P95", "RequestLatency_P99", "QueuedRequests", "Utilization",
  ]

  private static func feed(
    _ scaler: inout Autoscaler, _ measurement: Measurement, since last: MeterSnapshot, seconds nanoseconds: UInt64, at now: Instant
  ) {
    let counted = measurement.meter - last
    func milliseconds(_ share: Double) -> Double? { counted.nanoseconds(atShare: share).map { Double($0) / 1_000_000 } }
    for metric in scaler.metrics {
      let value: Double? =
        switch metric.name {
        case "CpuUtilizationPercentage": measurement.busyPercent
        case "RequestsPerMinute": nanoseconds > 0 ? Double(counted.requests) * 60e9 / Double(nanoseconds) : nil
        case "RequestLatency": counted.meanNanoseconds.map { Double($0) / 1_000_000 }
        case "RequestLatency_P50": milliseconds(0.5)
        case "RequestLatency_P90": milliseconds(0.9)
        case "RequestLatency_P95": milliseconds(0.95)
        case "RequestLatency_P99": milliseconds(0.99)
        case "QueuedRequests": Double(measurement.load.queuedRequests)
        case "Utilization":
          measurement.load.instances > 0
            ? Double(100 * (measurement.load.busyInstances + measurement.load.queuedRequests)) / Double(measurement.load.instances)
            : nil
        default: nil
        }
      scaler.record(value, of: metric, at: now)
    }
  }
}
