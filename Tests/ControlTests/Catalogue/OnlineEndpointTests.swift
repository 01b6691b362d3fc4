import CatalogueTesting
import Control
import Documents
import Inference
import Testing

@Suite(.serialized) struct OnlineEndpointTests {
  @Test func `a new endpoint is 201 with its addresses, an update 200, and a delete 202 and then 204`() async throws {
    try await withWorld { world in
      let created = try await world.send(.put, "onlineEndpoints/churn", ["tags": ["team": "a"], "properties": ["authMode": "Key"]])
      #expect(created.status == 201)
      let body = try #require(created.body)
      #expect(body["name"] == "churn" && body["kind"] == "Managed" && body["tags"] == ["team": "a"])
      #expect(body["type"] == "Microsoft.MachineLearningServices/workspaces/onlineEndpoints")
      #expect(
        body["id"]
          == "/subscriptions/apus/resourceGroups/apus/providers/Microsoft.MachineLearningServices/workspaces/default/onlineEndpoints/churn")
      let properties = try #require(body["properties"])
      #expect(properties["provisioningState"] == "Succeeded" && properties["authMode"] == "Key")
      #expect(properties["scoringUri"] == "https://score.test/endpoints/churn/score")
      #expect(properties["swaggerUri"] == "https://score.test/endpoints/churn/swagger.json")
      #expect(properties["keys"] == nil)
      let operation = try #require(created.operation)
      #expect(
        properties["properties"]?["AzureAsyncOperationUri"]?.string
          == "https://apus.test" + world.plane.address(ofOperation: operation))
      #expect(try await world.get("operations/\(operation)")["status"] == "Succeeded")

      let updated = try await world.send(.put, "onlineEndpoints/churn", ["properties": ["description": "new"]])
      #expect(updated.status == 200 && updated.body?["properties"]?["description"] == "new")
      #expect(updated.body?["tags"] == nil, "PUT replaces all of it")
      let listed = try await world.get("onlineEndpoints")
      #expect(listed["value"]?.array?.map { $0["name"] } == ["churn"])

