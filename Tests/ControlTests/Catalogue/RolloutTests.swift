import CatalogueTesting
import Control
import Documents
import Inference
import ScriptedBackend
import Testing

@Suite(.serialized) struct EndpointRolloutTests {
  /// "blue" has all traffic, "green" waits; both answer. Models "adder" 1 and 2.
  private func withTwo(
    _ options: CatalogueWorld.Options = CatalogueWorld.Options(), _ body: (CatalogueWorld) async throws -> Void
  ) async throws {
    try await withWorld(options) { world in
      try await world.addChurn()
      try await world.addModel(version: "2", add: 2)
      try await world.addDeployment("green", model: "azureml:adder:2")
      try await body(world)
    }
  }

  private static let place = "onlineEndpoints/churn/rollout"

  private static func plan(_ more: Document.Object = [:]) -> Document {
    var properties: Document.Object = [
      "deployment": "green", "steps": [10, 50, 100], "hold": "PT2S", "minimumRequests": 5,
      "bounds": ["maxLatencyRatio": .null],
    ]
    for (key, value) in more { properties[key] = value }
    return ["properties": .object(properties)]
  }

  /// So many seconds with 50 requests in each.
  private func serve(_ world: CatalogueWorld, seconds: Int) async throws {
    for _ in 0..<seconds {
      for _ in 0..<50 { _ = try? world.answer() }
      await world.pass(seconds: 1)
    }
  }

  private func state(_ world: CatalogueWorld) async throws -> Document {
    try await world.get(Self.place)["properties"] ?? .null
  }

  @Test func `a good deployment goes through the steps to the end`() async throws {
    try await withTwo { world in
      let started = try await world.send(.put, Self.place, Self.plan())
      #expect(started.status == 201)
      #expect(started.body?["properties"]?["state"] == "holding" && started.body?["properties"]?["percent"] == 10)
      #expect(started.body?["properties"]?["from"] == "blue" && started.body?["properties"]?["hold"] == "PT2S")
      #expect(try await world.traffic() == ["blue": 90, "green": 10])
      var seen: [[String: Int]] = []
      for _ in 0..<20 {
        try await serve(world, seconds: 1)
        let traffic = try await world.traffic()
        if seen.last != traffic { seen.append(traffic) }
      }
      #expect(seen == [["blue": 90, "green": 10], ["blue": 50, "green": 50], ["green": 100]], "\(seen)")
      let end = try await state(world)
      #expect(end["state"] == "finished" && end["percent"] == 100)
      #expect(try world.answer() == 2)
      let lines = try await world.audit()
      #expect(lines.contains { $0.hasPrefix("local:ada onlineEndpoints/write onlineEndpoints/churn/rollout accepted rollout from 'blue' to 'green'") })
      #expect(lines.filter { $0.hasPrefix("rollout onlineEndpoints/write") }.count == 3, "one for each step: \(lines)")
      // It is over: traffic is anybody's again, and so is another rollout.
      try await world.setTraffic(["blue": 100])
      #expect(try await world.send(.put, Self.place, Self.plan()).status == 201)
    }
  }

  @Test func `a deployment that breaks a bound is rolled back by itself, and the reason says which`() async throws {
    try await withTwo { world in
      try await world.addModel("bad", "fail-run out of luck")
      let update = try await world.send(.patch, "onlineEndpoints/churn/deployments/green", ["properties": ["model": "azureml:bad:1"]])
      #expect(try await world.ended(update)["status"] == "Succeeded")
      _ = try await world.send(.put, Self.place, Self.plan(["minimumRequests": 20]))
      for _ in 0..<12 where try await state(world)["state"] != "rolledBack" { try await serve(world, seconds: 1) }
      let end = try await state(world)
      #expect(end["state"] == "rolledBack", "\(end)")
      #expect(end["reason"]?.string?.contains("error") == true, "\(end)")
      #expect(try await world.traffic() == ["blue": 100])
    }
  }

