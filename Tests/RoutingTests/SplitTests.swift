import Inference
import Routing
import Testing

@Test func `a split is exact over a hundred requests, whatever the percents`() throws {
  for percent in 0...100 {
    let table = RoutingTable([.split(["blue": 100 - percent, "green": percent])])
    var green = 0
    for _ in 0..<100 { green += try table.decide("e").target }
    #expect(green == percent)
  }
}

@Test func `a newer table goes on where the older one was`() throws {
  let first = RoutingTable([.split(["blue": 50, "green": 50])])
  let one = try first.decide("e").target
  let second = RoutingTable([.split(["blue": 50, "green": 50])], continuing: first)
  #expect(try second.decide("e").target == 1 - one)
  // Both are in use for a while, and take turns together.
  #expect(try first.decide("e").target == one)
  #expect(try second.decide("e").target == 1 - one)
}

@Test func `a request can name its deployment, also one without traffic, by version or by pin`() throws {
  let table = RoutingTable([.split(["blue": 100, "green": 0])])
  #expect(try table.decide("e") == RoutingDecision(endpoint: 0, target: 0))
  #expect(try table.decide("e", version: "green") == RoutingDecision(endpoint: 0, target: 1, isPinned: true))
  #expect(try table.decide("e", pin: "green") == RoutingDecision(endpoint: 0, target: 1, isPinned: true))
  #expect(try table.decide("e", version: "green", pin: "green").target == 1)
}

@Test func `a version and a pin that differ are refused with both`() {
  let table = RoutingTable([.split(["blue": 100, "green": 0])])
  #expect(
    table.refusal(deciding: "e", version: "blue", pin: "green")
      == .invalidArgument(
        "model_version is 'blue' and azureml-model-deployment is 'green': expected one of them, or the same in both"))
}

@Test func `a pin of a stranger is not found, and says no name but its own`() {
  let table = RoutingTable([.split(["blue": 100, "green": 0])])
  #expect(
    table.refusal(deciding: "e", pin: "red") == .notFound("deployment 'red' of endpoint 'e' is not found"))
  #expect(table.refusal(deciding: "e", version: "1")?.code == .notFound)
}

@Test func `an endpoint whose traffic sums to nothing is not found without a pin`() throws {
  let table = RoutingTable([.split(["blue": 0])])
  #expect(table.refusal(deciding: "e") == .notFound("endpoint 'e' has no deployment with traffic"))
  #expect(try table.decide("e", pin: "blue").target == 0)
  #expect(RoutingTable([.split([:])]).refusal(deciding: "e")?.code == .notFound)
}

@Test func `the share of a deployment that is not ready goes to the ready ones by their weights`() throws {
  let table = RoutingTable([.split(["blue": 60, "green": 30, "red": 10], notReady: ["blue"])])
  var counts = [0, 0, 0]
  for _ in 0..<40 { counts[try table.decide("e").target] += 1 }
  #expect(counts == [0, 30, 10])
}

@Test func `where no ready deployment has weight the request is unavailable, with the state`() {
  let table = RoutingTable([.split(["blue": 100, "green": 0], notReady: ["blue"])])
  #expect(
    table.refusal(deciding: "e")
      == .unavailable("deployment 'blue' of endpoint 'e' is not ready: its state is LOADING"))
  #expect(table.refusal(deciding: "e", pin: "blue")?.code == .unavailable)
  #expect(table.refusal(deciding: "e", pin: "green") == nil)
}

@Test func `a model's version can be pinned too`() throws {
  let table = RoutingTable([
    EndpointRoutes(
      name: "e",
      deployments: [
        DeploymentRoute(version: 1, destination: .target(10)), DeploymentRoute(version: 2, destination: .target(20)),
      ])
  ])
  #expect(try table.decide("e") == RoutingDecision(endpoint: 0, target: 20))
  #expect(try table.decide("e", pin: "1") == RoutingDecision(endpoint: 0, target: 10, isPinned: true))
  #expect(table.refusal(deciding: "e", pin: "blue")?.code == .invalidArgument)
}

