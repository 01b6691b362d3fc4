import CatalogueTesting
import Control
import Documents
import Testing
import Threads

/// Lists of endpoints and deployments, narrowed and ordered as Azure's are.
@Suite(.serialized) struct ListTests {
  private func expect(
    _ world: CatalogueWorld, _ query: [String: String], _ names: [String], of place: String = "onlineEndpoints"
  ) async throws {
    let found = try await world.get(place, query: query)["value"]?.array?.compactMap { $0["name"]?.string }
    #expect(found == names, "\(query)")
  }

  /// Three endpoints, made one second after the other.
  private func withThree(_ body: (CatalogueWorld) async throws -> Void) async throws {
    try await withWorld { world in
      let three: [(String, Document)] = [
        ("churn", ["tags": ["team": "risk", "live": ""], "properties": ["properties": ["owner": "ada"]]]),
        ("fraud", ["tags": ["team": "risk,fraud"], "properties": ["compute": "azureml:cluster"]]),
        ("adverts", ["tags": ["team": "sales"], "properties": [:]]),
      ]
      for (name, endpoint) in three {
        #expect(try await world.send(.put, "onlineEndpoints/\(name)", endpoint).status == 201)
        world.time.withLock { $0 += 1000 }
      }
      try await body(world)
    }
  }

  @Test func `a list is narrowed by tags, properties and computeType`() async throws {
    try await withThree { world in
      try await expect(world, ["tags": "team"], ["adverts", "churn", "fraud"])
      try await expect(world, ["tags": "team=risk"], ["churn"])
      try await expect(world, ["tags": "team,live"], ["churn"])
      try await expect(world, ["tags": "live="], ["churn"])
      try await expect(world, ["tags": "team=sales,live"], [])
      try await expect(world, ["properties": "owner=ada"], ["churn"])
      try await expect(world, ["properties": "owner=eve"], [])
      try await expect(world, ["computeType": "Kubernetes"], ["fraud"])
      try await expect(world, ["computeType": "managed"], ["adverts", "churn"])
      try await expect(world, ["computeType": "AzureMLCompute"], [])
      try await expect(world, ["name": "fraud", "api-version": "2024-04-01"], ["fraud"])
    }
  }

  @Test func `a list is ordered by when its elements were made or changed`() async throws {
    try await withThree { world in
      try await expect(world, [:], ["adverts", "churn", "fraud"])
      try await expect(world, ["orderBy": "CreatedAtAsc"], ["churn", "fraud", "adverts"])
      try await expect(world, ["orderBy": "CreatedAtDesc"], ["adverts", "fraud", "churn"])
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["tags": ["live": "yes"]])
      try await expect(world, ["orderBy": "UpdatedAtDesc"], ["churn", "adverts", "fraud"])
      try await expect(world, ["$orderBy": "updatedatasc"], ["fraud", "adverts", "churn"])
    }
  }

  @Test func `deployments are narrowed and ordered in the same way`() async throws {
    try await withWorld { world in
      try await world.addModel()
      try await world.addEndpoint()
      for name in ["green", "blue"] {
        let body = CatalogueWorld.deployment().merging(["tags": ["is": .string(name)]])
        try await world.ended(try await world.send(.put, "onlineEndpoints/churn/deployments/\(name)", body))
        world.time.withLock { $0 += 1000 }
      }
      let place = "onlineEndpoints/churn/deployments"
      try await expect(world, [:], ["blue", "green"], of: place)
      try await expect(world, ["orderBy": "CreatedAtAsc"], ["green", "blue"], of: place)
      try await expect(world, ["tags": "is=blue"], ["blue"], of: place)
      try await expect(world, ["computeType": "Kubernetes"], [], of: place)
      #expect(await world.refusal(.get, place, query: ["filter": "x"])?.code == .badArgument)
    }
  }

  @Test func `what a list does not know is refused by name, with what it knows`() async throws {
    try await withThree { world in
      let list = "onlineEndpoints"
      let unknown = await world.refusal(.get, list, query: ["tag": "team"])
      #expect(unknown?.code == .badArgument)
      #expect(
        unknown?.message
          == "parameter 'tag' is unknown: expected one of name, count, skip, tags, properties, computeType, orderBy. Did you mean 'tags'?")
      let order = await world.refusal(.get, list, query: ["orderBy": "Name"])
      #expect(
        order?.message == "orderBy is 'Name': expected one of 'CreatedAtAsc', 'CreatedAtDesc', 'UpdatedAtAsc', 'UpdatedAtDesc'")
      #expect(await world.refusal(.get, list, query: ["computeType": "GPU"])?.message.hasPrefix("computeType is 'GPU'") == true)
      #expect(await world.refusal(.get, list, query: ["tags": "=risk"])?.message.hasPrefix("tags is '=risk'") == true)
      #expect(await world.refusal(.get, list, query: ["tags": "team,,live"])?.code == .badArgument)
    }
  }

  /// From page to page as a client of Azure's goes, by the address alone.
  @Test func `a page that is not the last one has the address of the next`() async throws {
    try await withThree { world in
      let first = try await world.get("onlineEndpoints", query: ["$skip": "0", "count": "1", "tags": "team", "api-version": "2024-04-01"])
      #expect(
        first["nextLink"]?.string
          == (
            "https://apus.test/subscriptions/apus/resourceGroups/apus/providers/Microsoft.MachineLearningServices/workspaces/default/"
              + "onlineEndpoints?api-version=2024-04-01&count=1&skip=1&tags=team"))
      let odd = try await world.get("onlineEndpoints", query: ["count": "1", "tags": "team,team"])
      #expect(odd["nextLink"]?.string?.hasSuffix("?count=1&skip=1&tags=team%2Cteam") == true)
      let last = try await world.get("onlineEndpoints", query: ["count": "1", "skip": "2"])
      #expect(last["nextLink"] == nil && last["value"]?.array?.count == 1)
    }
  }
}
