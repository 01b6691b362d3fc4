internal import Documents

extension AutoscaleSettings.Rule {
  private static let times = 60...86_400
  private static let cooldowns = 0...86_400

  /// Reads `metric_trigger` and `scale_action` or, in files, the text forms `condition` and `scale`.
  internal init(reading fields: FieldReader) {
    let nothing = AutoscaleSettings.MetricTrigger(metricName: "", comparison: .greaterThan, threshold: 0)
    self.init(trigger: nothing, action: AutoscaleSettings.ScaleAction(direction: .increase, count: 1))
    if fields.form == .cli, let text = fields.string("condition") {
      if fields.has("metric_trigger") { fields.fault("condition", "expected condition or metric_trigger, got both") }
      if let trigger = ScaleText.trigger(text) {
        self.trigger = trigger
        Self.checkMetric(trigger.metricName, "condition", fields)
      } else {
        fields.fault("condition", "expected such as 'CpuUtilizationPercentage > 70 avg 5m', got \(Document.string(text).quoted)")
      }
    } else if let trigger = fields.object("metric_trigger", Self.trigger) {
      self.trigger = trigger
    } else if !fields.has("metric_trigger") {
      fields.fault("metric_trigger", "expected a metric and a bound, got nothing")
    }
    if fields.form == .cli, let text = fields.string("scale") {
      if fields.has("scale_action") { fields.fault("scale", "expected scale or scale_action, got both") }
      let cooldown = fields.duration("cooldown", in: Self.cooldowns)
      if let action = ScaleText.action(text) {
        self.action = action
      } else {
        fields.fault("scale", "expected such as 'out 2' or 'in 1', got \(Document.string(text).quoted)")
      }
      if let cooldown { action.cooldownSeconds = cooldown }
    } else if let action = fields.object("scale_action", Self.action) {
      self.action = action
    } else if !fields.has("scale_action") {
      fields.fault("scale_action", "expected a direction and a value, got nothing")
    }
  }

  private static func checkMetric(_ name: String, _ key: String, _ fields: FieldReader) {
    guard !AutoscaleSettings.metricNames.contains(name) else { return }
    let hint =
      NearestName.of(name, in: AutoscaleSettings.metricNames).map { ". Did you mean '\($0)'?" }
      ?? ", expected one of: \(AutoscaleSettings.metricNames.joined(separator: ", "))"
    fields.fault(key, "there is no metric '\(name.prefix(64))'\(hint)")
  }

  private static func trigger(_ fields: FieldReader) -> AutoscaleSettings.MetricTrigger {
    var trigger = AutoscaleSettings.MetricTrigger(
      metricName: fields.string("metric_name") ?? "", comparison: fields.choice("operator") ?? .greaterThan,
      threshold: fields.double("threshold") ?? 0)
    for key in ["metric_name", "operator", "threshold"] where !fields.has(key) {
      fields.fault(key, "expected a value, got nothing")
    }
    if fields.has("metric_name") { checkMetric(trigger.metricName, "metric_name", fields) }
    if fields.form == .rest {
      // The path of what is measured.
      fields.ignore("metricNamespace", "metricResourceLocation", "dimensions", "dividePerInstance")
      let path = fields.string("metricResourceUri").map { $0.split(separator: "/") } ?? []
      trigger.scope = path.count >= 2 && path[path.count - 2] == "onlineEndpoints" ? .endpoint : .deployment
    } else {
      trigger.scope = fields.choice("resource") ?? .deployment
    }
    trigger.timeGrainSeconds = fields.duration("time_grain", in: 1...86_400) ?? trigger.timeGrainSeconds
    trigger.statistic = fields.choice("statistic") ?? .average
    trigger.timeWindowSeconds = fields.duration("time_window", in: times) ?? trigger.timeWindowSeconds
    trigger.aggregation = fields.choice("time_aggregation") ?? .average
    if trigger.timeGrainSeconds > trigger.timeWindowSeconds {
      fields.fault(
        "time_grain",
        "expected at most the time window, \(ISODuration.text(trigger.timeWindowSeconds * 1000)), got "
          + ISODuration.text(trigger.timeGrainSeconds * 1000)
      )
    }
    return trigger
  }

