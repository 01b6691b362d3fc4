import Inference
import Scaling
import Testing

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

private func rule(_ condition: String, _ scale: String, grain: UInt64 = 1, cooldown: UInt64 = 60) throws -> AutoscaleRule {
  let trigger = try MetricTrigger(condition: condition, timeGrainSeconds: grain)
  return AutoscaleRule(trigger: trigger, action: try ScaleAction(scale: scale, for: trigger, cooldownSeconds: cooldown))
}

private func scaler(_ rules: [AutoscaleRule], minimum: Int = 1, maximum: Int = 10, initial: Int = 1) throws -> Autoscaler {
  try Autoscaler(
    rules: AutoscaleRules(profiles: [
      AutoscaleProfile(
        name: "work", capacity: ScaleCapacity(minimum: minimum, maximum: maximum, default: initial), rules: rules)
    ]))
}

private let cpu = Autoscaler.Metric(name: "Cpu", source: .deployment)
private let gpu = Autoscaler.Metric(name: "Gpu", source: .deployment)

extension Autoscaler {
  /// Records the same value for each second of a stretch of time.
  fileprivate mutating func feed(_ value: Double?, of metric: Metric, _ seconds: ClosedRange<UInt64>) {
    for second in seconds { record(value, of: metric, at: at(second)) }
  }

  fileprivate mutating func decide(_ second: UInt64, _ instances: Int) -> ScaleDecision {
    decide(at: at(second), unixSeconds: Int64(second), instances: instances)
  }
}

@Test func `any rule that scales out is enough, and the largest result wins`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 1m", "out 2"), rule("Gpu > 50 avg 1m", "out 50%")])
  scaler.feed(10, of: cpu, 0...60)
  scaler.feed(90, of: gpu, 0...60)
  #expect(
    scaler.decide(60, 1) == .scale(to: 2, reason: "profile 'work': Gpu > 50 avg 1m: it is 90"))
  scaler.feed(95, of: cpu, 61...120)
  #expect(scaler.decide(120, 3).count == 5)
  #expect(scaler.decide(120, 8).count == 10)
  #expect(
    scaler.decide(120, 10) == .keep(reason: "profile 'work': Gpu > 50 avg 1m: it is 90, but 10 is the maximum"))
}

@Test func `all rules that scale in must fire, and the smallest step wins`() throws {
  var scaler = try scaler([rule("Cpu < 20 avg 1m", "in 3"), rule("Gpu < 20 avg 1m", "in 1")])
  scaler.feed(5, of: cpu, 0...60)
  scaler.feed(30, of: gpu, 0...60)
  #expect(
    scaler.decide(60, 5) == .keep(reason: "profile 'work': no rule fires; Gpu < 20 avg 1m: it is 30"))
  scaler.feed(5, of: cpu, 61...121)
  scaler.feed(5, of: gpu, 61...121)
  #expect(scaler.decide(121, 5).count == 4)
}

@Test func `it reacts within seconds where grains and windows are short`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 5s", "out 2", cooldown: 10)])
  scaler.feed(10, of: cpu, 0...100)
  #expect(scaler.decide(100, 1).isKeep)
  scaler.feed(100, of: cpu, 101...105)
  #expect(scaler.decide(105, 1).count == 3)
}

@Test func `it scales out on what is there, and in only when the whole window was watched`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 5m", "out 1"), rule("Cpu < 20 avg 5m", "in 1")])
  scaler.record(5, of: cpu, at: at(1000))
  #expect(scaler.decide(1000, 3).isKeep)
  scaler.feed(5, of: cpu, 1001...1299)
  #expect(scaler.decide(1299, 3).isKeep)
  scaler.record(5, of: cpu, at: at(1300))
  #expect(scaler.decide(1300, 3).count == 2)
  var young = try Autoscaler(rules: scaler.rules)
  young.record(99, of: cpu, at: at(1000))
  #expect(young.decide(1000, 3).count == 4)
}

@Test func `a cooldown holds after any scaling`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 10s", "out 1", cooldown: 300)])
  scaler.feed(90, of: cpu, 0...20)
  #expect(scaler.decide(20, 1).count == 2)
  scaler.scaled(at: at(20))
  scaler.feed(90, of: cpu, 21...319)
  #expect(
    scaler.decide(319, 2)
      == .keep(reason: "profile 'work': Cpu > 70 avg 10s: it is 90, but the cooldown lasts 1s more"))
  scaler.feed(90, of: cpu, 320...320)
  #expect(scaler.decide(320, 2).count == 3)
}