  @Test func `a pause holds, a resume goes on, an abort goes back and a promotion to the end`() async throws {
    try await withTwo { world in
      _ = try await world.send(.put, Self.place, Self.plan())
      let paused = try await world.send(.post, Self.place + "/pause")
      #expect(paused.status == 200 && paused.body?["properties"]?["isPaused"] == true)
      try await serve(world, seconds: 10)
      #expect(try await world.traffic() == ["blue": 90, "green": 10])
      let resumed = try await world.send(.post, Self.place + "/resume")
      #expect(resumed.body?["properties"]?["isPaused"] == false)
      try await serve(world, seconds: 5)
      #expect(try await world.traffic()["green"] ?? 0 >= 50)
      let aborted = try await world.send(.post, Self.place + "/abort", ["reason": "lunch"])
      #expect(aborted.body?["properties"]?["state"] == "rolledBack")
      #expect(aborted.body?["properties"]?["reason"]?.string?.contains("lunch") == true)
      #expect(try await world.traffic() == ["blue": 100])
      for verb in ["pause", "resume", "abort", "promote"] {
        #expect(await world.refusal(.post, Self.place + "/\(verb)")?.code == .conflict)
      }
      _ = try await world.send(.put, Self.place, Self.plan())
      #expect(await world.refusal(.post, Self.place + "/dance")?.code == .notFound)
      let promoted = try await world.send(.post, Self.place + "/promote")
      #expect(promoted.body?["properties"]?["state"] == "finished")
      #expect(try await world.traffic() == ["green": 100])
    }
  }

