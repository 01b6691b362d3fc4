package import Inference

/// The application of `AutoscaleRules` to one deployment's metrics as time goes by.
///
/// As Azure Monitor: out if *any* rule that scales out fires (the largest result wins), in only if *all* that scale in
/// do (the smallest step wins), not within a rule's cooldown, and not in if a rule that scales out would fire at once
/// with fewer instances. Unlike it, grains go down to a second, and a rule that scales out does not wait until its
/// window is full; one that scales in does.
package struct Autoscaler: Sendable {
  /// A metric that the rules ask for.
  package struct Metric: Hashable, Sendable {
    package var name: String
    package var source: MetricTrigger.Source

    package init(name: String, source: MetricTrigger.Source) {
      self.name = name
      self.source = source
    }
  }

  private struct Key: Hashable {
    var metric: Metric
    var grainSeconds: UInt64
  }

  package private(set) var rules: AutoscaleRules
  private var windows: [Key: MetricWindow] = [:]
  private var lastScaled: Instant?
  private let start: Instant?
  private var firstLook: Instant?

  /// - Parameter start: Since when the deployment is watched, if it may have been scaled just before, as by a server that
  ///   was restarted: scaling in waits for its cooldown from then on. Scaling out does not: too few instances hurt.
  /// - Throws: `.invalidArgument` if the rules contradict themselves.
  package init(rules: AutoscaleRules, since start: Instant? = nil) throws(InferenceError) {
    self.rules = rules
    self.start = start
    try update(to: rules)
  }

  /// Takes over changed rules. What was measured stays where a rule of the same metric and grain looks no further back.
  package mutating func update(to rules: AutoscaleRules) throws(InferenceError) {
    try rules.validate()
    self.rules = rules
    var needed: [Key: UInt64] = [:]
    for profile in rules.profiles {
      for rule in profile.rules {
        let key = Self.key(rule.trigger)
        needed[key] = max(needed[key] ?? 0, rule.trigger.timeWindowSeconds)
      }
    }
    windows = needed.reduce(into: [:]) { windows, need in
      let count = Int(need.value / need.key.grainSeconds) + 1
      if let old = self.windows[need.key], old.capacity >= count {
        windows[need.key] = old
      } else {
        windows[need.key] = MetricWindow(grainNanoseconds: need.key.grainSeconds * 1_000_000_000, count: count)
      }
    }
  }

  /// What to feed.
  package var metrics: Set<Metric> { Set(windows.keys.map(\.metric)) }

  /// Takes in a measurement; nil says that there is nothing to measure, such as a latency without requests. Others than
  /// `metrics` are dropped.
  package mutating func record(_ value: Double?, of metric: Metric, at now: Instant) {
    for key in windows.keys where key.metric == metric {
      if let value { windows[key]?.record(value, at: now) } else { windows[key]?.watch(at: now) }
    }
  }

  /// Says that the deployment now has another number of instances: cooldowns begin.
  package mutating func scaled(at now: Instant) { lastScaled = now }

  // MARK: Deciding

  /// - Parameters:
  ///   - unixSeconds: The time of day, for schedules.
  ///   - instances: Those that should be there, still loading ones included.
  package mutating func decide(at now: Instant, unixSeconds: Int64, instances: Int) -> ScaleDecision {
    if firstLook == nil { firstLook = now }
    guard rules.isEnabled else { return .keep(reason: "autoscale is off") }
    guard let profile = rules.profile(atUnixSeconds: unixSeconds) else {
      return .keep(reason: "no autoscale profile is in force")
    }
    let said = "profile '\(profile.name)': "
    let capacity = profile.capacity
    guard instances >= capacity.minimum else {
      return .scale(to: capacity.minimum, reason: said + "\(instances) is below the minimum of \(capacity.minimum)")
    }
    guard instances <= capacity.maximum else {
      return .scale(to: capacity.maximum, reason: said + "\(instances) is above the maximum of \(capacity.maximum)")
    }
    guard !profile.rules.isEmpty else {
      let reason = said + "it has no rules and asks for \(capacity.initial)"
      return instances == capacity.initial ? .keep(reason: reason) : .scale(to: capacity.initial, reason: reason)
    }
    let readings = profile.rules.map { Reading(rule: $0, value: value(of: $0.trigger, instances, at: now)) }
    let decision =
      decideOut(readings, capacity, instances, at: now) ?? decideMissing(readings, capacity, instances)
      ?? decideIn(readings, capacity, instances, at: now)
    return switch decision {
    case .keep(let reason): .keep(reason: said + reason)
    case .scale(let count, let reason): .scale(to: count, reason: said + reason)
    }
  }

  private struct Reading {
    enum Value: Equatable {
      /// Nobody has looked at it for a whole window.
      case missing
      /// Too early to say.
      case unknown
      /// Watched, and there was nothing to measure.
      case idle
      case number(Double, isWholeWindow: Bool)
    }

    var rule: AutoscaleRule
    var value: Value

    var fires: Bool {
      let trigger = rule.trigger
      let isOut = rule.action.direction == .increase
      return switch value {
      case .missing, .unknown: false
      // Nothing to do is below any threshold.
      case .idle: !isOut && (trigger.comparison == .lessThan || trigger.comparison == .lessThanOrEqual)
      case .number(let number, let isWholeWindow):
        (isOut || isWholeWindow) && trigger.comparison.holds(number, trigger.threshold)
      }
    }

    var text: String {
      switch value {
      case .missing: "\(rule.trigger.metricName) is not known"
      case .unknown: "\(rule.trigger.metricName) is not known yet"
      case .idle: "\(rule.trigger.condition): nothing to measure"
      case .number(let number, _): "\(rule.trigger.condition): it is \(Quantity.text(number))"
      }
    }
  }

  private func decideOut(
    _ readings: [Reading], _ capacity: ScaleCapacity, _ instances: Int, at now: Instant
  ) -> ScaleDecision? {
    let firing = readings.filter { $0.rule.action.direction == .increase && $0.fires }
    guard let first = firing.first else { return nil }
    var best: (count: Int, reading: Reading)?
    for reading in firing where cooldownLeft(reading.rule.action.cooldownSeconds, from: lastScaled, at: now) == 0 {
      let count = reading.rule.action.apply(to: instances)
      if best.map({ count > $0.count }) ?? true { best = (count, reading) }
    }
    guard let best else {
      let left = firing.map { cooldownLeft($0.rule.action.cooldownSeconds, from: lastScaled, at: now) }.min() ?? 0
      return .keep(reason: "\(first.text), but the cooldown lasts \(ScaleDuration.text(seconds: left)) more")
    }
    let count = min(best.count, capacity.maximum)
    guard count > instances else {
      let limit = instances == capacity.maximum ? ", but \(instances) is the maximum" : ", which \(instances) satisfies"
      return .keep(reason: best.reading.text + limit)
    }
    return .scale(to: count, reason: best.reading.text)
  }

  private func decideMissing(_ readings: [Reading], _ capacity: ScaleCapacity, _ instances: Int) -> ScaleDecision? {
    guard let missing = readings.first(where: { $0.value == .missing }) else { return nil }
    guard instances < capacity.initial else { return .keep(reason: missing.text) }
    return .scale(to: capacity.initial, reason: "\(missing.text), and the default is \(capacity.initial)")
  }

  private func decideIn(
    _ readings: [Reading], _ capacity: ScaleCapacity, _ instances: Int, at now: Instant
  ) -> ScaleDecision {
    let inward = readings.filter { $0.rule.action.direction == .decrease }
    guard let first = inward.first else { return .keep(reason: "no rule fires") }
    if let silent = inward.first(where: { !$0.fires }) { return .keep(reason: "no rule fires; \(silent.text)") }
    let wanted = max(inward.map { $0.rule.action.apply(to: instances) }.max() ?? instances, capacity.minimum)
    guard wanted < instances else { return .keep(reason: "\(first.text), but \(instances) is the minimum") }
    let left = inward.map { cooldownLeft($0.rule.action.cooldownSeconds, from: lastScaled ?? start, at: now) }.max() ?? 0
    guard left == 0 else {
      return .keep(reason: "\(first.text), but the cooldown lasts \(ScaleDuration.text(seconds: left)) more")
    }
    var flapping: AutoscaleRule?
    for count in wanted..<instances {
      let again = readings.first { $0.rule.action.direction == .increase && wouldFire($0, from: instances, to: count) }
      guard let again else { return .scale(to: count, reason: first.text) }
      flapping = again.rule
    }
    return .keep(
      reason: "\(first.text), but with fewer than \(instances) '\(flapping?.trigger.condition ?? "")' would fire at once")
  }

  /// Whether a rule that scales out would fire if the same work were spread over fewer instances. Only what each
  /// instance has its share of grows: not sums, and not the endpoint's metrics, which are the same however many there
  /// are.
  private func wouldFire(_ reading: Reading, from instances: Int, to count: Int) -> Bool {
    guard case .number(let number, _) = reading.value else { return false }
    let trigger = reading.rule.trigger
    let isShare =
      trigger.dividesByInstances
      || (trigger.source == .deployment && trigger.timeAggregation != .total && trigger.timeAggregation != .count)
    let projected = isShare && number != 0 ? number * Double(instances) / Double(count) : number
    return trigger.comparison.holds(projected, trigger.threshold)
  }

  private func cooldownLeft(_ seconds: UInt64, from began: Instant?, at now: Instant) -> UInt64 {
    guard let began else { return 0 }
    let passed = now.nanoseconds(since: began)
    let whole = seconds * 1_000_000_000
    return passed >= whole ? 0 : (whole - passed + 999_999_999) / 1_000_000_000
  }

  // MARK: Reading metrics

  private static func key(_ trigger: MetricTrigger) -> Key {
    Key(
      metric: Metric(name: trigger.metricName, source: trigger.source), grainSeconds: trigger.timeGrainSeconds)
  }

  private func value(of trigger: MetricTrigger, _ instances: Int, at now: Instant) -> Reading.Value {
    let length = trigger.timeWindowSeconds * 1_000_000_000
    guard let window = windows[Self.key(trigger)] else { return .missing }
    guard let last = window.lastWatched, now.nanoseconds(since: last) <= length else {
      let since = window.lastWatched ?? firstLook ?? now
      return now.nanoseconds(since: since) > length ? .missing : .unknown
    }
    let grains = window.grains(of: length, at: now)
    guard let number = trigger.reduce(grains) else { return .idle }
    let isWholeWindow = window.watchedSince.map { now.nanoseconds(since: $0) >= length } ?? false
    let share = trigger.dividesByInstances ? number / Double(max(instances, 1)) : number
    return .number(share, isWholeWindow: isWholeWindow)
  }
}

extension MetricTrigger {
  /// One value of a window's grains; nil if there is none.
  fileprivate func reduce(_ grains: [MetricWindow.Grain]) -> Double? {
    let values = grains.map { grain in
      switch statistic {
      case .average: grain.sum / Double(grain.count)
      case .min: grain.least
      case .max: grain.greatest
      case .sum: grain.sum
      }
    }
    return switch timeAggregation {
    case .average: values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
    case .minimum: values.min()
    case .maximum: values.max()
    case .last: values.last
    case .total: grains.reduce(0) { $0 + $1.sum }
    case .count: Double(grains.reduce(0) { $0 + $1.count })
    }
  }
}
