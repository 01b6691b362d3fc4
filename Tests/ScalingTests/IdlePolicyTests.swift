import Inference
import Scaling
import Testing

private func at(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

private func loaded(
  _ name: String, used: UInt64, mebibytes: UInt64 = 100, inHand: Int = 0, minInstances: Int = 0, idle: UInt64? = nil
) -> IdlePolicy.Loaded {
  IdlePolicy.Loaded(
    name: name, memoryBytes: mebibytes << 20, lastUsed: at(used), requestsInHand: inHand, minInstances: minInstances,
    idleNanoseconds: idle.map { $0 * 1_000_000_000 })
}

@Test func `a deployment leaves when nobody has called it for its time`() {
  let policy = IdlePolicy()
  let deployments = [loaded("a", used: 10, idle: 60), loaded("b", used: 50, idle: 60), loaded("c", used: 0)]
  let verdict = policy.verdict(at: at(70), loaded: deployments)
  #expect(verdict.suspend == [.init(name: "a", reason: "no request for 1m")])
  #expect(verdict.lookAgain == at(110))
  #expect(policy.verdict(at: at(69), loaded: deployments).lookAgain == at(70))
}

@Test func `where memory is short the least recently used go first, and no more than needed`() {
  let policy = IdlePolicy(memoryBudgetBytes: 400 << 20)
  let verdict = policy.verdict(
    at: at(100), loaded: [loaded("a", used: 30), loaded("b", used: 10), loaded("c", used: 20), loaded("d", used: 40)],
    wantedBytes: 150 << 20)
  #expect(
    verdict.suspend == [
      .init(
        name: "b",
        reason: "memory is short by 150 MiB of 400 MiB, and it is the least recently used, 1m30s ago"),
      .init(
        name: "c", reason: "memory is short by 50 MiB of 400 MiB, and it is the least recently used, 1m20s ago"),
    ])
  #expect(verdict.missingBytes == 0)
  #expect(verdict.lookAgain == .never)
}

@Test func `one with requests in hand or with a minimum of instances never leaves`() {
  let policy = IdlePolicy(memoryBudgetBytes: 100 << 20)
  let verdict = policy.verdict(
    at: at(1000),
    loaded: [loaded("busy", used: 0, inHand: 1, idle: 1), loaded("kept", used: 0, minInstances: 1, idle: 1)])
  #expect(verdict.suspend.isEmpty)
  #expect(verdict.missingBytes == 100 << 20)
}

@Test func `nothing leaves for what can't be loaded anyway`() {
  let policy = IdlePolicy(memoryBudgetBytes: 300 << 20)
  let verdict = policy.verdict(
    at: at(1), loaded: [loaded("kept", used: 0, minInstances: 1), loaded("a", used: 0)], wantedBytes: 250 << 20)
  #expect(verdict.suspend.isEmpty)
  #expect(verdict.missingBytes == 50 << 20)
}

/// Drawn deployments: what may not leave stays, what leaves for memory was used no later than what could have left and
/// stays, and the budget holds whenever it can.
@Test func `the order is by last use, and the budget holds where it can`() {
  for seed: UInt64 in 0..<500 {
    var random = SeededGenerator(state: seed)
    let deployments = (0..<8).map { index in
      loaded(
        "d\(index)", used: UInt64.random(in: 0...100, using: &random),
        mebibytes: UInt64.random(in: 1...100, using: &random), inHand: Int.random(in: 0...1, using: &random),
        minInstances: Int.random(in: 0...3, using: &random) == 0 ? 1 : 0)
    }
    let budget = UInt64.random(in: 0...500, using: &random) << 20
    let verdict = IdlePolicy(memoryBudgetBytes: budget).verdict(at: at(200), loaded: deployments)
    let gone = Set(verdict.suspend.map(\.name))
    let leaving = deployments.filter { gone.contains($0.name) }
    let couldLeave = deployments.filter { $0.minInstances == 0 && $0.requestsInHand == 0 && !gone.contains($0.name) }
    #expect(leaving.allSatisfy { $0.minInstances == 0 && $0.requestsInHand == 0 })
    for one in leaving { #expect(couldLeave.allSatisfy { $0.lastUsed >= one.lastUsed }) }
    let left = deployments.filter { !gone.contains($0.name) }.reduce(0) { $0 + $1.memoryBytes }
    #expect(left <= budget || couldLeave.isEmpty)
    #expect(verdict.missingBytes == (left > budget ? left - budget : 0))
  }
}
