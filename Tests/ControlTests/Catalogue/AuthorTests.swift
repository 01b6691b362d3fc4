import Access
import CatalogueTesting
import Control
import Documents
import Testing

/// `systemData` says who made a resource and who changed it last.
@Suite(.serialized) struct AuthorTests {
  private func authors(_ world: CatalogueWorld, _ place: String) async throws -> [String?] {
    let shown = try await world.get(place)["systemData"]
    return ["createdBy", "createdByType", "lastModifiedBy", "lastModifiedByType"].map { shown?[$0]?.string }
  }

  @Test func `who asked for a resource and who changed it are shown with it`() async throws {
    var options = CatalogueWorld.Options()
    options.plane.trustsEveryone = true
    try await withWorld(options) { world in
      try await world.addChurn()
      _ = try await world.send(.put, "environments/env/versions/1", ["properties": ["image": "registry/base:1"]])
      let eve = Principal(try PrincipalID(.local, "eve"), kind: .servicePrincipal)
      for place in [
        "onlineEndpoints/churn", "onlineEndpoints/churn/deployments/blue", "models/adder/versions/1", "environments/env/versions/1",
      ] {
        #expect(try await authors(world, place) == ["local:ada", "User", "local:ada", "User"], "\(place)")
        let body: Document = place.hasPrefix("online") ? ["tags": ["a": "b"]] : ["properties": ["tags": ["a": "b"]]]
        let answer = try await world.send(.patch, place, body, as: eve)
        #expect(answer.body?["systemData"]?["lastModifiedBy"] == "local:eve", "\(place)")
        await world.plane.settle()
        #expect(try await authors(world, place) == ["local:ada", "User", "local:eve", "Application"], "\(place)")
      }
    }
  }

  @Test func `who regenerates a key has changed the endpoint`() async throws {
    var options = CatalogueWorld.Options()
    options.plane.trustsEveryone = true
    options.isOpen = false
    try await withWorld(options) { world in
      try await world.addEndpoint()
      let eve = Principal(try PrincipalID(.local, "eve"), kind: .user)
      _ = try await world.send(.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Primary"], as: eve)
      #expect(try await authors(world, "onlineEndpoints/churn") == ["local:ada", "User", "local:eve", "User"])
    }
  }
}
