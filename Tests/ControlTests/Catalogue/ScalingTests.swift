import CatalogueTesting
import Control
import Documents
import Inference
import Scaling
import ScriptedBackend
import Serving
import Testing
import Threads

@Suite(.serialized) struct DeploymentScalingTests {
  private func wanted(_ world: CatalogueWorld, _ name: String = "blue") async throws -> Int? {
    try await world.get("onlineEndpoints/churn/deployments/\(name)")["properties"]?["instances"]?["wanted"]?.int
  }

  private static func utilisation(min: Int = 1, max: Int, target: Int = 50) -> Document.Object {
    [
      "endpointComputeType": "Kubernetes",
      "scaleSettings": [
        "scaleType": "TargetUtilization", "minInstances": .int(min), "maxInstances": .int(max), "pollingInterval": "PT1S",
        "targetUtilizationPercentage": .int(target),
      ],
    ]
  }

  /// Requests that wait in or before the model, until the gate opens.
  private func hold(_ count: Int, _ world: CatalogueWorld) async throws -> UncheckedBox<(ServingDoorBox, [OwnedRequest])> {
    let door = ServingDoorBox(world.door())
    let requests = try (0..<count).map { _ in try CatalogueWorld.zeros("churn", "blue") }
    for request in requests { try CatalogueWorld.submit(request, to: door.door) }
    await awaitOffPool { world.backend.gates.awaitWaiting(at: "gate") }
    return UncheckedBox((door, requests))
  }

  @Test func `target_utilization scales out at once, in slowly, and within quota`() async throws {
    var options = CatalogueWorld.Options()
    options.milliCores = 4000
    try await withWorld(options) { world in
      try await world.addModel("slow", "hold-run gate")
      try await world.addModel()
      try await world.addEndpoint()
      var settings = Self.utilisation(max: 8)
      settings["requestSettings"] = ["maxConcurrentRequestsPerInstance": 1, "requestTimeout": "PT100S"]
      var body = CatalogueWorld.deployment(model: "azureml:slow:1", settings).object ?? [:]
      body["sku"] = nil
      let made = try await world.send(.put, "onlineEndpoints/churn/deployments/blue", .object(body))
      #expect(try await world.ended(made)["status"] == "Succeeded")
      try await world.addDeployment("other")
      #expect(try await wanted(world) == 1)

      let held = try await hold(2, world)
      let answered = Locked(0)
      await world.pass(seconds: 1)
      #expect(try await wanted(world) == 3, "4 would be wanted, 3 cores are free")
      let lines = try await world.audit().filter { $0.hasPrefix("autoscale ") }
      #expect(lines.count == 1)
      #expect(lines[0].hasPrefix("autoscale onlineEndpoints/deployments/write onlineEndpoints/churn/deployments/blue accepted from 1 to 3 instances: "))
      #expect(try await world.get("computes")["free"]?["cores"] == 0.0)
      let more = await world.refusal(.put, "onlineEndpoints/churn/deployments/third", CatalogueWorld.deployment())
      #expect(more?.code == .outOfQuota, "what scaling took is taken")

      world.backend.gates.open("gate")
      await awaitOffPool {
        let (door, requests) = held.value
        for request in requests {
          guard CatalogueWorld.failure(of: request, from: door.door) == nil else { continue }
          answered.withLock { $0 += 1 }
        }
      }
      #expect(answered.withLock { $0 } == 2, "no request is lost")
      await world.pass(seconds: 15)
      #expect(try await wanted(world) == 3, "scaling in takes its time")
      await world.pass(seconds: 10)
      #expect(try await wanted(world) == 1)
      #expect(try await world.state(of: "churn/deployments/blue") == "Succeeded")
    }
  }