  private static func action(_ fields: FieldReader) -> AutoscaleSettings.ScaleAction {
    _ = fields.choice("type", of: ActionType.self)
    let action = AutoscaleSettings.ScaleAction(
      direction: fields.choice("direction") ?? .increase, count: fields.count("value", in: 1...100_000) ?? 1,
      cooldownSeconds: fields.duration("cooldown", in: cooldowns) ?? 300)
    if !fields.has("direction") { fields.fault("direction", "expected 'increase' or 'decrease', got nothing") }
    return action
  }

  internal func write(to fields: inout FieldWriter, of settings: AutoscaleSettings) {
    func time(_ seconds: Int) -> String { ISODuration.text(seconds * 1000) }
    fields.put("metric_trigger") { fields in
      fields.put("metric_name", trigger.metricName)
      if fields.form == .cli {
        fields.put("resource", word: trigger.scope)
      } else {
        let deployment = trigger.scope == .deployment ? "/deployments/\(settings.deploymentName)" : ""
        fields.put("metricResourceUri", settings.endpointPath + deployment)
      }
      fields.put("time_grain", time(trigger.timeGrainSeconds))
      fields.put("statistic", word: trigger.statistic)
      fields.put("time_window", time(trigger.timeWindowSeconds))
      fields.put("time_aggregation", word: trigger.aggregation)
      fields.put("operator", word: trigger.comparison)
      fields.put("threshold", .double(trigger.threshold))
    }
    fields.put("scale_action") { fields in
      fields.put("direction", word: action.direction)
      fields.put("type", word: ActionType.changeCount)
      fields.put("value", fields.form == .rest ? .string(String(action.count)) : .int(action.count))
      fields.put("cooldown", time(action.cooldownSeconds))
    }
  }
}

/// The word of `scale_action.type`.
internal enum ActionType: String, Spelled { case changeCount = "change_count" }

/// Rules in text, as `az monitor autoscale rule create` takes them.
internal enum ScaleText {
  private static let comparisons: [String: AutoscaleSettings.MetricTrigger.Comparison] = [
    "==": .equals, "!=": .notEquals, ">": .greaterThan, ">=": .greaterThanOrEqual, "<": .lessThan,
    "<=": .lessThanOrEqual,
  ]
  private static let aggregations: [String: AutoscaleSettings.MetricTrigger.Aggregation] = [
    "avg": .average, "min": .minimum, "max": .maximum, "total": .total, "count": .count, "last": .last,
  ]

  /// `CpuUtilizationPercentage > 70 avg 5m`
  static func trigger(_ text: String) -> AutoscaleSettings.MetricTrigger? {
    let words = text.split(separator: " ").map(String.init)
    guard words.count == 5, let comparison = comparisons[words[1]], let threshold = Double(words[2]),
      threshold.isFinite,
      let aggregation = aggregations[words[3]], let window = seconds(words[4]), (60...86_400).contains(window)
    else { return nil }
    return AutoscaleSettings.MetricTrigger(
      metricName: words[0], timeWindowSeconds: window, aggregation: aggregation, comparison: comparison,
      threshold: threshold)
  }

  /// `out 2`, `in 1`
  static func action(_ text: String) -> AutoscaleSettings.ScaleAction? {
    let words = text.split(separator: " ")
    guard words.count == 2, let count = Int(words[1]), (1...100_000).contains(count),
      words[0] == "out" || words[0] == "in"
    else {
      return nil
    }
    return AutoscaleSettings.ScaleAction(direction: words[0] == "out" ? .increase : .decrease, count: count)
  }

  /// `5m`, `30s`, `1h`, `PT5M`
  static func seconds(_ text: String) -> Int? {
    if text.first == "P" { return ISODuration.milliseconds(text).flatMap { $0 % 1000 == 0 ? $0 / 1000 : nil } }
    let lengths: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    guard let unit = text.last, let length = lengths[unit], let number = Int(text.dropLast()),
      (0...1_000_000).contains(number)
    else {
      return nil
    }
    return number * length
  }
}
