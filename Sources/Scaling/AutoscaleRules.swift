package import Inference

/// Scaling by rules on metrics, with profiles for certain times: Azure Monitor's autoscale settings.
package struct AutoscaleRules: Hashable, Sendable {
  package var isEnabled: Bool
  /// The first of the kind that is in force wins: fixed dates, then recurring ones, then the one without a schedule.
  package var profiles: [AutoscaleProfile]

  /// Azure Monitor's own limits.
  package static let maxProfiles = 20
  package static let maxRules = 10

  package init(isEnabled: Bool = true, profiles: [AutoscaleProfile]) {
    self.isEnabled = isEnabled
    self.profiles = profiles
  }

  /// - Throws: `.invalidArgument` that names the field, what is expected and what it is.
  package func validate() throws(InferenceError) {
    guard (1...Self.maxProfiles).contains(profiles.count) else {
      throw .invalidArgument("profiles has \(profiles.count) profiles; expected 1 to \(Self.maxProfiles)")
    }
    guard profiles.count(where: { $0.schedule == .always }) <= 1 else {
      throw .invalidArgument("profiles has more than one without fixed_date and recurrence; expected one default profile")
    }
    for (index, profile) in profiles.enumerated() {
      let field = "profiles[\(index)]"
      if let earlier = profiles[..<index].firstIndex(where: { $0.name == profile.name }) {
        throw .invalidArgument("\(field).name is '\(profile.name)', as is profiles[\(earlier)].name; expected its own")
      }
      try profile.validate(field)
    }
  }
}

/// Limits, and the rules between them, that hold at certain times.
package struct AutoscaleProfile: Hashable, Sendable {
  package var name: String
  package var capacity: ScaleCapacity
  package var schedule: ScaleSchedule
  /// Without any, the deployment has `capacity.initial` instances: a schedule of a fixed number.
  package var rules: [AutoscaleRule]

  package init(
    name: String, capacity: ScaleCapacity, schedule: ScaleSchedule = .always, rules: [AutoscaleRule] = []
  ) {
    self.name = name
    self.capacity = capacity
    self.schedule = schedule
    self.rules = rules
  }

  func validate(_ field: String) throws(InferenceError) {
    try capacity.validate("\(field).capacity")
    try schedule.validate(field)
    guard rules.count <= AutoscaleRules.maxRules else {
      throw .invalidArgument("\(field).rules has \(rules.count) rules; expected at most \(AutoscaleRules.maxRules)")
    }
    for (index, rule) in rules.enumerated() { try rule.validate("\(field).rules[\(index)]") }
  }
}

package struct ScaleCapacity: Hashable, Sendable {
  package var minimum: Int
  package var maximum: Int
  /// `default`: what is right when the metrics are not known. Never a reason to scale in.
  package var initial: Int

  package init(minimum: Int, maximum: Int, default initial: Int) {
    self.minimum = minimum
    self.maximum = maximum
    self.initial = initial
  }

  func validate(_ field: String) throws(InferenceError) {
    guard minimum >= 0 else { throw .invalidArgument("\(field).minimum is \(minimum); expected 0 or more") }
    guard maximum >= max(minimum, 1) else {
      throw .invalidArgument("\(field).maximum is \(maximum); expected at least \(max(minimum, 1))")
    }
    guard (minimum...maximum).contains(initial) else {
      throw .invalidArgument("\(field).default is \(initial); expected \(minimum) to \(maximum)")
    }
  }
}

/// One condition on a metric, and what to do when it holds.
package struct AutoscaleRule: Hashable, Sendable {
  package var trigger: MetricTrigger
  package var action: ScaleAction

  package init(trigger: MetricTrigger, action: ScaleAction) {
    self.trigger = trigger
    self.action = action
  }

  func validate(_ field: String) throws(InferenceError) {
    try trigger.validate("\(field).metric_trigger")
    try action.validate("\(field).scale_action")
  }
}

