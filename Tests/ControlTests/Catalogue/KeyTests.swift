import Access
import CatalogueTesting
import Control
import Documents
import Inference
import Serving
import Stores
import Testing

@Suite(.serialized) struct EndpointKeyTests {
  private func withClosed(_ mode: String = "Key", _ body: (CatalogueWorld) async throws -> Void) async throws {
    var options = CatalogueWorld.Options()
    options.isOpen = false
    try await withWorld(options) { world in
      try await world.addModel()
      try await world.addEndpoint("churn", ["authMode": .string(mode)])
      try await world.addDeployment("blue")
      try await world.setTraffic(["blue": 100])
      try await body(world)
    }
  }

  private func keys(_ world: CatalogueWorld) async throws -> (primary: String, secondary: String) {
    let body = try await world.send(.post, "onlineEndpoints/churn/listKeys").body
    return (body?["primaryKey"]?.string ?? "", body?["secondaryKey"]?.string ?? "")
  }

  @Test func `either key opens the endpoint; one is replaced while the other goes on`() async throws {
    try await withClosed { world in
      let old = try await keys(world)
      #expect(old.primary.utf8.count >= 32 && old.primary != old.secondary)
      #expect(try world.answer(key: old.primary) == 1 && world.answer(key: old.secondary) == 1)
      let replaced = try await world.send(.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Primary"])
      #expect(replaced.status == 202)
      #expect(try await world.ended(replaced)["status"] == "Succeeded")
      let new = try await keys(world)
      #expect(new.primary != old.primary && new.secondary == old.secondary)
      #expect(try world.answer(key: new.primary) == 1 && world.answer(key: old.secondary) == 1)
      #expect { try world.answer(key: old.primary) } throws: { ($0 as? InferenceError)?.code == .unauthenticated }
      #expect { try world.answer() } throws: { ($0 as? InferenceError)?.code == .unauthenticated }
    }
  }

  /// The door has the old key in its cache.
  @Test func `a door that knows a key forgets it when it is rotated away`() async throws {
    try await withClosed { world in
      let old = try await keys(world)
      let door = world.door()
      func ask(_ key: String) throws {
        let request = try CatalogueWorld.zeros("churn")
        try CatalogueWorld.submit(request, to: door, key: key)
        _ = try CatalogueWorld.take(request, from: door)
      }
      for _ in 0..<3 { try ask(old.secondary) }
      let value = "my-own-secondary-key-of-forty-characters"
      _ = try await world.send(.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Secondary", "keyValue": .string(value)])
      #expect { try ask(old.secondary) } throws: { ($0 as? InferenceError)?.code == .unauthenticated }
      try ask(value)
      try ask(old.primary)
    }
  }

  @Test func `what is asked of keys wrongly is refused by name`() async throws {
    try await withClosed { world in
      let place = "onlineEndpoints/churn/regenerateKeys"
      #expect(await world.refusal(.post, place, [:])?.message.contains("keyType is missing") == true)
      #expect(await world.refusal(.post, place, ["keyType": "Third"])?.message.contains("Third") == true)
      #expect(await world.refusal(.post, place, ["keyType": "Primary", "keyValue": 3])?.message == "keyValue is 3: expected a string")
      #expect(await world.refusal(.post, place, ["keyType": "Primary", "keyValue": "short"])?.code == .badArgument)
      #expect(await world.refusal(.post, "onlineEndpoints/nobody/listKeys")?.code == .notFound)
      #expect(await world.refusal(.post, "onlineEndpoints/churn/token")?.code == .conflict)
    }
    try await withClosed("AMLToken") { world in
      for action in ["listKeys", "regenerateKeys"] {
        let error = await world.refusal(.post, "onlineEndpoints/churn/\(action)", ["keyType": "Primary"])
        #expect(error?.code == .conflict && error?.message.contains("only one with 'key' has keys") == true)
      }
      let token = try await world.send(.post, "onlineEndpoints/churn/token")
      #expect(token.body?["accessToken"]?.string?.hasPrefix("local:ada/churn/") == true)
      #expect(token.body?["expiryTimeUtc"] == 2 && token.body?["refreshAfterTimeUtc"] == 1 && token.body?["tokenType"] == "Bearer")
    }
  }

  @Test func `a server that asks nobody for a credential says so where it is asked for one`() async throws {
    try await withWorld { world in
      try await world.addEndpoint()
      try await world.addEndpoint("fraud", ["authMode": "AMLToken"])
      for (place, what) in [("churn/listKeys", "keys"), ("churn/regenerateKeys", "keys"), ("fraud/token", "tokens")] {
        let error = await world.refusal(.post, "onlineEndpoints/\(place)", ["keyType": "Primary"])
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("has no \(what): this server asks nobody for a credential") == true, "\(error.debugDescription)")
      }
    }
  }

  @Test func `keys given with an endpoint are its keys, and one that is not given stays`() async throws {
    try await withClosed { world in
      let before = try await keys(world)
      let given = "a-key-that-the-caller-has-chosen-himself"
      let answer = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["keys": ["primaryKey": .string(given)]]])
      #expect(answer.body?["properties"]?["keys"] == nil, "keys are never shown with the endpoint")
      let after = try await keys(world)
      #expect(after.primary == given && after.secondary == before.secondary)
      #expect(try world.answer(key: given) == 1)
    }
  }

  @Test func `another auth_mode voids what opened the endpoint, and going back brings its keys back`() async throws {
    try await withClosed { world in
      let old = try await keys(world)
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["authMode": "AADToken"]])
      #expect { try world.answer(key: old.primary) } throws: { ($0 as? InferenceError)?.code == .unauthenticated }
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["authMode": "Key"]])
      #expect(try world.answer(key: old.primary) == 1)
    }
  }

  @Test func `the store holds no key in the clear, nor does any answer but listKeys, nor the audit log`() async throws {
    try await withClosed { world in
      let old = try await keys(world)
      _ = try await world.send(.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Primary"])
      let new = try await keys(world)
      let bodies = try await world.store.read { store in
        try ["onlineEndpoint", "operation", "onlineDeployment"].flatMap { try store.allRecords(.init($0)).map(\.body) }
          + store.newestEntries("audit", limit: 1000).map(\.body)
      }
      let shown = try await world.get("onlineEndpoints/churn").json() + world.get("auditLog").json() + bodies.joined()
      for key in [old.primary, old.secondary, new.primary] { #expect(!shown.contains(key)) }
    }
  }
}
