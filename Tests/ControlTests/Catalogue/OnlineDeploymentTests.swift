import CatalogueTesting
import Control
import Documents
import Inference
import Scaling
import ScriptedBackend
import Serving
import Testing
import Threads

@Suite(.serialized) struct OnlineDeploymentTests {
  @Test func `a deployment is 201 and Creating, and Succeeded only when it serves`() async throws {
    try await withWorld { world in
      try await world.addModel("slow", "hold-load gate")
      try await world.addEndpoint()
      let response = try await world.send(.put, "onlineEndpoints/churn/deployments/blue", CatalogueWorld.deployment(model: "azureml:slow:1"))
      #expect(response.status == 201 && response.body?["properties"]?["provisioningState"] == "Creating")
      let operation = try #require(response.operation)
      await awaitOffPool { world.backend.gates.awaitWaiting(at: "gate") }
      let going = try await world.get("operations/\(operation)")
      #expect(going["status"] == "InProgress" && going["percentComplete"] == 30 && going["message"] == "loading model slow:1")
      #expect(going["endTime"] == nil)
      #expect(try await world.state(of: "churn/deployments/blue") == "Creating")
      #expect(throws: InferenceError.self) { try world.answer("churn", "blue") }

      // Another change of it is refused meanwhile, and so is its end and that of its endpoint.
      for (method, path) in [
        (ControlRequest.Method.patch, "churn/deployments/blue"), (.put, "churn/deployments/blue"), (.delete, "churn/deployments/blue"),
        (.delete, "churn"),
      ] {
        let body = method == .delete ? nil : CatalogueWorld.deployment(model: "azureml:slow:1")
        let error = await world.refusal(method, "onlineEndpoints/\(path)", body)
        #expect(error?.code == .conflict && error?.message.contains(operation) == true, "\(method) \(path): \(error.debugDescription)")
      }
      world.backend.gates.open("gate")
      let end = try await world.ended(response)
      #expect(end["status"] == "Succeeded" && end["percentComplete"] == 100 && end["endTime"] != nil)
      #expect(try await world.state(of: "churn/deployments/blue") == "Succeeded")
      #expect(try world.answer("churn", "blue") == 1)
    }
  }

  @Test func `a model that can't be loaded fails its deployment with the backend's words, and the others go on`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      try await world.addModel("broken", "fail the weights are torn")
      let response = try await world.send(.put, "onlineEndpoints/churn/deployments/green", CatalogueWorld.deployment(model: "azureml:broken:1"))
      let operation = try await world.ended(response)
      #expect(operation["status"] == "Failed" && operation["error"]?["code"] == "ResourceNotReady")
      #expect(operation["error"]?["message"]?.string?.contains("the weights are torn") == true)
      let shown = try await world.get("onlineEndpoints/churn/deployments/green")
      #expect(shown["properties"]?["provisioningState"] == "Failed")
      #expect(shown["properties"]?["provisioningError"]?["message"]?.string?.contains("the weights are torn") == true)
      #expect(try world.answer() == 1)