package struct MetricTrigger: Hashable, Sendable {
  /// Whose metric it is.
  package enum Source: String, Hashable, Sendable { case deployment, endpoint }

  /// How the measurements within one grain of time become one value.
  package enum Statistic: String, Hashable, Sendable, CaseIterable { case average, min, max, sum }

  /// How the grains of the window become the one value that is compared.
  package enum Aggregation: String, Hashable, Sendable, CaseIterable {
    case average, minimum, maximum, total, count, last
  }

  package enum Comparison: String, Hashable, Sendable, CaseIterable {
    case equals = "=="
    case notEquals = "!="
    case greaterThan = ">"
    case greaterThanOrEqual = ">="
    case lessThan = "<"
    case lessThanOrEqual = "<="

    func holds(_ value: Double, _ threshold: Double) -> Bool {
      switch self {
      case .equals: value == threshold
      case .notEquals: value != threshold
      case .greaterThan: value > threshold
      case .greaterThanOrEqual: value >= threshold
      case .lessThan: value < threshold
      case .lessThanOrEqual: value <= threshold
      }
    }
  }

  package var metricName: String
  package var source: Source
  /// From 1 second; Azure Monitor begins at a minute.
  package var timeGrainSeconds: UInt64
  package var statistic: Statistic
  /// At least one grain, at most 12 hours, and at most `MetricWindow.maxGrains` grains.
  package var timeWindowSeconds: UInt64
  package var timeAggregation: Aggregation
  package var comparison: Comparison
  package var threshold: Double
  /// Compares the value divided by the number of instances.
  package var dividesByInstances: Bool

  package init(
    metricName: String, source: Source = .deployment, timeGrainSeconds: UInt64 = 60, statistic: Statistic = .average,
    timeWindowSeconds: UInt64, timeAggregation: Aggregation = .average, comparison: Comparison, threshold: Double,
    dividesByInstances: Bool = false
  ) {
    self.metricName = metricName
    self.source = source
    self.timeGrainSeconds = timeGrainSeconds
    self.statistic = statistic
    self.timeWindowSeconds = timeWindowSeconds
    self.timeAggregation = timeAggregation
    self.comparison = comparison
    self.threshold = threshold
    self.dividesByInstances = dividesByInstances
  }

  func validate(_ field: String) throws(InferenceError) {
    guard !metricName.isEmpty else { throw .invalidArgument("\(field).metric_name is empty; expected a metric's name") }
    guard timeGrainSeconds >= 1 else {
      throw .invalidArgument("\(field).time_grain is 0s; expected at least 1 second")
    }
    let window = ScaleDuration.text(seconds: timeWindowSeconds)
    let grain = ScaleDuration.text(seconds: timeGrainSeconds)
    guard timeWindowSeconds >= timeGrainSeconds, timeWindowSeconds <= 12 * 3600 else {
      throw .invalidArgument("\(field).time_window is \(window); expected from \(grain), one time_grain, to 12h")
    }
    guard timeWindowSeconds / timeGrainSeconds < UInt64(MetricWindow.maxGrains) else {
      throw .invalidArgument(
        "\(field).time_window of \(window) has more than \(MetricWindow.maxGrains - 1) grains of \(grain); "
          + "expected a longer time_grain")
    }
    guard threshold.isFinite else {
      throw .invalidArgument("\(field).threshold is \(threshold); expected a number")
    }
  }
}

package struct ScaleAction: Hashable, Sendable {
  package enum Direction: String, Hashable, Sendable { case increase, decrease }

  package enum Kind: String, Hashable, Sendable {
    /// So many instances more or fewer.
    case changeCount = "change_count"
    /// So many percent of the instances more or fewer, rounded up to at least one.
    case percentChangeCount = "percent_change_count"
    /// So many instances, if that is a change in the direction that is stated.
    case exactCount = "exact_count"
  }

  package var direction: Direction
  package var kind: Kind
  package var value: Int
  /// Time after any scaling of the deployment before this one may happen.
  package var cooldownSeconds: UInt64

  package init(direction: Direction, kind: Kind = .changeCount, value: Int = 1, cooldownSeconds: UInt64 = 300) {
    self.direction = direction
    self.kind = kind
    self.value = value
    self.cooldownSeconds = cooldownSeconds
  }

  func validate(_ field: String) throws(InferenceError) {
    let range = kind == .exactCount ? 0...10_000 : kind == .changeCount ? 1...10_000 : 1...1000
    guard range.contains(value) else {
      throw .invalidArgument("\(field).value is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }
    guard cooldownSeconds <= 7 * 86_400 else {
      throw .invalidArgument(
        "\(field).cooldown is \(ScaleDuration.text(seconds: cooldownSeconds)); expected at most 7d")
    }
  }

  /// What `instances` become, before the profile's limits.
  func apply(to instances: Int) -> Int {
    let step = kind == .percentChangeCount ? max((instances * value + 99) / 100, 1) : value
    return switch (direction, kind) {
    case (.increase, .exactCount): max(instances, value)
    case (.decrease, .exactCount): min(instances, value)
    case (.increase, _): instances + step
    case (.decrease, _): max(instances - step, 0)
    }
  }
}