  @Test func `traffic that a rollout moves is nobody else's, and what else an endpoint says may change`() async throws {
    try await withTwo { world in
      try await world.addDeployment("red")
      _ = try await world.send(.put, Self.place, Self.plan())
      for traffic: Document in [["blue": 100, "green": 0], ["blue": 80, "green": 10, "red": 10]] {
        let error = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": traffic]])
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("its rollout from 'blue' to 'green'") == true, "\(error.debugDescription)")
      }
      #expect(await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["red": 5]]])?.code == .conflict)
      #expect(await world.refusal(.put, "onlineEndpoints/churn", ["properties": [:]])?.code == .conflict, "that would take all traffic away")
      #expect(try await world.send(.patch, "onlineEndpoints/churn", ["tags": ["a": "b"]]).status == 200)
      #expect(await world.refusal(.put, Self.place, Self.plan())?.message.contains("is under way") == true)
      _ = try await world.send(.post, Self.place + "/abort")
      let green = await world.refusal(.delete, "onlineEndpoints/churn/deployments/green")
      #expect(green == nil)
      try await world.setTraffic(["blue": 80, "red": 20])
    }
  }

  @Test func `a deployment in a rollout is not deleted, even while it has no traffic`() async throws {
    try await withTwo { world in
      _ = try await world.send(
        .put, Self.place, Self.plan(["mirror": ["percent": 20, "hold": "PT60S", "minimumComparisons": 5]]))
      #expect(try await state(world)["state"] == "mirroring")
      #expect(try await world.get("onlineEndpoints/churn")["properties"]?["mirrorTraffic"] == ["green": 20])
      #expect(await world.refusal(.delete, "onlineEndpoints/churn/deployments/green")?.code == .conflict)
      _ = try await world.send(.post, Self.place + "/abort")
      #expect(try await world.get("onlineEndpoints/churn")["properties"]?["mirrorTraffic"] == [:])
    }
  }

  @Test func `a rollout leaves other deployments' traffic and copies as they are`() async throws {
    try await withTwo { world in
      try await world.addDeployment("red")
      try await world.addDeployment("shadow")
      try await world.setTraffic(["blue": 60, "red": 40])
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["shadow": 5]]])
      let mirrored = await world.refusal(.put, Self.place, Self.plan(["mirror": ["percent": 20]]))
      #expect(mirrored?.code == .conflict && mirrored?.message.contains("'shadow'") == true)
      _ = try await world.send(.put, Self.place, Self.plan())
      #expect(try await world.traffic() == ["blue": 54, "green": 6, "red": 40])
      _ = try await world.send(.post, Self.place + "/promote")
      #expect(try await world.traffic() == ["green": 60, "red": 40])
      #expect(try await world.get("onlineEndpoints/churn")["properties"]?["mirrorTraffic"] == ["shadow": 5])
    }
  }

  @Test func `a rollout that can't be is refused by name`() async throws {
    try await withTwo { world in
      #expect(await world.refusal(.get, Self.place)?.message == "endpoint 'churn' has had no rollout")
      let refusals: [(Document.Object, String)] = [
        (["deployment": "gren"], "deployment is 'gren'"), (["deployment": .null], "deployment is missing"),
        (["deployment": "blue", "from": "blue"], "both 'blue'"), (["steps": [50, 10]], "ascending"), (["steps": []], "steps"),
        (["steps": ["a"]], "steps"), (["hold": "soon"], "hold is 'soon'"), (["hodl": "PT1S"], "Did you mean 'hold'?"),
        (["onStepTimeout": "cry"], "rollBack"), (["bounds": ["maxErorRatio": 2]], "maxErrorRatio"), (["minimumRequests": -1], "minimumRequests"),
        (["confidence": 1], "confidence"), (["from": "green"], "both 'green'"),
      ]
      for (more, words) in refusals {
        let error = try #require(await world.refusal(.put, Self.place, Self.plan(more)), "\(more)")
        #expect(error.message.contains(words), "\(error)")
      }
      #expect(await world.refusal(.put, "onlineEndpoints/nobody/rollout", Self.plan())?.code == .notFound)
      try await world.setTraffic([:])
      #expect(await world.refusal(.put, Self.place, Self.plan())?.code == .conflict, "there is nothing to move")
    }
  }

  @Test func `a rollout that nobody calls goes back when its step has lasted too long, and says what it lacked`() async throws {
    try await withTwo { world in
      let timeouts: [(Document.Object, Document)] = [
        ([:], "PT1H2S"), (["mirror": ["hold": "PT10M"]], "PT1H10M"), (["stepTimeout": .null], .null), (["stepTimeout": "PT5S"], "PT5S"),
      ]
      for (more, timeout) in timeouts {
        let begun = try await world.send(.put, Self.place, Self.plan(more))
        #expect(begun.body?["properties"]?["stepTimeout"] == timeout, "\(more)")
        if timeout != "PT5S" { _ = try await world.send(.post, Self.place + "/abort") }
      }
      await world.pass(seconds: 8)
      let end = try await state(world)
      #expect(end["state"] == "rolledBack")
      let reason = end["reason"]?.string ?? ""
      #expect(reason.contains("within 5 s: 'green' has 0 of 5 requests; where callers are few, minimum_requests"), "\(end)")
      #expect(try await world.traffic() == ["blue": 100])
    }
  }

  @Test func `deleting the endpoint ends its rollout`() async throws {
    try await withTwo { world in
      _ = try await world.send(.put, Self.place, Self.plan())
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn"))
      await world.pass(seconds: 3)
      #expect(await world.refusal(.get, Self.place)?.code == .notFound)
      try await world.addEndpoint()
      #expect(await world.refusal(.get, Self.place)?.message == "endpoint 'churn' has had no rollout")
    }
  }

  @Test func `a restart in the middle goes on where it was, and a pause is remembered`() async throws {
    var options = CatalogueWorld.Options()
    options.isDurable = true
    let first = try await CatalogueWorld(options)
    try await first.addChurn()
    try await first.addModel(version: "2", add: 2)
    try await first.addDeployment("green", model: "azureml:adder:2")
    _ = try await first.send(.put, Self.place, Self.plan())
    for _ in 0..<10 where try await first.traffic()["green"] == 10 { try await serve(first, seconds: 1) }
    #expect(try await first.traffic() == ["blue": 50, "green": 50])
    _ = try await first.send(.post, Self.place + "/pause")
    try await first.end()

    let second = try await CatalogueWorld(options, in: first.folder)
    #expect(try await state(second)["isPaused"] == true)
    #expect(try await second.traffic() == ["blue": 50, "green": 50])
    try await serve(second, seconds: 6)
    #expect(try await second.traffic() == ["blue": 50, "green": 50])
    _ = try await second.send(.post, Self.place + "/resume")
    try await serve(second, seconds: 12)
    #expect(try await state(second)["state"] == "finished")
    #expect(try await second.traffic() == ["green": 100])
    try await second.end()
  }
}