  private static func rules(_ more: Document.Object = [:]) -> Document {
    var rule: Document.Object = [
      "metricTrigger": [
        "metricName": "RequestsPerMinute", "timeGrain": "PT1M", "statistic": "Average", "timeWindow": "PT5M",
        "timeAggregation": "Average", "operator": "GreaterThan", "threshold": 10,
      ],
      "scaleAction": ["direction": "Increase", "type": "ChangeCount", "value": "2", "cooldown": "PT5M"],
    ]
    for (key, value) in more { rule[key] = value }
    return [
      "properties": [
        "enabled": true,
        "profiles": [["name": "always", "capacity": ["minimum": "1", "maximum": "3", "default": "1"], "rules": [.object(rule)]]],
      ]
    ]
  }

  @Test func `autoscale rules scale by what is measured, keep to their capacity, and are gone when they are deleted`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      let place = "onlineEndpoints/churn/deployments/blue/autoscale"
      #expect(await world.refusal(.get, place)?.code == .notFound)
      let set = try await world.send(.put, place, Self.rules())
      #expect(set.status == 201)
      let shown = try await world.get(place)
      #expect(try await world.send(.put, place, shown).status == 200, "what GET shows can be sent back")
      #expect(try await wanted(world) == 1)
      for _ in 0..<400 {
        for _ in 0..<2 { _ = try world.answer() }
        await world.pass(seconds: 1)
      }
      #expect(try await wanted(world) == 3)
      // The count that somebody sets counts more than what scaling made.
      #expect(try await world.send(.delete, place).status == 200)
      #expect(try await world.send(.delete, place).status == 204)
      let update = try await world.send(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 2]])
      #expect(try await world.ended(update)["status"] == "Succeeded")
      await world.pass(seconds: 10)
      #expect(try await wanted(world) == 2)
    }
  }

  @Test func `a restart does not cut a cooldown short`() async throws {
    var options = CatalogueWorld.Options()
    options.isDurable = true
    let first = try await CatalogueWorld(options)
    try await first.addChurn()
    let update = try await first.send(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 3]])
    #expect(try await first.ended(update)["status"] == "Succeeded")
    let inward = Self.rules([
      "metricTrigger": [
        "metricName": "RequestsPerMinute", "timeGrain": "PT1M", "statistic": "Average", "timeWindow": "PT5M",
        "timeAggregation": "Average", "operator": "LessThan", "threshold": 10,
      ],
      "scaleAction": ["direction": "Decrease", "type": "ChangeCount", "value": "1", "cooldown": "PT10M"],
    ])
    #expect(try await first.send(.put, "onlineEndpoints/churn/deployments/blue/autoscale", inward).status == 201)
    await first.pass(seconds: 590)
    #expect(try await wanted(first) == 3)
    await first.pass(seconds: 20)
    #expect(try await wanted(first) == 2)
    try await first.end()

    let second = try await CatalogueWorld(options, in: first.folder)
    await second.pass(seconds: 590)
    #expect(try await wanted(second) == 2, "it was scaled shortly before")
    await second.pass(seconds: 20)
    #expect(try await wanted(second) == 1)
    try await second.end()
  }

  @Test func `autoscale settings that can't be are refused by name, and go with their deployment`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      let place = "onlineEndpoints/churn/deployments/blue/autoscale"
      let metric = Self.rules([
        "metricTrigger": [
          "metricName": "Moon", "timeGrain": "PT1M", "statistic": "Average", "timeWindow": "PT5M", "timeAggregation": "Average",
          "operator": "GreaterThan", "threshold": 10,
        ]
      ])
      #expect(await world.refusal(.put, place, metric)?.message.contains("'Moon'") == true)
      #expect(await world.refusal(.put, place, ["properties": ["profiles": []]])?.code == .badArgument)
      #expect(await world.refusal(.put, "onlineEndpoints/churn/deployments/nobody/autoscale", Self.rules())?.code == .notFound)
      #expect(await world.refusal(.post, place)?.code == .methodNotAllowed)
      _ = try await world.send(.put, place, Self.rules())
      try await world.setTraffic([:])
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn/deployments/blue"))
      try await world.addDeployment("blue")
      #expect(await world.refusal(.get, place)?.code == .notFound, "a new deployment has none of the old one's")
    }
  }
}

/// A door, which belongs to whoever holds the box.
struct ServingDoorBox {
  let door: ServingDoor
  init(_ door: ServingDoor) { self.door = door }
}
