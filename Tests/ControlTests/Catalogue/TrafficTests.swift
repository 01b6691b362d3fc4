import CatalogueTesting
import Control
import Documents
import Glibc
import Inference
import ScriptedBackend
import Serving
import Testing
import Threads

@Suite(.serialized) struct EndpointTrafficTests {
  /// Endpoint "churn" with "blue", which adds 1 and takes all traffic, and "green", which adds 2.
  private func withTwo(_ body: (CatalogueWorld) async throws -> Void) async throws {
    try await withWorld { world in
      try await world.addChurn()
      try await world.addModel(version: "2", add: 2)
      try await world.addDeployment("green", model: "azureml:adder:2")
      try await body(world)
    }
  }

  @Test func `traffic that sums to 99 is refused, with the sum`() async throws {
    try await withTwo { world in
      let error = try #require(
        await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 90, "green": 9]]]))
      #expect(error.code == .badArgument && error.message.contains("99") && error.message.contains("traffic"))
      #expect(try await world.traffic() == ["blue": 100])
      #expect(await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 101]]])?.code == .badArgument)
      #expect(await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": -100]]])?.code == .badArgument)
    }
  }

  @Test func `traffic to a deployment that does not exist is refused, and says which there are`() async throws {
    try await withTwo { world in
      let error = try #require(
        await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 0, "gren": 100]]]))
      #expect(error.code == .badArgument)
      #expect(error.message == "traffic names deployment 'gren', which endpoint 'churn' does not have: it has 'blue', 'green'")
      let new = await world.refusal(.put, "onlineEndpoints/fresh", ["properties": ["traffic": ["blue": 100]]])
      #expect(new?.message.hasSuffix("it has none yet") == true)
      let mirror = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["gren": 10]]])
      #expect(mirror?.code == .badArgument && mirror?.message.contains("'gren'") == true)
      let much = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["green": 51]]])
      #expect(much?.code == .badArgument && much?.message.contains("50") == true)
      let both = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["blue": 10]]])
      #expect(both?.code == .badArgument, "a deployment has live or mirrored traffic, not both")
    }
  }

  @Test func `traffic to a deployment that is being deleted is refused`() async throws {
    try await withWorld { world in
      try await world.addModel("slow", "hold-run gate")
      try await world.addEndpoint()
      try await world.addDeployment("blue", model: "azureml:slow:1")
      let door = world.door()
      let request = try CatalogueWorld.zeros("churn", "blue")
      try CatalogueWorld.submit(request, to: door)
      await awaitOffPool { world.backend.gates.awaitWaiting(at: "gate") }
      let deletion = try await world.send(.delete, "onlineEndpoints/churn/deployments/blue")
      let error = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 100]]])
      #expect(error?.code == .conflict && error?.message.contains("Deleting") == true)
      // Asking again is the same deletion.
      #expect(try await world.send(.delete, "onlineEndpoints/churn/deployments/blue").operation == deletion.operation)
      world.backend.gates.open("gate")
      let box = UncheckedBox((request, door))
      let failure = Locked<InferenceError?>(.internal("not answered"))
      await awaitOffPool {
        let found = CatalogueWorld.failure(of: box.value.0, from: box.value.1)
        failure.withLock { $0 = found }
      }
      #expect(failure.withLock { $0 } == nil, "what was accepted is answered")
      #expect(try await world.ended(deletion)["status"] == "Succeeded")
    }
  }

  @Test func `a deployment that has traffic or copies is not deleted`() async throws {
    try await withTwo { world in
      try await world.setTraffic(["blue": 90, "green": 10])
      let error = await world.refusal(.delete, "onlineEndpoints/churn/deployments/green")
      #expect(error?.code == .conflict)
      #expect(error?.message == "deployment 'green' has 10 % of the traffic of endpoint 'churn': set it to 0 first")
      try await world.setTraffic(["blue": 100])
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["green": 5]]])
      #expect(await world.refusal(.delete, "onlineEndpoints/churn/deployments/green")?.message.contains("mirrored traffic") == true)
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["green": 0]]])
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn/deployments/green"))
    }
  }

  @Test func `a door sees a change of traffic as soon as it is acknowledged, and shares are exact`() async throws {
    try await withTwo { world in
      let door = world.door()
      func shares() throws -> [Float: Int] {
        var counts: [Float: Int] = [:]
        for _ in 0..<100 {
          let request = try CatalogueWorld.zeros("churn")
          try CatalogueWorld.submit(request, to: door)
          counts[try CatalogueWorld.take(request, from: door), default: 0] += 1
        }
        return counts
      }
      #expect(try shares() == [1: 100])
      try await world.setTraffic(["blue": 90, "green": 10])
      #expect(try shares() == [1: 90, 2: 10])
      try await world.setTraffic(["green": 100])
      #expect(try shares() == [2: 100])
      try await world.setTraffic([:])
      #expect { try shares() } throws: { ($0 as? InferenceError)?.code == .notFound }
      #expect(try world.answer("churn", "blue") == 1, "a pin goes past the split")
    }
  }

  /// One thread asks without a pause while traffic moves to and fro, counts change and models are exchanged.
  @Test func `changes lose no request`() async throws {
    try await withTwo { world in
      let isOver = Locked(false)
      let counts = Locked((answered: 0, failures: [String]()))
      async let asking: Void = awaitOffPool {
        let door = world.door()
        while !isOver.withLock({ $0 }) {
          do {
            let request = try CatalogueWorld.zeros("churn")
            try CatalogueWorld.submit(request, to: door)
            _ = try CatalogueWorld.take(request, from: door)
            counts.withLock { $0.answered += 1 }
          } catch { counts.withLock { $0.failures.append("\(error)") } }
        }
      }
      do {
        for round in 0..<4 {
          try await world.setTraffic(round % 2 == 0 ? ["blue": 50, "green": 50] : ["green": 100])
          let count = try await world.send(
            .patch, "onlineEndpoints/churn/deployments/green", ["sku": ["capacity": .int(1 + round % 3)]])
          try await world.ended(count)
          let model = try await world.send(
            .patch, "onlineEndpoints/churn/deployments/green", ["properties": ["model": .string("azureml:adder:\(1 + round % 2)")]])
          try await world.ended(model)
        }
      } catch { Issue.record(error) }
      isOver.withLock { $0 = true }
      await asking
      let (answered, failures) = counts.withLock { $0 }
      #expect(failures.isEmpty && answered > 0, "\(answered) answered, \(failures.prefix(3))")
    }
  }

  @Test func `deleting an endpoint answers what it has accepted, and nobody gets in any more`() async throws {
    try await withWorld { world in
      try await world.addModel("slow", "hold-run gate")
      try await world.addEndpoint()
      try await world.addDeployment("blue", model: "azureml:slow:1")
      try await world.setTraffic(["blue": 100])
      let door = world.door()
      let request = try CatalogueWorld.zeros("churn")
      try CatalogueWorld.submit(request, to: door)
      await awaitOffPool { world.backend.gates.awaitWaiting(at: "gate") }
      let deletion = try await world.send(.delete, "onlineEndpoints/churn")
      #expect(try await world.get("operations/\(deletion.operation ?? "")")["status"] == "InProgress")
      #expect(try await world.state(of: "churn") == "Deleting")
      #expect(await world.refusal(.put, "onlineEndpoints/churn", ["properties": [:]])?.code == .conflict)
      #expect(await world.refusal(.put, "onlineEndpoints/churn/deployments/green", CatalogueWorld.deployment(model: "azureml:slow:1"))?.code == .conflict)
      #expect(await world.refusal(.delete, "onlineEndpoints/churn/deployments/blue")?.code == .conflict)
      world.backend.gates.open("gate")
      let box = UncheckedBox((request, door))
      let failure = Locked<InferenceError?>(.internal("not answered"))
      await awaitOffPool {
        let found = CatalogueWorld.failure(of: box.value.0, from: box.value.1)
        failure.withLock { $0 = found }
      }
      #expect(failure.withLock { $0 } == nil)
      #expect(try await world.ended(deletion)["status"] == "Succeeded")
      #expect(await world.refusal(.get, "onlineEndpoints/churn/deployments/blue")?.code == .notFound)
      #expect { try world.answer() } throws: { ($0 as? InferenceError)?.code == .notFound }
      try await world.addEndpoint()
      #expect(try await world.get("onlineEndpoints/churn/deployments")["value"] == [], "the new one has nothing of the old")
    }
  }

  @Test func `copies go to the shadow, are compared, and the report can begin anew`() async throws {
    try await withTwo { world in
      #expect(await world.refusal(.get, "onlineEndpoints/churn/mirrorReport")?.code == .notFound)
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["green": 50]]])
      for _ in 0..<20 { #expect(try world.answer() == 1, "the live answer is the live deployment's") }
      await awaitOffPool {
        while case let counts = world.mirror.counts, counts.compared + counts.failed + counts.dropped < 10 { sched_yield() }
      }
      let report = try await world.get("onlineEndpoints/churn/mirrorReport")
      #expect(report["comparedRequests"]?.int ?? 0 >= 5 && report["live"] == "blue" && report["shadow"] == "green")
      #expect(report["outputs"]?[0]?["name"] == "Y" && report["outputs"]?[0]?["meanAbsoluteDifference"] == 1.0, "\(report)")
      #expect(try await world.send(.delete, "onlineEndpoints/churn/mirrorReport").status == 200)
      #expect(await world.refusal(.get, "onlineEndpoints/churn/mirrorReport")?.code == .notFound)
    }
  }
}