@Test func `after a restart it scales in when a cooldown has passed, and out at once`() throws {
  let rules = try scaler([
    rule("Cpu > 70 avg 10s", "out 1", cooldown: 300), rule("Cpu < 20 avg 10s", "in 1", cooldown: 300),
  ]).rules
  var idle = try Autoscaler(rules: rules, since: at(1000))
  idle.feed(5, of: cpu, 1000...1299)
  #expect(
    idle.decide(1299, 3)
      == .keep(reason: "profile 'work': Cpu < 20 avg 10s: it is 5, but the cooldown lasts 1s more"))
  idle.feed(5, of: cpu, 1300...1300)
  #expect(idle.decide(1300, 3).count == 2)
  var busy = try Autoscaler(rules: rules, since: at(1000))
  busy.feed(90, of: cpu, 1000...1001)
  #expect(busy.decide(1001, 3).count == 4)
}

@Test func `it does not scale in where fewer instances would at once scale out`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 10s", "out 1"), rule("Cpu < 60 avg 10s", "in 2")])
  scaler.feed(50, of: cpu, 0...20)
  #expect(
    scaler.decide(20, 3)
      == .keep(
        reason: "profile 'work': Cpu < 60 avg 10s: it is 50, but with fewer than 3 'Cpu > 70 avg 10s' would fire at once"))
  // 50 · 8 / 6 = 67 does not fire; of 5 instances only one can go.
  #expect(scaler.decide(20, 8).count == 6)
  #expect(scaler.decide(20, 5).count == 4)
}

@Test func `metrics that nobody gives do nothing, but the default is kept up`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 1m", "out 1"), rule("Cpu < 90 avg 1m", "in 1")], initial: 3)
  #expect(scaler.decide(0, 1).isKeep)
  #expect(scaler.decide(60, 1).isKeep)
  #expect(
    scaler.decide(61, 1) == .scale(to: 3, reason: "profile 'work': Cpu is not known, and the default is 3"))
  #expect(scaler.decide(61, 5) == .keep(reason: "profile 'work': Cpu is not known"))
}

@Test func `a metric without anything to measure scales in, and is not missing`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 10s", "out 1"), rule("Cpu < 20 avg 10s", "in 1")], initial: 4)
  scaler.feed(nil, of: cpu, 0...20)
  #expect(
    scaler.decide(20, 4) == .scale(to: 3, reason: "profile 'work': Cpu < 20 avg 10s: nothing to measure"))
}

@Test func `limits come before rules`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 10s", "out 1")], minimum: 2, maximum: 4, initial: 2)
  #expect(scaler.decide(0, 1) == .scale(to: 2, reason: "profile 'work': 1 is below the minimum of 2"))
  #expect(scaler.decide(0, 9) == .scale(to: 4, reason: "profile 'work': 9 is above the maximum of 4"))
}

/// Two grains of ten seconds: 1, 2 and 3 in the first, 5 and 3 in the second.
@Test(arguments: [
  (MetricTrigger.Aggregation.average, MetricTrigger.Statistic.average, 3.0),
  (.minimum, .average, 2), (.maximum, .average, 4), (.last, .average, 4), (.total, .average, 14), (.count, .average, 5),
  (.average, .max, 4), (.average, .min, 2), (.average, .sum, 7),
]) func `grains and windows are reduced as stated`(
  aggregation: MetricTrigger.Aggregation, statistic: MetricTrigger.Statistic, expected: Double
) throws {
  let trigger = MetricTrigger(
    metricName: "Cpu", timeGrainSeconds: 10, statistic: statistic, timeWindowSeconds: 60, timeAggregation: aggregation,
    comparison: .equals, threshold: expected)
  var scaler = try scaler([AutoscaleRule(trigger: trigger, action: ScaleAction(direction: .increase))])
  for (second, value) in [(0, 1.0), (1, 2), (2, 3), (12, 5), (13, 3)] {
    scaler.record(value, of: cpu, at: at(UInt64(second)))
  }
  #expect(scaler.decide(20, 1).count == 2)
}

@Test func `changed rules keep what was measured`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 1m", "out 1")])
  scaler.feed(80, of: cpu, 0...60)
  var changed = scaler.rules
  changed.profiles[0].rules = [try rule("Cpu > 75 avg 30s", "out 3")]
  try scaler.update(to: changed)
  #expect(scaler.decide(60, 1).count == 4)
  #expect(scaler.metrics == [cpu])
}

@Test func `switched off, it keeps what is there`() throws {
  var scaler = try scaler([rule("Cpu > 70 avg 1m", "out 1")])
  var off = scaler.rules
  off.isEnabled = false
  try scaler.update(to: off)
  #expect(scaler.decide(0, 99) == .keep(reason: "autoscale is off"))
}
