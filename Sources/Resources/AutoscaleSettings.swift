/// Rules that change a deployment's number of instances by what is measured and by the time of day.
package struct AutoscaleSettings: Hashable, Sendable {
  /// Most profiles, and most rules in one: the product's own limits.
  package static let maxProfiles = 20
  package static let maxRules = 10

  package var name: String?
  package var endpointName: String
  package var deploymentName: String
  package var enabled: Bool
  /// The first whose time it is applies; the one without a time applies otherwise.
  package var profiles: [Profile]

  package init(
    name: String? = nil, endpointName: String, deploymentName: String, enabled: Bool = true, profiles: [Profile]
  ) {
    self.name = name
    self.endpointName = endpointName
    self.deploymentName = deploymentName
    self.enabled = enabled
    self.profiles = profiles
  }

  /// Bounds and rules, always or at certain times.
  package struct Profile: Hashable, Sendable {
    package var name: String
    /// `capacity`: fewest, most, and where nothing is measured.
    package var minimum: Int
    package var maximum: Int
    package var defaultCount: Int
    /// `nil`: whenever no other profile's time it is.
    package var schedule: Schedule?
    package var rules: [Rule]

    package init(
      name: String, minimum: Int, maximum: Int, defaultCount: Int, schedule: Schedule? = nil, rules: [Rule] = []
    ) {
      self.name = name
      self.minimum = minimum
      self.maximum = maximum
      self.defaultCount = defaultCount
      self.schedule = schedule
      self.rules = rules
    }
  }

  package enum Schedule: Hashable, Sendable {
    /// ISO 8601 local times in a time zone; end excluded.
    case fixedDate(start: String, end: String, timeZone: String)
    case recurrence(Recurrence)
  }

  /// Begins at these hours and minutes of these days, and lasts until another profile begins.
  package struct Recurrence: Hashable, Sendable {
    package enum Day: String, CaseIterable, Hashable, Sendable {
      case monday, tuesday, wednesday, thursday, friday, saturday, sunday
    }
    package var days: [Day]
    /// 0 to 23.
    package var hours: [Int]
    /// 0 to 59.
    package var minutes: [Int]
    package var timeZone: String

    package init(days: [Day], hours: [Int], minutes: [Int], timeZone: String = "UTC") {
      self.days = days
      self.hours = hours
      self.minutes = minutes
      self.timeZone = timeZone
    }
  }

  /// When a metric passes a bound, change the number of instances.
  package struct Rule: Hashable, Sendable {
    package var trigger: MetricTrigger
    package var action: ScaleAction

    package init(trigger: MetricTrigger, action: ScaleAction) {
      self.trigger = trigger
      self.action = action
    }
  }

  package struct MetricTrigger: Hashable, Sendable {
    package enum Scope: String, CaseIterable, Hashable, Sendable { case deployment, endpoint }
    /// How the instances' values within one grain become one.
    package enum Statistic: String, CaseIterable, Hashable, Sendable { case average, min, max, sum, count }
    /// How the grains of the window become one.
    package enum Aggregation: String, CaseIterable, Hashable, Sendable {
      case average, minimum, maximum, total, count, last
    }
    package enum Comparison: String, CaseIterable, Hashable, Sendable {
      case equals
      case notEquals = "not_equals"
      case greaterThan = "greater_than"
      case greaterThanOrEqual = "greater_than_or_equal"
      case lessThan = "less_than"
      case lessThanOrEqual = "less_than_or_equal"
    }

    package var metricName: String
    package var scope: Scope
    package var timeGrainSeconds: Int
    package var statistic: Statistic
    package var timeWindowSeconds: Int
    package var aggregation: Aggregation
    package var comparison: Comparison
    package var threshold: Double

    package init(
      metricName: String, scope: Scope = .deployment, timeGrainSeconds: Int = 60, statistic: Statistic = .average,
      timeWindowSeconds: Int = 300, aggregation: Aggregation = .average, comparison: Comparison, threshold: Double
    ) {
      self.metricName = metricName
      self.scope = scope
      self.timeGrainSeconds = timeGrainSeconds
      self.statistic = statistic
      self.timeWindowSeconds = timeWindowSeconds
      self.aggregation = aggregation
      self.comparison = comparison
      self.threshold = threshold
    }
  }

  package struct ScaleAction: Hashable, Sendable {
    package enum Direction: String, CaseIterable, Hashable, Sendable { case increase, decrease }

    package var direction: Direction
    /// Instances to add or remove, 1 or more (`change_count`).
    package var count: Int
    package var cooldownSeconds: Int

    package init(direction: Direction, count: Int, cooldownSeconds: Int = 300) {
      self.direction = direction
      self.count = count
      self.cooldownSeconds = cooldownSeconds
    }
  }
}