      let traffic = await world.refusal(.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 50, "green": 50]]])
      #expect(traffic?.code == .conflict && traffic?.message.contains("the weights are torn") == true)
      let log = try await world.send(.post, "onlineEndpoints/churn/deployments/green/getLogs", [:])
      #expect(log.body?["content"]?.string?.contains("failed: ") == true)

      // It is mended by another model under the same name.
      let mended = try await world.send(.put, "onlineEndpoints/churn/deployments/green", CatalogueWorld.deployment())
      #expect(mended.status == 202)
      #expect(try await world.ended(mended)["status"] == "Succeeded")
      #expect(try world.answer("churn", "green") == 1)
    }
  }

  @Test func `an update that fails leaves what served serving, and what it says says why`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      try await world.addModel("broken", "fail no such operator")
      let update = try await world.send(
        .patch, "onlineEndpoints/churn/deployments/blue", ["properties": ["model": "azureml:broken:1"]])
      #expect(update.status == 202 && update.body?["properties"]?["provisioningState"] == "Updating")
      #expect(try await world.ended(update)["status"] == "Failed")
      #expect(try await world.state(of: "churn/deployments/blue") == "Failed")
      #expect(try world.answer() == 1)
      // The good model is still in use, and can't be deleted under it.
      #expect(await world.refusal(.delete, "models/adder/versions/1")?.code == .conflict)
    }
  }

  @Test func `an update with another model takes over, and the old one is drained`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      try await world.addModel(version: "2", add: 2)
      let update = try await world.send(
        .patch, "onlineEndpoints/churn/deployments/blue", ["properties": ["model": "azureml:adder@latest"]])
      #expect(try await world.ended(update)["status"] == "Succeeded")
      #expect(try world.answer() == 2)
      let shown = try await world.get("onlineEndpoints/churn/deployments/blue")
      #expect(shown["properties"]?["model"]?.string?.contains("2") == true, "latest was settled: \(shown)")
    }
  }

  @Test func `a change of the number of instances loads nothing, up and down`() async throws {
    try await withWorld { world in
      try await world.addModel("slow", "hold-load gate")
      world.backend.gates.open("gate")
      try await world.addEndpoint()
      try await world.addDeployment("blue", model: "azureml:slow:1")
      // A load would wait here for ever.
      world.backend.gates.close("gate")
      for count in [3, 1, 2, 1] {
        let update = try await world.send(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": .int(count)]])
        #expect(update.body?["properties"]?["provisioningState"] == "Scaling")
        #expect(try await world.ended(update)["status"] == "Succeeded")
        let shown = try await world.get("onlineEndpoints/churn/deployments/blue")
        #expect(shown["sku"]?["capacity"]?.int == count && shown["properties"]?["instances"]?["wanted"]?.int == count)
        #expect(try world.answer("churn", "blue") == 1)
      }
      let both = try await world.send(
        .patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 2], "properties": ["description": "more"]])
      #expect(both.body?["properties"]?["provisioningState"] == "Updating", "it is not the number only")
      try await world.ended(both)
      let tagged = try await world.send(.patch, "onlineEndpoints/churn/deployments/blue", ["tags": ["a": "b"]])
      #expect(try await world.ended(tagged)["status"] == "Succeeded")
      world.backend.gates.open("gate")
    }
  }

  @Test func `request settings reach the pool and the policy, on create and on update`() async throws {
    try await withWorld { world in
      try await world.addModel("slow", "hold-run gate")
      try await world.addEndpoint()
      try await world.addDeployment(
        "blue", model: "azureml:slow:1",
        ["requestSettings": ["maxConcurrentRequestsPerInstance": 1, "requestTimeout": "PT0.02S"]])
      let door = world.door()
      let requests = try (0..<3).map { _ in try CatalogueWorld.zeros("churn", "blue") }
      try CatalogueWorld.submit(requests[0], to: door)
      await awaitOffPool { world.backend.gates.awaitWaiting(at: "gate") }
      try CatalogueWorld.submit(requests[1], to: door)
      // One runs and one waits; a third is too many.
      #expect { try CatalogueWorld.submit(requests[2], to: door) } throws: { ($0 as? InferenceError)?.code == .resourceExhausted }
      let box = UncheckedBox(door)
      let late = Locked<InferenceError?>(nil)
      await awaitOffPool {
        let arrival = requests[1].pointer.pointee.arrival
        while Instant.now().nanoseconds(since: arrival) < 25_000_000 {}
        world.backend.gates.open("gate")
        _ = CatalogueWorld.failure(of: requests[0], from: box.value)
        let failure = CatalogueWorld.failure(of: requests[1], from: box.value)
        late.withLock { $0 = failure }
      }
      #expect(late.withLock { $0?.code } == .deadlineExceeded, "it waited longer than its 20 ms")

      let update = try await world.send(
        .patch, "onlineEndpoints/churn/deployments/blue", ["properties": ["requestSettings": ["requestTimeout": "PT30S"]]])
      #expect(try await world.ended(update)["status"] == "Succeeded")
      #expect(try world.answer("churn", "blue") == 1)
    }
  }

  @Test func `what can't be served is refused before anything is written`() async throws {
    var options = CatalogueWorld.Options()
    options.types = [.init(name: "small", resources: ComputeResources(milliCores: 500, memoryBytes: 1 << 20, gpus: 0))]
    options.plane.maxInstancesPerDeployment = 4
    options.plane.maxDeploymentsPerEndpoint = 2
    try await withWorld(options) { world in
      try await world.addModel()
      try await world.addEndpoint()
      func refused(_ body: Document, _ name: String = "blue") async -> ControlError? {
        await world.refusal(.put, "onlineEndpoints/churn/deployments/\(name)", body)
      }
      let unknown = try #require(await refused(CatalogueWorld.deployment(["instanceType": "Standard_DS3_v2"])))
      #expect(unknown.code == .badArgument && unknown.message.contains("'Standard_DS3_v2'") && unknown.message.contains("small"))
      let version = try #require(await refused(CatalogueWorld.deployment(model: "azureml:adder:7")))
      #expect(version.message == "model: there is no version '7' of model 'adder': it has 1")
      #expect(await refused(CatalogueWorld.deployment(model: "azureml:nothing@latest"))?.message == "model: there is no model 'nothing'")
      #expect(await refused(["properties": [:]])?.message.contains("model is missing") == true)
      let script = await refused(CatalogueWorld.deployment(["codeConfiguration": ["codeId": "/x", "scoringScript": "score.py"]]))
      #expect(script?.code == .notImplemented)
      #expect(await refused(CatalogueWorld.deployment(count: 5))?.message == "instance_count is 5: the limit of a deployment is 4")
      #expect(await refused(CatalogueWorld.deployment(count: 0))?.code == .badArgument)
      #expect(await refused(CatalogueWorld.deployment(), String(repeating: "b", count: 33))?.code == .badArgument)
      let nowhere = await world.refusal(.put, "onlineEndpoints/nobody/deployments/blue", CatalogueWorld.deployment())
      #expect(nowhere?.code == .notFound)
      #expect(try await world.get("onlineEndpoints/churn/deployments")["value"] == [])
      try await world.addDeployment("one")
      try await world.addDeployment("two")
      let third = await refused(CatalogueWorld.deployment(), "three")
      #expect(third?.code == .outOfQuota && third?.message == "endpoint 'churn' has 2 deployments; the limit is 2")
    }
  }

  @Test func `a change that is only looked at is refused as it would be, and leaves nothing behind`() async throws {
    var options = CatalogueWorld.Options()
    options.milliCores = 4000
    try await withWorld(options) { world in
      try await world.addChurn()
      let (blue, green) = ("onlineEndpoints/churn/deployments/blue", "onlineEndpoints/churn/deployments/green")
      let before = try await world.get(blue)
      let look = ["validateOnly": "true"]
      // No model: it may not be registered yet.
      var wanted = CatalogueWorld.deployment(count: 2, ["environmentVariables": ["A": "b"]])
      wanted.merge(["properties": ["model": .null]])
      for (method, path) in [(ControlRequest.Method.put, green), (.patch, blue)] {
        let looked = try await world.send(method, path, wanted, query: look)
        #expect(looked.status == 200 && looked.operation == nil && looked.warnings.count == 1)
      }
      #expect(await world.refusal(.put, green, CatalogueWorld.deployment(count: 9), query: look)?.code == .outOfQuota)
      #expect(await world.refusal(.put, blue, wanted, query: look, ifNoneMatch: "*")?.code == .alreadyExists)
      #expect(await world.refusal(.put, green, wanted, query: ["validateOnly": "yes"])?.code == .badArgument)
      #expect(try await world.get(blue) == before)
      #expect(await world.refusal(.get, green)?.code == .notFound)
    }
  }

  @Test func `quota is checked when a deployment is made or grows, and the refusal says what is free`() async throws {
    var options = CatalogueWorld.Options()
    options.milliCores = 4000
    try await withWorld(options) { world in
      try await world.addModel()
      try await world.addEndpoint()
      try await world.addDeployment("blue", count: 3)
      let error = try #require(
        await world.refusal(.put, "onlineEndpoints/churn/deployments/green", CatalogueWorld.deployment(count: 2)))
      #expect(error.code == .outOfQuota)
      #expect(error.message.contains("churn/blue"), "it says who holds the rest: \(error.message)")
      #expect(error.message.contains("1 core") || error.message.contains("1.0") || error.message.contains("cores: 1"), "\(error.message)")
      let growth = await world.refusal(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 5]])
      #expect(growth?.code == .outOfQuota)
      let computes = try await world.get("computes")
      #expect(computes["total"]?["cores"] == 4.0 && computes["free"]?["cores"] == 1.0)
      #expect(computes["reservations"]?[0]?["deployment"] == "churn/blue" && computes["reservations"]?[0]?["count"] == 3)

      // What is deleted is free again.
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn/deployments/blue"))
      try await world.addDeployment("green", count: 4)
    }
  }

  @Test func `parts of a deployment that can't change are named`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      let error = try #require(
        await world.refusal(
          .patch, "onlineEndpoints/churn/deployments/blue",
          ["properties": ["instanceType": "default", "egressPublicNetworkAccess": "Disabled"]]))
      #expect(error.code == .badArgument && error.details.count == 2, "\(error.details)")
      #expect(try await world.state(of: "churn/deployments/blue") == "Succeeded")
    }
  }

  @Test func `a deployment goes by 202 and its operation, and then 204`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      try await world.setTraffic([:])
      let deleted = try await world.send(.delete, "onlineEndpoints/churn/deployments/blue")
      #expect(deleted.status == 202)
      #expect(try await world.ended(deleted)["status"] == "Succeeded")
      #expect(try await world.send(.delete, "onlineEndpoints/churn/deployments/blue").status == 204)
      #expect(await world.refusal(.delete, "onlineEndpoints/nobody/deployments/blue")?.code == .notFound)
      #expect(await world.refusal(.get, "onlineEndpoints/churn/deployments/blue")?.message == "endpoint 'churn' has no deployment 'blue'")
      #expect(throws: InferenceError.self) { try world.answer("churn", "blue") }
    }
  }

  @Test func `logs and instance types are shown, and a wrong tail is refused`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      let log = try await world.send(.post, "onlineEndpoints/churn/deployments/blue/getLogs", ["tail": 1])
      #expect(log.body?["content"]?.string?.hasSuffix("ready: 1 instance\n") == true, "\(log)")
      for tail in [0, 5001] {
        let error = await world.refusal(.post, "onlineEndpoints/churn/deployments/blue/getLogs", ["tail": .int(tail)])
        #expect(error?.message == "tail is \(tail): expected a whole number from 1 to 5000")
      }
      let skus = try await world.get("onlineEndpoints/churn/deployments/blue/skus")
      #expect(skus["value"]?[0]?["capacity"]?["maximum"] == 50)
      #expect(await world.refusal(.get, "onlineEndpoints/churn/deployments/blue/dance")?.code == .notFound)
    }
  }
}
