internal import Inference
internal import Resources
internal import Scaling

extension TargetUtilization {
  internal init(_ scale: ScaleSettings.TargetUtilization) {
    self.init(
      minInstances: scale.minInstances, maxInstances: scale.maxInstances, pollingSeconds: scale.pollingIntervalSeconds,
      targetPercent: scale.targetPercent)
  }
}

extension AutoscaleRules {
  /// Longest entry of the time zone database that is read.
  private static let maxZoneBytes = 1 << 20

  /// - Throws: `.invalidArgument` that names the field.
  internal init(_ settings: AutoscaleSettings) throws(InferenceError) {
    var profiles: [AutoscaleProfile] = []
    for profile in settings.profiles { profiles.append(try AutoscaleRules.profile(profile)) }
    self.init(isEnabled: settings.enabled, profiles: profiles)
    try validate()
  }

  private static func profile(_ profile: AutoscaleSettings.Profile) throws(InferenceError) -> AutoscaleProfile {
    let field = "profile '\(profile.name)'"
    var schedule = ScaleSchedule.always
    switch profile.schedule {
    case nil: break
    case .fixedDate(let start, let end, let name):
      schedule = .fixed(try FixedDate(start: start, end: end, zone: try zone(name), field: field))
    case .recurrence(let recurrence):
      schedule = .recurring(
        Recurrence(
          days: recurrence.days.compactMap { Recurrence.Weekday(rawValue: $0.rawValue) }, hours: recurrence.hours,
          minutes: recurrence.minutes, zone: try zone(recurrence.timeZone)))
    }
    var rules: [AutoscaleRule] = []
    for rule in profile.rules { rules.append(try AutoscaleRules.rule(rule, field)) }
    return AutoscaleProfile(
      name: profile.name,
      capacity: ScaleCapacity(minimum: profile.minimum, maximum: profile.maximum, default: profile.defaultCount),
      schedule: schedule, rules: rules)
  }

  private static func zone(_ name: String) throws(InferenceError) -> ScaleTimeZone {
    try ScaleTimeZone(named: name) { try? Files.contents("/usr/share/zoneinfo/\($0)", limitBytes: maxZoneBytes) }
  }

  private static func rule(_ rule: AutoscaleSettings.Rule, _ field: String) throws(InferenceError) -> AutoscaleRule {
    let trigger = rule.trigger
    guard AutoscaleDriver.metricNames.contains(trigger.metricName) else {
      throw .invalidArgument(
        "\(field): metric_name is '\(trigger.metricName)': expected one of \(AutoscaleDriver.metricNames.joined(separator: ", "))")
    }
    guard trigger.scope == .deployment else {
      throw .invalidArgument("\(field): resource is 'endpoint': expected 'deployment', whose metrics are measured here")
    }
    let comparison: MetricTrigger.Comparison =
      switch trigger.comparison {
      case .equals: .equals
      case .notEquals: .notEquals
      case .greaterThan: .greaterThan
      case .greaterThanOrEqual: .greaterThanOrEqual
      case .lessThan: .lessThan
      case .lessThanOrEqual: .lessThanOrEqual
      }
    guard let statistic = MetricTrigger.Statistic(rawValue: trigger.statistic.rawValue) else {
      throw .invalidArgument("\(field): statistic is '\(trigger.statistic.rawValue)': expected average, min, max or sum")
    }
    guard let aggregation = MetricTrigger.Aggregation(rawValue: trigger.aggregation.rawValue) else {
      throw .invalidArgument("\(field): time_aggregation is '\(trigger.aggregation.rawValue)', which is not known")
    }
    return AutoscaleRule(
      trigger: MetricTrigger(
        metricName: trigger.metricName, timeGrainSeconds: UInt64(max(trigger.timeGrainSeconds, 0)), statistic: statistic,
        timeWindowSeconds: UInt64(max(trigger.timeWindowSeconds, 0)), timeAggregation: aggregation, comparison: comparison,
        threshold: trigger.threshold),
      action: ScaleAction(
        direction: rule.action.direction == .increase ? .increase : .decrease, value: rule.action.count,
        cooldownSeconds: UInt64(max(rule.action.cooldownSeconds, 0))))
  }
}
