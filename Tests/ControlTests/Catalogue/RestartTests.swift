import CatalogueTesting
import Control
import Documents
import Inference
import ScriptedBackend
import Serving
import Stores
import Testing

@Suite(.serialized) struct RestartTests {
  private func options() -> CatalogueWorld.Options {
    var options = CatalogueWorld.Options()
    options.isDurable = true
    options.isOpen = false
    return options
  }

  @Test func `everything comes back after a restart`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.addChurn()
    try await first.addModel(version: "2", add: 2)
    try await first.addDeployment("green", model: "azureml:adder:2", count: 2)
    try await first.setTraffic(["blue": 0, "green": 100])
    _ = try await first.send(.patch, "onlineEndpoints/churn", ["properties": ["mirrorTraffic": ["blue": 10]]])
    _ = try await first.send(.put, "principals/ci")
    let keys = try await first.send(.post, "onlineEndpoints/churn/listKeys").body
    let shown = try await first.get("onlineEndpoints/churn")
    let log = try await first.audit()
    try await first.end()

    let second = try await CatalogueWorld(options(), in: first.folder)
    #expect(try await second.send(.post, "onlineEndpoints/churn/listKeys").body == keys)
    #expect(try await second.get("onlineEndpoints/churn") == shown)
    #expect(try await second.audit() == log)
    #expect(try await second.get("principals/ci")["name"] == "ci")
    let key = keys?["primaryKey"]?.string ?? ""
    #expect(try second.answer(key: key) == 2 && second.answer("churn", "blue", key: key) == 1)
    let green = try await second.get("onlineEndpoints/churn/deployments/green")
    #expect(green["properties"]?["instances"]?["wanted"] == 2 && green["properties"]?["provisioningState"] == "Succeeded")
    try await second.end()
  }

  @Test func `after a failed update the model that served serves again`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.addChurn()
    try await first.addModel("broken", "fail it is broken")
    let update = try await first.send(.patch, "onlineEndpoints/churn/deployments/blue", ["properties": ["model": "azureml:broken:1"]])
    #expect(try await first.ended(update)["status"] == "Failed")
    let key = try await first.send(.post, "onlineEndpoints/churn/listKeys").body?["primaryKey"]?.string
    try await first.end()
    let second = try await CatalogueWorld(options(), in: first.folder)
    #expect(try second.answer(key: key) == 1)
    #expect(try await second.state(of: "churn/deployments/blue") == "Failed")
    try await second.end()
  }

  /// The store as it stands while work goes on, in which another server then starts.
  @Test func `operations that were under way are taken up, and end`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.addChurn()
    try await first.addModel("slow", "hold-load gate")
    let made = try await first.send(.put, "onlineEndpoints/churn/deployments/slow", CatalogueWorld.deployment(model: "azureml:slow:1"))
    let updated = try await first.send(.patch, "onlineEndpoints/churn/deployments/blue", ["properties": ["model": "azureml:slow:1"]])
    await awaitOffPool { first.backend.gates.awaitWaiting(2, at: "gate") }
    let records = try await first.store.read { store in
      try ["onlineEndpoint", "onlineDeployment", "modelVersion", "operation", "roleAssignment", "principal"].flatMap {
        try store.allRecords(RecordKind($0))
      }
    }
    first.backend.gates.open("gate")
    try await first.end()

    let second = try await CatalogueWorld(options(), in: first.folder, startsPlane: false)
    try await second.store.write { store in
      for record in records { try store.put(record.kind, record.name, body: record.body) }
    }
    second.backend.gates.open("gate")
    try second.mirror.start()
    try await second.plane.start()
    await second.plane.settle()
    for operation in [made.operation, updated.operation] {
      #expect(try await second.get("operations/\(operation ?? "")")["status"] == "Succeeded")
    }
    #expect(try await second.state(of: "churn/deployments/slow") == "Succeeded")
    try await second.end()
  }

  /// The store as a server leaves it that is stopped while a deployment scales.
  @Test func `a deployment that was scaling can't be deleted, and is scaled by the next start`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.addChurn()
    let scaled = try await first.send(.patch, "onlineEndpoints/churn/deployments/blue", ["sku": ["capacity": 3]])
    #expect(try await first.ended(scaled)["status"] == "Succeeded")
    let id = scaled.operation ?? ""
    try await first.setTraffic([:])
    try await first.store.write { store in
      let deployment = try store.existingRecord("onlineDeployment", "churn/blue")
      let operation = try store.existingRecord("operation", id)
      try store.put(
        deployment.kind, deployment.name, body: try Document(json: deployment.body).merging(["state": "scaling"]).json())
      try store.put(
        operation.kind, operation.name, body: try Document(json: operation.body).merging(["status": "InProgress"]).json())
    }
    try await first.end()

    let second = try await CatalogueWorld(options(), in: first.folder, startsPlane: false)
    try await second.plane.readRoles()
    for place in ["onlineEndpoints/churn/deployments/blue", "onlineEndpoints/churn"] {
      let error = await second.refusal(.delete, place)
      #expect(error?.code == .conflict && error?.message.contains("is scaling") == true, "\(error.debugDescription)")
    }
    try second.mirror.start()
    try await second.plane.start()
    await second.plane.settle()
    #expect(try await second.get("operations/\(id)")["status"] == "Succeeded")
    let blue = try await second.get("onlineEndpoints/churn/deployments/blue")["properties"]
    #expect(blue?["provisioningState"] == "Succeeded" && blue?["instances"]?["wanted"] == 3)
    try await second.end()
  }

  @Test func `an operation about what is no longer there ends, and says so`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.store.write { store in
      try store.put(
        "operation", "lost",
        body: #"{"kind":"createDeployment","resource":"onlineEndpoints/a/deployments/b","status":"InProgress","started":1}"#)
    }
    try await first.end()
    let second = try await CatalogueWorld(options(), in: first.folder)
    await second.plane.settle()
    let operation = try await second.get("operations/lost")
    #expect(operation["status"] == "Failed" && operation["error"]?["code"] == "OperationCanceled")
    try await second.end()
  }

  @Test func `a deployment that can't be brought back is Failed with the reason, and the others serve`() async throws {
    let first = try await CatalogueWorld(options())
    try await first.addChurn()
    try await first.addModel("other", add: 5)
    try await first.addDeployment("green", model: "azureml:other:1")
    let key = try await first.send(.post, "onlineEndpoints/churn/listKeys").body?["primaryKey"]?.string
    try await first.end()
    let second = try await CatalogueWorld(options(), in: first.folder, startsPlane: false)
    try await second.store.write { store in
      var model = try store.existingRecord("modelVersion", "other/1")
      let tree = String(repeating: "0", count: 64)
      var body = try Document(json: model.body).object ?? [:]
      body["tree"] = .string(tree)
      model.body = Document.object(body).json()
      try store.put("modelVersion", "other/1", body: model.body)
    }
    try second.mirror.start()
    try await second.plane.start()
    #expect(try await second.state(of: "churn/deployments/green") == "Failed")
    let shown = try await second.get("onlineEndpoints/churn/deployments/green")
    #expect(shown["properties"]?["provisioningError"]?["message"]?.string?.contains("checked out") == true, "\(shown)")
    #expect(try second.answer(key: key) == 1)
    try await second.end()
  }
}
