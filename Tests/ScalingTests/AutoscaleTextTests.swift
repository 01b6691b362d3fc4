import Inference
import Scaling
import Testing

@Test func `a condition reads as command lines write it`() throws {
  let trigger = try MetricTrigger(condition: "CpuUtilizationPercentage > 70 avg 5m")
  #expect(
    trigger
      == MetricTrigger(
        metricName: "CpuUtilizationPercentage", timeWindowSeconds: 300, comparison: .greaterThan, threshold: 70))
}

@Test(arguments: [
  "CpuUtilizationPercentage > 70 avg 5m", "RequestLatency >= 12.5 max 30s", "Percentage CPU < 25 min 1h30m",
  "RequestsPerMinute == 0 total 10m", "Queue != -1 count 2m", "Depth <= 0.001 last 1s",
]) func `what is printed reads back to the same`(text: String) throws {
  let trigger = try MetricTrigger(condition: text)
  #expect(trigger.condition == text)
  #expect(try MetricTrigger(condition: trigger.condition) == trigger)
}

private let form =
  "; the form is METRIC {==,!=,>,>=,<,<=} THRESHOLD {avg,min,max,total,count,last} TIME, as in 'CpuUtilizationPercentage > 70 avg 5m'"

@Test(arguments: [
  ("Cpu>70 avg 5m", "it has no operator that stands by itself; expected one of ==, !=, >, >=, <, <=" + form),
  ("> 70 avg 5m", "it has no metric before >" + form),
  ("Cpu > 70 5m", "after > it has 2 of 3 parts: threshold, aggregation and time" + form),
  ("Cpu > much avg 5m", "the threshold is 'much'; expected a number" + form),
  ("Cpu > 70 mean 5m", "the aggregation is 'mean'; expected avg, min, max, total, count or last" + form),
  ("Cpu > 70 avg 5m where a == b",
    "'where' after the time is not understood; dimensions (where …) are not filtered by" + form),
  ("Cpu > 70 avg 5x",
    "the time is '5x'; expected a time such as 30s, 5m, 1h30m or PT5M, from 1 second to 366 days"),
]) func `a wrong condition says which part is wrong`(text: String, message: String) {
  do {
    _ = try MetricTrigger(condition: text)
    Issue.record("no error")
  } catch { #expect(error == .invalidArgument("condition '\(text)': " + message)) }
}

@Test(arguments: [
  ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172_800), ("PT5M", 300), ("P1DT1H", 90_000), ("PT1M30S", 90),
]) func `times read in both forms`(text: String, seconds: UInt64) throws {
  #expect(try ScaleDuration.seconds(text, field: "cooldown") == seconds)
  #expect(try ScaleDuration.seconds(ScaleDuration.text(seconds: seconds), field: "cooldown") == seconds)
}

@Test(arguments: ["", "5", "m", "0s", "-5m", "5m1h", "PT", "P5M", "PT1D", "367d", "99999999999s", "5 m", "１m"])
func `other times are refused`(text: String) {
  #expect(throws: InferenceError.self) { try ScaleDuration.seconds(text, field: "cooldown") }
}

@Test(arguments: ["out 2", "in 1", "out 20%", "in 5%", "to 5"]) func `an action reads back too`(text: String) throws {
  let trigger = try MetricTrigger(condition: "Cpu < 30 avg 5m")
  let action = try ScaleAction(scale: text, for: trigger)
  #expect(action.scale == text)
  #expect(action.cooldownSeconds == 300)
  if text == "to 5" { #expect(action.direction == .decrease && action.kind == .exactCount) }
}

@Test(arguments: ["up 2", "out", "out two", "to 5%", "out 0", "out -1", "out 2 3"])
func `other actions are refused`(text: String) throws {
  let trigger = try MetricTrigger(condition: "Cpu < 30 avg 5m")
  #expect(throws: InferenceError.self) { try ScaleAction(scale: text, for: trigger) }
}

@Test func `a window of too many grains is refused with a way out`() {
  let trigger = MetricTrigger(
    metricName: "Cpu", timeGrainSeconds: 1, timeWindowSeconds: 7200, comparison: .greaterThan, threshold: 1)
  let rules = AutoscaleRules(profiles: [
    AutoscaleProfile(
      name: "p", capacity: ScaleCapacity(minimum: 1, maximum: 2, default: 1),
      rules: [AutoscaleRule(trigger: trigger, action: ScaleAction(direction: .increase))])
  ])
  do {
    try rules.validate()
    Issue.record("no error")
  } catch {
    #expect(
      error.message
        == "profiles[0].rules[0].metric_trigger.time_window of 2h has more than 3599 grains of 1s; expected a longer time_grain"
    )
  }
}