      let deleted = try await world.send(.delete, "onlineEndpoints/churn")
      #expect(deleted.status == 202 && deleted.retryAfterSeconds == 1)
      #expect(try await world.ended(deleted)["status"] == "Succeeded")
      #expect(await world.refusal(.get, "onlineEndpoints/churn")?.code == .notFound)
      #expect(try await world.send(.delete, "onlineEndpoints/churn").status == 204)
    }
  }

  @Test func `the kind of an endpoint follows its compute, and its properties name it`() async throws {
    try await withWorld { world in
      try await world.addEndpoint("churn")
      try await world.addEndpoint("fraud", ["compute": "azureml:cluster"])
      for (name, kind) in [("churn", "Managed"), ("fraud", "K8S")] {
        let shown = try await world.get("onlineEndpoints/\(name)")
        #expect(shown["kind"]?.string == kind)
        #expect(shown["id"] != nil && shown["properties"]?["properties"]?["azureml.onlineendpointid"] == shown["id"])
        // It is the server's to say: another one that is sent is not kept, nor is it a change that is refused.
        let sent: Document = ["properties": ["properties": ["azureml.onlineendpointid": "mine"]]]
        let answer = try await world.send(.patch, "onlineEndpoints/\(name)", sent)
        #expect(answer.body?["properties"]?["properties"]?["azureml.onlineendpointid"] == shown["id"])
      }
    }
  }

  @Test func `without public network access the addresses are those inside`() async throws {
    try await withWorld { world in
      try await world.addEndpoint("churn", ["publicNetworkAccess": "Disabled"])
      try await world.addEndpoint("open")
      func uris(_ endpoint: String, inside: String?) async throws -> [Document?] {
        let request = ControlRequest(
          method: .get, path: ["onlineEndpoints", endpoint], principal: world.owner, baseAddress: "https://apus.test",
          scoringAddress: "https://score.test", privateScoringAddress: inside)
        let properties = try await world.plane.handle(request).body?["properties"]
        return [properties?["scoringUri"], properties?["swaggerUri"]]
      }
      let own = try await uris("churn", inside: "https://inside.test")
      #expect(own == ["https://inside.test/endpoints/churn/score", "https://inside.test/endpoints/churn/swagger.json"])
      #expect(try await uris("open", inside: "https://inside.test")[0] == "https://score.test/endpoints/open/score")
      #expect(try await uris("churn", inside: nil)[0] == "https://score.test/endpoints/churn/score", "there is no other")
    }
  }

  /// Whoever writes last has the say at the doors too: an update that was written before a deletion and is told to the
  /// doors after it must not bring the endpoint back.
  @Test func `writers who race with deletions leave at the doors what the catalogue says`() async throws {
    try await withWorld { world in
      for _ in 0..<100 {
        await withTaskGroup(of: Void.self) { group in
          for method in [.put, .put, .delete, .put, .delete, .delete, .put] as [ControlRequest.Method] {
            group.addTask { _ = await world.refusal(method, "onlineEndpoints/churn", method == .put ? ["tags": [:]] : nil) }
          }
        }
        await world.plane.settle()
        let isThere = await world.refusal(.get, "onlineEndpoints/churn") == nil
        let refusal = #expect(throws: InferenceError.self) { try world.answer("churn") }
        #expect(refusal?.message.contains("has no deployment with traffic") == isThere, "\(refusal?.message ?? "")")
      }
    }
  }

  @Test func `what GET shows can be sent back, again and again`() async throws {
    try await withWorld { world in
      try await world.addChurn()
      for round in 0..<3 {
        var endpoint = try await world.get("onlineEndpoints/churn").object ?? [:]
        endpoint["tags"] = ["round": .string("\(round)")]
        #expect(try await world.send(.put, "onlineEndpoints/churn", .object(endpoint)).status == 200)
        let deployment = try await world.get("onlineEndpoints/churn/deployments/blue")
        let response = try await world.send(.put, "onlineEndpoints/churn/deployments/blue", deployment)
        #expect(try await world.ended(response)["status"] == "Succeeded")
        for asset in ["models/adder/versions/1"] {
          let shown = try await world.get(asset)
          #expect(try await world.send(.put, asset, shown).status == 200)
        }
      }
      #expect(try await world.traffic() == ["blue": 100])
      #expect(try await world.get("onlineEndpoints/churn")["tags"] == ["round": "2"])
    }
  }

  @Test func `PATCH changes what it names and keeps the rest`() async throws {
    try await withWorld { world in
      try await world.addEndpoint("churn", ["description": "old", "properties": ["a": "1"]])
      let response = try await world.send(.patch, "onlineEndpoints/churn", ["tags": ["x": "y"], "properties": ["properties": ["b": "2"]]])
      #expect(response.status == 200)
      let properties = try #require(response.body?["properties"])
      #expect(properties["description"] == "old")
      #expect(properties["properties"]?["a"] == "1" && properties["properties"]?["b"] == "2")
      #expect(await world.refusal(.patch, "onlineEndpoints/nobody", ["tags": [:]])?.code == .notFound)
    }
  }

  @Test func `every wrong field of a body is named, with what was expected`() async throws {
    try await withWorld { world in
      let body: Document = [
        "properties": [
          "authMode": "magic", "traffic": ["blue": "x"], "descripton": "a", "publicNetworkAccess": "maybe",
        ]
      ]
      let error = try #require(await world.refusal(.put, "onlineEndpoints/churn", body))
      #expect(error.code == .badArgument && error.details.count == 4)
      for (field, expected) in [
        ("authMode", "Key"), ("traffic", "blue"), ("descripton", "description"), ("publicNetworkAccess", "Enabled"),
      ] {
        #expect(error.details.contains { $0.contains(field) && $0.contains(expected) }, "\(field): \(error.details)")
      }
      #expect(await world.refusal(.put, "onlineEndpoints/churn")?.message == "the body is empty: expected a JSON object")
      #expect(await world.refusal(.put, "onlineEndpoints/churn", [1, 2])?.code == .badArgument)
      #expect(await world.refusal(.get, "onlineEndpoints/churn")?.code == .notFound, "nothing of it was kept")
    }
  }

  @Test(arguments: [
    "ab", String(repeating: "a", count: 33), "1churn", "churn-", "ch_urn", "chürn", "..", "a/b",
  ])
  func `a name that is too short, too long or no name is refused`(_ name: String) async throws {
    try await withWorld { world in
      let error = try #require(await world.refusal(.put, "onlineEndpoints/\(name)", ["properties": [:]]))
      #expect([.badArgument, .notFound, .methodNotAllowed].contains(error.code), "\(error)")
      #expect(!error.message.isEmpty)
      #expect(try await world.get("onlineEndpoints")["value"] == [])
    }
  }

  @Test func `a name of 3 and one of 32 characters are taken`() async throws {
    try await withWorld { world in
      try await world.addEndpoint("abc")
      try await world.addEndpoint(String(repeating: "a", count: 32))
      let error = await world.refusal(.put, "onlineEndpoints/\(String(repeating: "a", count: 33))", ["properties": [:]])
      #expect(error?.message.contains("3 to 32 characters, got 33") == true)
    }
  }

  @Test func `of two updates that saw the same endpoint one wins, and the other is told`() async throws {
    try await withWorld { world in
      try await world.addEndpoint()
      let etag = try #require(try await world.send(.get, "onlineEndpoints/churn").etag)
      async let one = world.refusal(.patch, "onlineEndpoints/churn", ["tags": ["by": "one"]], ifMatch: "\"\(etag)\"")
      async let two = world.refusal(.patch, "onlineEndpoints/churn", ["tags": ["by": "two"]], ifMatch: etag)
      let refusals = await [one, two].compactMap { $0 }
      #expect(refusals.count == 1 && refusals[0].code == .preconditionFailed)
      #expect(refusals[0].message.contains("Read it again") && refusals[0].message.contains(etag))
    }
  }

  @Test func `If-None-Match makes a create that never replaces, and If-Match a change that never makes`() async throws {
    try await withWorld { world in
      #expect(await world.refusal(.put, "onlineEndpoints/churn", ["properties": [:]], ifMatch: "*")?.code == .preconditionFailed)
      let created = try await world.send(.put, "onlineEndpoints/churn", ["properties": [:]], ifNoneMatch: "*")
      #expect(created.status == 201)
      #expect(await world.refusal(.put, "onlineEndpoints/churn", ["properties": [:]], ifNoneMatch: "*")?.code == .alreadyExists)
      #expect(await world.refusal(.delete, "onlineEndpoints/churn", ifMatch: "1")?.code == .preconditionFailed)
    }
  }

  @Test func `the last endpoint that there is room for is the last`() async throws {
    var options = CatalogueWorld.Options()
    options.plane.maxEndpoints = 2
    try await withWorld(options) { world in
      try await world.addEndpoint("one")
      try await world.addEndpoint("two")
      let error = try #require(await world.refusal(.put, "onlineEndpoints/three", ["properties": [:]]))
      #expect(error.code == .outOfQuota && error.message == "there are 2 endpoints; the limit of this server is 2")
      #expect(try await world.send(.put, "onlineEndpoints/two", ["properties": [:]]).status == 200)
    }
  }

  @Test func `lists come in pages`() async throws {
    try await withWorld { world in
      for name in ["aaa", "bbb", "ccc"] { try await world.addEndpoint(name) }
      let first = try await world.get("onlineEndpoints", query: ["count": "2"])
      #expect(first["value"]?.array?.map { $0["name"] } == ["aaa", "bbb"] && first["nextSkip"] == 2)
      let rest = try await world.get("onlineEndpoints", query: ["count": "2", "skip": "2"])
      #expect(rest["value"]?.array?.map { $0["name"] } == ["ccc"] && rest["nextSkip"] == nil)
      #expect(try await world.get("onlineEndpoints", query: ["skip": "9"])["value"] == [])
      let error = await world.refusal(.get, "onlineEndpoints", query: ["count": "0"])
      #expect(error?.message == "count is '0': expected a whole number from 1 to 1000")
      #expect(await world.refusal(.get, "onlineEndpoints", query: ["skip": "-1"])?.code == .badArgument)
    }
  }

  @Test func `paths and methods that mean nothing are refused by name`() async throws {
    try await withWorld { world in
      try await world.addEndpoint()
      for path in ["", "onlineEndpoint", "onlineEndpoints/churn/x/y/z/w", "onlineEndpoints//x", "models/a/b", "jobs", "operations"] {
        #expect(await world.refusal(.get, path)?.code == .notFound, "\(path)")
      }
      #expect(await world.refusal(.post, "onlineEndpoints/churn/dance")?.message == "an endpoint has nothing called 'dance'")
      #expect(await world.refusal(.get, "operations/0")?.code == .notFound)
      let wrong: [(ControlRequest.Method, String)] = [
        (.post, "onlineEndpoints"), (.post, "onlineEndpoints/churn"), (.get, "onlineEndpoints/churn/listKeys"), (.put, "models"),
        (.delete, "operations/1"), (.put, "auditLog"), (.patch, "onlineEndpoints/churn/rollout"), (.post, "models/a/versions/1"),
        (.post, "environments/a/versions/1"), (.patch, "uploads"), (.delete, "models/a/versions/1/files"), (.put, "computes"),
      ]
      for (method, path) in wrong {
        let error = await world.refusal(method, path)
        #expect(error?.code == .methodNotAllowed && error?.message.contains("expected") == true, "\(method) \(path): \(error.debugDescription)")
      }
      #expect(try await world.send(.get, "ONLINEENDPOINTS/churn").status == 200, "collections are found in any case")
    }
  }
}
