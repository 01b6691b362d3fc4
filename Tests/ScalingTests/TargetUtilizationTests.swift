import Inference
import Scaling
import Testing

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

private func load(_ instances: Int, busy: Int, queued: Int = 0) -> DeploymentLoad {
  DeploymentLoad(instances: instances, busyInstances: busy, queuedRequests: queued)
}

@Test func `a queue scales out at once, by as many as it needs`() {
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 1, maxInstances: 20))
  let decision = scaler.decide(at: at(1), load: load(2, busy: 2, queued: 5))
  // 7 requests at 70 % need 10.
  #expect(decision == .scale(to: 10, reason: "utilisation is 350 % (2 busy, 5 queued, 2 instances), the target 70 %"))
}

@Test func `it never leaves the limits`() {
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 2, maxInstances: 4))
  #expect(
    scaler.decide(at: at(1), load: load(1, busy: 0)) == .scale(to: 2, reason: "it has 1, below the minimum of 2"))
  #expect(
    scaler.decide(at: at(1), load: load(9, busy: 9)) == .scale(to: 4, reason: "it has 9, above the maximum of 4"))
  guard case .scale(to: 4, _) = scaler.decide(at: at(1), load: load(3, busy: 3, queued: 1000)) else {
    Issue.record("not the maximum")
    return
  }
  #expect(
    scaler.decide(at: at(1), load: load(4, busy: 4, queued: 9))
      == .keep(reason: "utilisation is 325 %, above the target of 70 %, but 4 is the maximum of instances"))
}

@Test func `it scales in only after twenty polls of low load, to the most that was needed in them`() {
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 1, maxInstances: 10, pollingSeconds: 2))
  for second in 0..<20 {
    // In the middle there is work for 4.
    let busy = second == 10 ? 2 : 0
    #expect(scaler.decide(at: at(UInt64(second) * 2), load: load(8, busy: busy)).isKeep)
  }
  #expect(
    scaler.decide(at: at(40), load: load(8, busy: 0))
      == .scale(to: 4, reason: "4 instances have been enough for 40 s, the target 70 %"))
  #expect(scaler.decide(at: at(41), load: load(4, busy: 0)).isKeep)
}

@Test func `one busy moment begins the low time anew`() {
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 1, maxInstances: 10))
  for second in 0..<100 {
    let busy = second % 15 == 14 ? 4 : 0
    #expect(scaler.decide(at: at(UInt64(second)), load: load(6, busy: busy)).isKeep)
  }
}

@Test func `a load just under the edge does not scale in`() {
  // 7 of 11 instances busy at 70 % would need 10, but then be on the edge.
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 1, maxInstances: 20))
  for second in 0..<60 { #expect(scaler.decide(at: at(UInt64(second)), load: load(11, busy: 7)).isKeep) }
}

@Test func `a deployment that may have none is left with none, and comes back for one request`() {
  var scaler = UtilizationScaler(policy: TargetUtilization(minInstances: 0, maxInstances: 2))
  _ = scaler.decide(at: at(0), load: load(1, busy: 0))
  #expect(scaler.decide(at: at(20), load: load(1, busy: 0)).count == 0)
  #expect(scaler.decide(at: at(21), load: load(0, busy: 0)).isKeep)
  let back = scaler.decide(at: at(22), load: load(0, busy: 0, queued: 1))
  #expect(back.count == 2)
  #expect(back.reason == "no instance for 1 requests (0 busy, 1 queued, 0 instances), the target 70 %")
}

/// Drawn loads and limits: whatever comes, the answer lies within the limits; going out it meets the target or is the
/// maximum; and the count never changes direction twice within the scale-in window.
@Test func `limits and targets hold under any load, and it never flaps`() {
  for seed: UInt64 in 0..<100 {
    var random = SeededGenerator(state: seed)
    let minInstances = Int.random(in: 0...3, using: &random)
    let policy = TargetUtilization(
      minInstances: minInstances, maxInstances: max(1, minInstances) + Int.random(in: 0...20, using: &random),
      pollingSeconds: Int.random(in: 1...3, using: &random), targetPercent: Int.random(in: 1...100, using: &random))
    var scaler = UtilizationScaler(policy: policy)
    var instances = max(1, minInstances)
    var lastOut: UInt64?
    for second: UInt64 in 0..<500 {
      let work = Int.random(in: 0...30, using: &random) * (second / 100 % 2 == 0 ? 1 : 0)
      let busy = min(work, instances)
      let decision = scaler.decide(at: at(second), load: load(instances, busy: busy, queued: work - busy))
      guard let count = decision.count else { continue }
      #expect((policy.minInstances...policy.maxInstances).contains(count))
      #expect(count != instances)
      if count > instances {
        #expect(work * 100 <= policy.targetPercent * count || count == policy.maxInstances)
        lastOut = second
      } else {
        #expect(second - (lastOut ?? 0) >= UInt64(20 * policy.pollingSeconds))
      }
      instances = count
    }
  }
}

@Test(arguments: [
  (TargetUtilization(minInstances: -1), "scale_settings.min_instances is -1; expected 0 or more"),
  (TargetUtilization(minInstances: 3, maxInstances: 2),
    "scale_settings.max_instances is 2; expected at least 3, as min_instances"),
  (TargetUtilization(maxInstances: 0), "scale_settings.max_instances is 0; expected at least 1"),
  (TargetUtilization(pollingSeconds: 0), "scale_settings.polling_interval is 0; expected at least 1 second"),
  (TargetUtilization(targetPercent: 101),
    "scale_settings.target_utilization_percentage is 101; expected 1 to 100"),
]) func `settings that contradict themselves are refused`(settings: TargetUtilization, message: String) {
  do {
    try settings.validate()
    Issue.record("no error")
  } catch { #expect(error == .invalidArgument(message)) }
}

extension ScaleDecision {
  var isKeep: Bool { count == nil }
  var count: Int? { if case .scale(let count, _) = self { count } else { nil } }
}
