import Documents
import Resources
import Testing

@Suite struct AutoscaleRuleTests {
  static let head = "endpoint_name: churn\ndeployment_name: blue\n"
  static let profile = "profiles:\n  - name: always\n    capacity: {minimum: 1, maximum: 5}\n"

  private func rule(_ lines: String) throws -> AutoscaleSettings.Rule {
    try #require(
      try resource(AutoscaleSettings.self, Self.head + Self.profile + "    rules:\n      - {\(lines)}").profiles[0].rules.first)
  }

  @Test(arguments: [
    ("CpuUtilizationPercentage > 70 avg 5m", .greaterThan, .average, 300),
    ("CpuUtilizationPercentage >= 70 min 1m", .greaterThanOrEqual, .minimum, 60),
    ("CpuUtilizationPercentage < 70 max 1h", .lessThan, .maximum, 3600),
    ("CpuUtilizationPercentage <= 70 total 90s", .lessThanOrEqual, .total, 90),
    ("CpuUtilizationPercentage == 70 count 1d", .equals, .count, 86_400),
    ("CpuUtilizationPercentage != 70 last PT5M", .notEquals, .last, 300),
  ] as [(String, AutoscaleSettings.MetricTrigger.Comparison, AutoscaleSettings.MetricTrigger.Aggregation, Int)])
  func `a condition in words is a trigger`(
    _ text: String, _ comparison: AutoscaleSettings.MetricTrigger.Comparison,
    _ aggregation: AutoscaleSettings.MetricTrigger.Aggregation, _ window: Int
  ) throws {
    let rule = try rule("condition: \(text), scale: out 2, cooldown: 10m")
    #expect(
      rule.trigger
        == .init(
          metricName: "CpuUtilizationPercentage", timeWindowSeconds: window, aggregation: aggregation,
          comparison: comparison, threshold: 70))
    #expect(rule.action == .init(direction: .increase, count: 2, cooldownSeconds: 600))
  }

  @Test(arguments: [
    Rule("condition: RequestsPerMinute > 70 avg 5m, scale: in 1", nil),
    Rule(
      "condition: CpuUtilisationPercentage > 70 avg 5m, scale: in 1",
      "condition: there is no metric 'CpuUtilisationPercentage'. Did you mean 'CpuUtilizationPercentage'? (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 70 5m, scale: in 1",
      "condition: expected such as 'CpuUtilizationPercentage > 70 avg 5m', got 'RequestsPerMinute > 70 5m' (line 7)"),
    Rule(
      "condition: RequestsPerMinute > nan avg 5m, scale: in 1",
      "condition: expected such as 'CpuUtilizationPercentage > 70 avg 5m', got 'RequestsPerMinute > nan avg 5m' (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 1 avg 5s, scale: in 1",
      "condition: expected such as 'CpuUtilizationPercentage > 70 avg 5m', got 'RequestsPerMinute > 1 avg 5s' (line 7)"),
    Rule("condition: RequestsPerMinute > 70 avg 5m, scale: up 1", "scale: expected such as 'out 2' or 'in 1', got 'up 1' (line 7)"),
    Rule("condition: RequestsPerMinute > 70 avg 5m, scale: in 0", "scale: expected such as 'out 2' or 'in 1', got 'in 0' (line 7)"),
    Rule("condition: RequestsPerMinute > 70 avg 5m", "scale_action: expected a direction and a value, got nothing (line 7)"),
    Rule("scale: in 1", "metric_trigger: expected a metric and a bound, got nothing (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 70 avg 5m, scale: in 1, cooldown: 2d",
      "cooldown: expected a duration of PT0S to P1D such as 'PT5M' or '5m', got '2d' (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 70 avg 5m, scale_action: {direction: up, value: 1}",
      "scale_action.direction: expected 'increase' or 'decrease', got 'up' (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 70 avg 5m, scale_action: {direction: increase, value: 0}",
      "scale_action.value: expected a whole number of 1 to 100000, got 0 (line 7)"),
    Rule(
      "condition: RequestsPerMinute > 70 avg 5m, scale_action: {direction: increase, type: percent_change_count}",
      "scale_action.type: expected 'change_count', got 'percent_change_count' (line 7)"),
    Rule(
      "metric_trigger: {metric_name: RequestLatency, operator: greater_than, threshold: 1, time_grain: 10m, time_window: 5m}, scale: in 1",
      "metric_trigger.time_grain: expected at most the time window, PT5M, got PT10M (line 7)"),
    Rule(
      "metric_trigger: {metric_name: RequestLatency, operator: greater_than}, scale: in 1",
      "metric_trigger.threshold: expected a value, got nothing (line 7)"),
  ])
  func `a rule has one trigger and one action`(_ rule: Rule) throws {
    let yaml = Self.head + Self.profile + "    rules:\n      - {\(rule.lines)}"
    #expect(
      try findings(AutoscaleSettings.self, yaml) == [rule.finding].compactMap { $0.map { "profiles[0].rules[0].\($0)" } })
  }

  @Test(arguments: [
    Rule("capacity: {minimum: 2, maximum: 1}", "capacity.minimum: expected at most the maximum, which is 1, got 2 (line 5)"),
    Rule("capacity: {minimum: 1, maximum: 3, default: 4}", "capacity.default: expected 1 to 3, got 4 (line 5)"),
    Rule("capacity: {minimum: 0, maximum: 0}", nil),
    Rule("capacity: {minimum: 1}", "capacity.maximum: expected a number of instances, got nothing (line 5)"),
    Rule("description: none", "description: unknown key, expected one of: name, capacity, fixed_date, recurrence, rules (line 5)"),
    Rule(
      "recurrence: {frequency: day, days: [monday]}", "recurrence.frequency: expected 'week', got 'day' (line 5)"),
    Rule("recurrence: {days: []}", "recurrence.days: expected at least one day of the week (line 5)"),
    Rule("recurrence: {days: [Monday, SUNDAY]}", nil),
    Rule(
      "recurrence: {days: [mon]}",
      "recurrence.days[0]: expected a day of the week such as 'monday', got 'mon' (line 5)"),
    Rule(
      "recurrence: {days: [monday], hours: [24]}",
      "recurrence.hours[0]: expected a whole number of 0 to 23, got 24 (line 5)"),
    Rule(
      "recurrence: {days: [monday], minutes: [-1]}",
      "recurrence.minutes[0]: expected a whole number of 0 to 59, got -1 (line 5)"),
    Rule(
      "fixed_date: {start: a}", "fixed_date.end: expected a time such as 2026-05-01T08:00:00, got nothing (line 5)"),
  ])
  func `a profile has bounds and at most one time`(_ rule: Rule) throws {
    let capacity = rule.lines.hasPrefix("capacity") ? "" : "    capacity: {minimum: 1, maximum: 1}\n"
    let yaml = Self.head + "profiles:\n  - name: always\n    \(rule.lines)\n" + capacity
    let all = try findings(AutoscaleSettings.self, yaml)
    let expected = rule.finding.map { "profiles[0].\($0)" }
    #expect(expected.map(all.contains) ?? all.isEmpty, "\(all)")
  }

  @Test func `only one profile has no time, and each has a name of its own`() throws {
    let yaml = Self.head + Self.profile + "  - name: always\n    capacity: {minimum: 1, maximum: 5}\n"
    #expect(
      try findings(AutoscaleSettings.self, yaml) == [
        "profiles: expected at most one without a time, got 2: always, always (line 3)",
        "profiles: the name 'always' is given twice (line 3)",
      ])
  }

  @Test func `the target is two names or the path of a deployment`() throws {
    let path = "target_resource_id: /subscriptions/s/onlineEndpoints/churn/deployments/blue\n"
    let settings = try resource(AutoscaleSettings.self, path + Self.profile)
    #expect(settings.endpointName == "churn" && settings.deploymentName == "blue")
    #expect(
      try findings(AutoscaleSettings.self, path + Self.head + Self.profile).first
        == "target_resource_id: expected this or endpoint_name and deployment_name, got both (line 1)")
    for (wrong, part) in [("churn/blue", "got 'churn/blue'"), ("/onlineEndpoints/c/deployments/blue", "3 to 32 characters, got 1 in 'c'")] {
      let all = try findings(AutoscaleSettings.self, "target_resource_id: \(wrong)\n" + Self.profile)
      #expect(all.count == 1 && all[0].hasPrefix("target_resource_id: ") && all[0].contains(part), "\(all)")
    }
    let none = try findings(AutoscaleSettings.self, Self.profile)
    #expect(none == ["endpoint_name", "deployment_name"].map { "\($0): expected a name, got nothing (line 1)" })
    let rest = AutoscaleSettings.read(rest: ["properties": ["profiles": []]], names: [])
    #expect(rest.findings.map(\.description).first?.hasPrefix("properties.targetResourceUri: expected the path") == true)
  }

  @Test func `REST has counts as strings and the day's times in a schedule`() throws {
    let rest = try resource(
      AutoscaleSettings.self,
      Self.head + """
        profiles:
          - name: mornings
            capacity: {minimum: 1, maximum: 5, default: 2}
            recurrence: {days: [monday], hours: [8], minutes: [30], time_zone: UTC}
            rules:
              - condition: RequestsPerMinute > 70.5 avg 5m
                scale: out 2
        """
    ).rest()
    let path = "/onlineEndpoints/churn/deployments/blue"
    #expect(
      rest == [
        "properties": [
          "targetResourceUri": .string(path), "enabled": true,
          "profiles": [
            [
              "name": "mornings", "capacity": ["minimum": "1", "maximum": "5", "default": "2"],
              "recurrence": [
                "frequency": "Week",
                "schedule": ["days": ["Monday"], "hours": [8], "minutes": [30], "timeZone": "UTC"],
              ],
              "rules": [
                [
                  "metricTrigger": [
                    "metricName": "RequestsPerMinute", "metricResourceUri": .string(path), "timeGrain": "PT1M",
                    "statistic": "Average", "timeWindow": "PT5M", "timeAggregation": "Average", "operator": "GreaterThan",
                    "threshold": 70.5,
                  ],
                  "scaleAction": ["direction": "Increase", "type": "ChangeCount", "value": "2", "cooldown": "PT5M"],
                ]
              ],
            ]
          ],
        ]
      ])
  }

  @Test func `more profiles or rules than the limits are refused, and the limits are told`() throws {
    func profiles(_ count: Int) -> Document {
      .array((0..<count).map { ["name": .string("p\($0)"), "capacity": ["minimum": 1, "maximum": 1], "fixed_date": ["start": "a", "end": "b"]] })
    }
    func check(_ profiles: Document) -> [String] {
      AutoscaleSettings.read(
        SourceDocument(["endpoint_name": "churn", "deployment_name": "blue", "profiles": profiles]), folder: "/"
      ).findings.map(\.description)
    }
    #expect(check(profiles(20)) == [])
    #expect(check(profiles(21)) == ["profiles: expected at most 20 elements, got 21"])
    let rule: Document = ["condition": "RequestsPerMinute > 1 avg 5m", "scale": "out 1"]
    for (count, said) in [(10, []), (11, ["profiles[0].rules: expected at most 10 elements, got 11"])] {
      let rules = Document.array(Array(repeating: rule, count: count))
      #expect(check([["name": "a", "capacity": ["minimum": 1, "maximum": 1], "rules": rules]]) == said)
    }
  }
}