@Test func `asking for the target without a request moves no turn on`() throws {
  let table = RoutingTable([.split(["blue": 40, "green": 60])])
  for _ in 0..<7 { #expect(try table.target("e") == 1) }
  var green = 0
  for _ in 0..<5 { green += try table.decide("e").target }
  #expect(green == 3)
}

// MARK: - Mirror

@Test func `a mirror gets its exact percentage of every hundred requests that name no deployment`() throws {
  for percent in 0...50 {
    let mirror = MirrorRule(deployment: "shadow", percent: percent)
    let table = RoutingTable([.split(["blue": 100, "shadow": 0], mirror: mirror)])
    for _ in 0..<3 {
      var copies = 0
      for _ in 0..<100 {
        let decision = try table.decide("e")
        #expect(decision.target == 0)
        if decision.mirrorTarget >= 0 { copies += 1 }
        // These take no turn, and are never copied.
        #expect(try table.decide("e", pin: "blue").mirrorTarget == -1)
      }
      #expect(copies == percent)
    }
  }
}

@Test func `a sample of half meets both of two deployments that take turns`() throws {
  let table = RoutingTable([
    .split(["blue": 50, "green": 50, "shadow": 0], mirror: MirrorRule(deployment: "shadow", percent: 50))
  ])
  var copies = [0, 0]
  for _ in 0..<200 {
    let decision = try table.decide("e")
    if decision.mirrorTarget == 2 { copies[decision.target] += 1 }
  }
  #expect(copies == [50, 50])
}

@Test func `a shadow that is not ready gets nothing, and nobody notices`() throws {
  let table = RoutingTable([
    .split(["blue": 100, "shadow": 0], notReady: ["shadow"], mirror: MirrorRule(deployment: "shadow", percent: 50))
  ])
  for _ in 0..<10 { #expect(try table.decide("e") == RoutingDecision(endpoint: 0, target: 0)) }
}

// MARK: - Sticky

@Test func `equal keys go to the same deployment, and keys together by the split`() throws {
  let table = RoutingTable([.split(["blue": 80, "green": 20], isSticky: true)])
  var green = 0
  for key in 0..<10_000 {
    let target = try table.decide("e", key: "user-\(key)").target
    #expect(try table.decide("e", key: "user-\(key)").target == target)
    green += target
  }
  // 5 standard deviations of a fair draw.
  #expect(abs(green - 2000) < 200)
}

@Test func `a key moves only towards a deployment that gains, and no more move than must`() throws {
  let before = RoutingTable([.split(["blue": 80, "green": 20], isSticky: true)])
  let after = RoutingTable([.split(["blue": 70, "green": 30], isSticky: true)])
  var moved = 0
  for key in 0..<10_000 {
    let (old, new) = (try before.decide("e", key: "\(key)").target, try after.decide("e", key: "\(key)").target)
    if old != new {
      #expect(new == 1)
      moved += 1
    }
  }
  #expect(abs(moved - 1000) < 150)
}

@Test func `where a deployment is not ready only its own keys move`() throws {
  let all = RoutingTable([.split(["blue": 40, "green": 40, "red": 20], isSticky: true)])
  let some = RoutingTable([.split(["blue": 40, "green": 40, "red": 20], notReady: ["red"], isSticky: true)])
  for key in 0..<2000 {
    let (old, new) = (try all.decide("e", key: "\(key)").target, try some.decide("e", key: "\(key)").target)
    #expect(old == 2 ? new < 2 : new == old)
  }
}

@Test func `without a key a sticky endpoint splits as any other`() throws {
  let table = RoutingTable([.split(["blue": 75, "green": 25], isSticky: true)])
  var green = 0
  for _ in 0..<100 { green += try table.decide("e").target }
  #expect(green == 25)
}
