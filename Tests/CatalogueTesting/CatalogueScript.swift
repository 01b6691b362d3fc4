internal import Artifacts
package import Control
package import CrashTesting
package import Documents
internal import Inference
internal import Stores

/// Changes of a catalogue, drawn by lot: of two endpoints with two deployments each, five versions of a model of which
/// version n adds n, principals, keys, traffic and rollouts.
package enum CatalogueScript {
  package struct Step: Sendable {
    package var method: ControlRequest.Method
    package var path: String
    package var body: Document?
    /// Of a version of the model, whose files are uploaded first.
    package var version: Int?

    /// Places that begin with this are the step's to change.
    package var scope: String {
      let parts = path.split(separator: "/")
      return parts.prefix(2).joined(separator: "/")
    }
  }

  /// The next change. It may turn out to be refused.
  package static func step(using random: inout SplitMix) -> Step {
    let endpoint = "onlineEndpoints/" + ["alpha", "beta"].randomElement(using: &random)!
    let name = ["blue", "green"].randomElement(using: &random)!
    let deployment = "\(endpoint)/deployments/\(name)"
    let version = Int.random(in: 1...5, using: &random)
    switch Int.random(in: 0..<20, using: &random) {
    case 0, 1: return Step(method: .put, path: "models/adder/versions/\(version)", version: version)
    case 2, 3: return Step(method: .put, path: endpoint, body: ["tags": ["n": .string("\(version)")], "properties": [:]])
    case 4, 5, 6, 7, 8:
      return Step(method: .put, path: deployment, body: CatalogueWorld.deployment(model: "azureml:adder:\(version)"))
    case 9: return Step(method: .patch, path: deployment, body: ["sku": ["capacity": .int(1 + version % 3)]])
    case 10, 11, 12:
      let traffic: [Document] = [["blue": 100, "green": 0], ["blue": 0, "green": 100], ["blue": 30, "green": 70], ["blue": 0, "green": 0]]
      return Step(method: .patch, path: endpoint, body: ["properties": ["traffic": traffic.randomElement(using: &random)!]])
    case 13: return Step(method: .post, path: endpoint + "/regenerateKeys", body: ["keyType": "Primary"])
    case 14: return Step(method: .delete, path: deployment)
    case 15: return version == 1 ? Step(method: .delete, path: endpoint) : Step(method: .delete, path: "models/adder/versions/\(version)")
    case 16: return Step(method: .put, path: "principals/p\(version)")
    case 17: return Step(method: .delete, path: "principals/p\(version)")
    case 18: return Step(method: .put, path: endpoint + "/rollout", body: ["properties": ["deployment": .string(name), "steps": [20, 100]]])
    default: return Step(method: .post, path: endpoint + "/rollout/" + (version > 2 ? "promote" : "abort"))
    }
  }

  /// Does a step as a client would.
  ///
  /// - Returns: What it was refused with; nil: it was acknowledged.
  package static func take(_ step: Step, in world: CatalogueWorld) async throws -> ControlError? {
    var body = step.body
    if let version = step.version {
      let fixture = TreeFixture(["1/model.script": CatalogueWorld.script(add: version)])
      let digest = try await onOwnThread { [artifacts = world.artifacts] in try fixture.upload(to: artifacts, owner: "local:ada") }
      body = ["properties": ["modelUri": .string("artifact:\(digest.hex)"), "modelType": "custom_model"]]
    }
    return await world.refusal(step.method, step.path, body)
  }

  /// All that a client can see, by place.
  package static func state(of world: CatalogueWorld) async throws -> [String: String] {
    var state: [String: String] = [:]
    for endpoint in try await list("onlineEndpoints", world) {
      let place = "onlineEndpoints/\(endpoint)"
      state[place] = try await world.get(place).json()
      state[place + "/keys"] = try await world.send(.post, place + "/listKeys").body?.json()
      if let rollout = try? await world.get(place + "/rollout") {
        state[place + "/rollout"] = rollout["properties"]?["state"]?.json()
      }
      for deployment in try await list(place + "/deployments", world) {
        var document = try await world.get("\(place)/deployments/\(deployment)").object ?? [:]
        var properties = document["properties"]?.object ?? [:]
        properties["instances"] = nil
        document["properties"] = .object(properties)
        state["\(place)/deployments/\(deployment)"] = Document.object(document).json()
      }
    }
    if let versions = try? await world.get("models/adder/versions")["value"]?.array {
      for version in versions {
        let name = version["id"]?.string?.split(separator: "/").last ?? ""
        state["models/adder/versions/\(name)"] = version.json()
      }
    }
    for principal in try await list("principals", world) { state["principals/\(principal)"] = try await world.get("principals/\(principal)").json() }
    return state
  }

  private static func list(_ place: String, _ world: CatalogueWorld) async throws -> [String] {
    try await world.get(place)["value"]?.array?.compactMap { $0["name"]?.string } ?? []
  }

  /// What is wrong with a catalogue in which nothing goes on: operations that have not ended, deployments that are not
  /// what they say, endpoints that answer otherwise than their traffic says.
  package static func flaws(of world: CatalogueWorld) async throws -> [String] {
    var flaws: [String] = []
    for operation in try await world.store.read({ try $0.allRecords("operation") }) where operation.body.contains("InProgress") {
      flaws.append("operation \(operation.name): \(operation.body)")
    }
    for endpoint in try await list("onlineEndpoints", world) {
      let place = "onlineEndpoints/\(endpoint)"
      let key = try await world.send(.post, place + "/listKeys").body?["primaryKey"]?.string
      var expected: [String: Float] = [:]
      for deployment in try await list(place + "/deployments", world) {
        let properties = try await world.get("\(place)/deployments/\(deployment)")["properties"]
        let version = properties?["model"]?.string?.split { ":/".contains($0) }.last.flatMap { Float($0) }
        expected[deployment] = version
        let found = try? world.answer(endpoint, deployment, key: key)
        if properties?["provisioningState"] != "Succeeded" || found != version {
          flaws.append("\(endpoint)/\(deployment) answers \(String(describing: found)): \(properties?.json() ?? "")")
        }
      }
      let traffic = try await world.traffic(of: endpoint)
      if !traffic.isEmpty {
        let possible = Set(traffic.keys.map { expected[$0] ?? -1 })
        for _ in 0..<10 {
          let found = (try? world.answer(endpoint, key: key)) ?? -2
          if !possible.contains(found) { flaws.append("\(endpoint) with \(traffic) answers \(found)") }
        }
      }
    }
    return flaws
  }
}
