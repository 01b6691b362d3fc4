import CatalogueTesting
import Control
import Documents
import Testing

/// What is taken and has no effect here is said to who sends it, in the answer and with the operation.
@Suite(.serialized) struct WarningTests {
  private func warnings(_ world: CatalogueWorld, of response: ControlResponse) async throws -> [String] {
    try await world.ended(response)["properties"]?["warnings"]?.array?.compactMap(\.string) ?? []
  }

  @Test func `an endpoint with keys that have no effect is made, with a warning for each`() async throws {
    try await withWorld { world in
      let body: Document = ["identity": ["type": "SystemAssigned"], "properties": ["compute": "azureml:cluster"]]
      let made = try await world.send(.put, "onlineEndpoints/churn", body)
      #expect(made.status == 201 && made.warnings.count == 2)
      #expect(made.warnings.contains { $0.hasPrefix("identity: has no effect: there are no cloud identities here") })
      #expect(made.warnings.contains { $0.hasPrefix("properties.compute: has no effect") })
      #expect(try await warnings(world, of: made) == made.warnings)
      // A change warns of what it brings, not of what is there.
      let patched = try await world.send(.patch, "onlineEndpoints/churn", ["tags": ["a": "b"]])
      #expect(patched.warnings == [])
      let operation = try await world.ended(patched)
      #expect(operation["status"] == "Succeeded" && operation["properties"] == nil)
    }
  }

  @Test func `a deployment warns of what it is created with, and then of what a change adds`() async throws {
    try await withWorld { world in
      try await world.addModel()
      try await world.addEndpoint()
      let place = "onlineEndpoints/churn/deployments/blue"
      let body = CatalogueWorld.deployment(["environmentVariables": ["A": "b"]])
      let made = try await world.send(.put, place, body)
      #expect(made.warnings.count == 1)
      #expect(made.warnings.first?.hasPrefix("properties.environmentVariables: has no effect") == true)
      #expect(try await warnings(world, of: made) == made.warnings)
      let patched = try await world.send(.patch, place, ["properties": ["startupProbe": ["initialDelay": "PT1S"]]])
      #expect(patched.warnings.count == 1)
      #expect(patched.warnings.first?.hasPrefix("properties.startupProbe: has no effect") == true)
      #expect(try await warnings(world, of: patched) == patched.warnings)
      let again = try await world.send(.patch, place, ["properties": ["description": "more"]])
      #expect(again.warnings == [])
      try await world.ended(again)
    }
  }

  @Test func `an environment says that its image is not pulled`() async throws {
    try await withWorld { world in
      let made = try await world.send(.put, "environments/env/versions/1", ["properties": ["image": "registry/base:1"]])
      #expect(made.warnings.count == 1 && made.warnings.first?.hasPrefix("properties.image: has no effect") == true)
      try await world.addModel()
      #expect(try await world.send(.get, "models/adder/versions/1").warnings == [])
    }
  }
}
