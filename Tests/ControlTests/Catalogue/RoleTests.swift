import Access
import CatalogueTesting
import Control
import Documents
import Inference
import Serving
import Stores
import Testing
import Threads

@Suite(.serialized) struct RoleTests {
  /// What is asked, and the action that a role must hold for it.
  private static let matrix: [(ControlRequest.Method, String, Document?, String)] = [
    (.get, "onlineEndpoints", nil, "onlineEndpoints/read"),
    (.get, "onlineEndpoints/churn", nil, "onlineEndpoints/read"),
    (.put, "onlineEndpoints/churn", ["properties": [:]], "onlineEndpoints/write"),
    (.patch, "onlineEndpoints/churn", ["tags": [:]], "onlineEndpoints/write"),
    (.delete, "onlineEndpoints/nobody", nil, "onlineEndpoints/delete"),
    (.post, "onlineEndpoints/churn/listKeys", nil, "onlineEndpoints/listKeys/action"),
    (.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Primary"], "onlineEndpoints/regenerateKeys/action"),
    (.post, "onlineEndpoints/tokens/token", nil, "onlineEndpoints/token/action"),
    (.get, "onlineEndpoints/churn/deployments", nil, "onlineEndpoints/deployments/read"),
    (.get, "onlineEndpoints/churn/deployments/blue", nil, "onlineEndpoints/deployments/read"),
    (.put, "onlineEndpoints/churn/deployments/blue", CatalogueWorld.deployment(), "onlineEndpoints/deployments/write"),
    (.patch, "onlineEndpoints/churn/deployments/blue", ["tags": [:]], "onlineEndpoints/deployments/write"),
    (.delete, "onlineEndpoints/churn/deployments/nobody", nil, "onlineEndpoints/deployments/delete"),
    (.post, "onlineEndpoints/churn/deployments/blue/getLogs", nil, "onlineEndpoints/deployments/getLogs/action"),
    (.get, "onlineEndpoints/churn/deployments/blue/skus", nil, "onlineEndpoints/deployments/read"),
    (.delete, "onlineEndpoints/churn/deployments/blue/autoscale", nil, "onlineEndpoints/deployments/write"),
    (.delete, "onlineEndpoints/churn/mirrorReport", nil, "onlineEndpoints/write"),
    (.get, "models", nil, "models/versions/read"),
    (.get, "models/adder/versions", nil, "models/versions/read"),
    (.get, "models/adder/versions/1", nil, "models/versions/read"),
    (.get, "models/adder/versions/1/files", nil, "models/versions/read"),
    (.patch, "models/adder/versions/1", ["properties": ["description": "d"]], "models/versions/write"),
    (.delete, "models/adder/versions/9", nil, "models/versions/delete"),
    (.get, "environments", nil, "environments/versions/read"),
    (.put, "environments/env/versions/1", ["properties": ["image": "a"]], "environments/versions/write"),
    (.delete, "environments/env/versions/9", nil, "environments/versions/delete"),
    (.get, "uploads", nil, "uploads/read"),
    (.get, "auditLog", nil, "auditLog/read"),
    (.get, "computes", nil, "Microsoft.MachineLearningServices/workspaces/read"),
    (.get, "principals", nil, "principals/read"),
    (.put, "principals/bob", nil, "principals/write"),
    (.delete, "principals/bob", nil, "principals/delete"),
    (.get, "roleAssignments", nil, "Microsoft.Authorization/roleAssignments/read"),
    (
      .put, "roleAssignments/x", ["properties": ["principalId": "local:ada", "role": "Reader"]],
      "Microsoft.Authorization/roleAssignments/write"
    ),
    (.delete, "roleAssignments/x", nil, "Microsoft.Authorization/roleAssignments/delete"),
    (.get, "roleDefinitions", nil, "Microsoft.Authorization/roleDefinitions/read"),
    (.put, "roleDefinitions/Spare", ["properties": ["permissions": [["actions": ["*/read"]]]]], "Microsoft.Authorization/roleDefinitions/write"),
    (.delete, "roleDefinitions/Spare", nil, "Microsoft.Authorization/roleDefinitions/delete"),
  ]

  private func withBob(_ body: (CatalogueWorld, Principal) async throws -> Void) async throws {
    var options = CatalogueWorld.Options()
    options.isOpen = false
    try await withWorld(options) { world in
      try await world.addChurn()
      try await world.addEndpoint("tokens", ["authMode": "AMLToken"])
      _ = try await world.send(.put, "principals/eve")
      try await body(world, Principal(try PrincipalID(.local, "eve"), kind: .servicePrincipal))
    }
  }

  @Test func `every action is refused without a role, and allowed by the one that is documented for it`() async throws {
    try await withBob { world, eve in
      for (method, path, body, action) in Self.matrix {
        #expect(await world.refusal(method, path, body, anonymously: true)?.code == .unauthenticated, "\(method) \(path)")
        let refused = await world.refusal(method, path, body, as: eve)
        #expect(refused?.code == .forbidden, "\(method) \(path): \(refused.debugDescription)")
        #expect(refused?.message.contains("local:eve") == true && refused?.message.contains(action) == true, "\(refused.debugDescription)")

        // Everything but the one action is not enough either.
        let role: Document = ["properties": ["permissions": [["actions": ["*"], "notActions": [.string(action)]]]]]
        _ = try await world.send(.put, "roleDefinitions/Nearly", role)
        _ = try await world.send(.put, "roleAssignments/eve", ["properties": ["principalId": "local:eve", "role": "Nearly"]])
        #expect(await world.refusal(method, path, body, as: eve)?.code == .forbidden, "\(method) \(path)")
        _ = try await world.send(.put, "roleDefinitions/Just", ["properties": ["permissions": [["actions": [.string(action)]]]]])
        _ = try await world.send(.put, "roleAssignments/eve", ["properties": ["principalId": "local:eve", "role": "Just"]])
        let allowed = await world.refusal(method, path, body, as: eve)
        #expect(allowed == nil, "\(method) \(path): \(allowed.debugDescription)")
        _ = try await world.send(.delete, "roleAssignments/eve")
        await world.plane.settle()
      }
    }
  }

  @Test func `a role at one endpoint reaches that one, and nothing else`() async throws {
    try await withBob { world, eve in
      _ = try await world.send(
        .put, "roleAssignments/eve",
        ["properties": ["principalId": "local:eve", "role": "Endpoint Operator", "scope": "endpoint/churn"]])
      let update = try await world.send(.patch, "onlineEndpoints/churn/deployments/blue", ["tags": ["a": "b"]], as: eve)
      await world.plane.settle()
      #expect(try await world.send(.get, "operations/\(update.operation ?? "")", as: eve).body?["status"] == "Succeeded")
      for path in ["onlineEndpoints/tokens", "onlineEndpoints/nobody", "models", "auditLog", "operations/1"] {
        #expect(await world.refusal(.get, path, as: eve)?.code == .forbidden, "\(path)")
      }
      let listed = try await world.send(.get, "onlineEndpoints", as: eve).body?["value"]?.array
      #expect(listed?.map { $0["name"] } == ["churn"], "of churn and tokens")
      // A new endpoint of the old name is none of hers.
      try await world.ended(try await world.send(.delete, "onlineEndpoints/churn"))
      try await world.addEndpoint()
      for path in ["onlineEndpoints/churn", "onlineEndpoints"] {
        #expect(await world.refusal(.get, path, as: eve)?.code == .forbidden, "\(path)")
      }
    }
  }

  @Test func `a role opens an endpoint's door at once, and its end closes it`() async throws {
    try await withBob { world, _ in
      _ = try await world.send(.patch, "onlineEndpoints/churn", ["properties": ["authMode": "AADToken"]])
      let secret = try #require(try await world.send(.post, "principals/eve/rotateSecret").body?["secret"]?.string)
      func verdict() async throws -> CredentialVerdict.Outcome? {
        let door = world.door()
        let need = try #require(
          Array("churn".utf8).withUnsafeBytes { name in
            Array("Bearer \(secret)".utf8).withUnsafeBytes { door.verificationNeed(name, authorization: $0) }
          })
        return await world.plane.verdict(onSecret: need.credential, endpoint: need.endpoint, access: need.access)?.outcome
      }
      #expect(try await verdict() == .refused(.forbidden))
      _ = try await world.send(.put, "roleAssignments/eve", ["properties": ["principalId": "local:eve", "role": "Endpoint Scorer"]])
      guard case .allowed = try await verdict() else { return #expect(Bool(false), "she may score") }
      _ = try await world.send(.delete, "roleAssignments/eve")
      #expect(try await verdict() == .refused(.forbidden))
    }
  }

  @Test func `the last owner stays, by whichever way one tries`() async throws {
    try await withBob { world, eve in
      _ = try await world.send(.put, "roleDefinitions/Deleter", ["properties": ["permissions": [["actions": ["principals/delete"]]]]])
      _ = try await world.send(.put, "roleAssignments/eve", ["properties": ["principalId": "local:eve", "role": "Deleter"]])
      let ways: [(ControlRequest.Method, String, Document?, Principal?)] = [
        (.delete, "roleAssignments/first-administrator", nil, nil),
        (.put, "roleAssignments/first-administrator", ["properties": ["principalId": "local:ada", "role": "Reader"]], nil),
        (.put, "roleAssignments/first-administrator", ["properties": ["principalId": "local:ada", "role": "Owner", "scope": "endpoint/churn"]], nil),
        (.delete, "principals/ada", nil, eve), (.delete, "principals/ada", nil, nil),
      ]
      for (method, path, body, principal) in ways {
        #expect(await world.refusal(method, path, body, as: principal)?.code == .conflict, "\(method) \(path)")
      }
      #expect(await world.refusal(.get, "auditLog") == nil)
      // With another owner they are changes like any other.
      _ = try await world.send(.put, "roleAssignments/second", ["properties": ["principalId": "local:eve", "role": "Owner"]])
      #expect(try await world.send(.delete, "roleAssignments/first-administrator", as: eve).status == 200)
      #expect(await world.refusal(.get, "auditLog")?.code == .forbidden)
    }
  }

  @Test func `what is wrong with principals, roles and assignments is named`() async throws {
    try await withBob { world, _ in
      #expect(await world.refusal(.put, "principals/eve")?.code == .alreadyExists)
      #expect(await world.refusal(.put, "principals/new", ["properties": ["principalType": "Robot"]])?.message.contains("'Robot'") == true)
      #expect(await world.refusal(.get, "principals/new")?.code == .notFound)
      #expect(await world.refusal(.put, "principals/a\u{7}b")?.code == .badArgument)
      func assign(_ properties: Document) async -> ControlError? {
        await world.refusal(.put, "roleAssignments/x", ["properties": properties])
      }
      #expect(await assign(["role": "Reader"])?.message == "properties.principalId is missing: expected a string")
      #expect(await assign(["principalId": "local:eve", "role": "Rider"])?.code == .badArgument)
      #expect(await assign(["principalId": "eve", "role": "Reader"])?.code == .badArgument)
      #expect(await assign(["principalId": "local:nobody", "role": "Reader"])?.code == .notFound)
      #expect(await assign(["principalId": "local:eve", "role": "Reader", "scope": "endpoint/nobody"])?.code == .notFound)
      #expect(await assign(["principalId": "local:eve", "role": "Reader", "scope": "planet"])?.code == .badArgument)
      #expect(await assign(["principalId": "local:eve", "role": "Reader", "principalType": "Robot"])?.code == .badArgument)
      #expect(await world.refusal(.put, "roleDefinitions/owner", ["properties": ["permissions": []]])?.code == .conflict)
      #expect(await world.refusal(.put, "roleDefinitions/Mine", ["properties": ["permissions": [["actions": "*"]]]])?.message.contains("actions is") == true)
      _ = try await world.send(.put, "roleDefinitions/Mine", ["properties": ["permissions": [["actions": ["models/*"]]]]])
      _ = try await world.send(.put, "roleAssignments/x", ["properties": ["principalId": "local:eve", "role": "Mine"]])
      #expect(await world.refusal(.delete, "roleDefinitions/Mine")?.message.contains("'x'") == true)
      #expect(try await world.get("roleDefinitions")["value"]?.array?.contains { $0["name"] == "Mine" } == true)
      #expect(try await world.get("roleDefinitions/Owner")["properties"]?["type"] == "BuiltInRole")
    }
  }
}

@Suite(.serialized) struct SignInTests {
  @Test func `the first administrator's secret is good for one login, which gives the one to keep`() async throws {
    try await withWorld { world in
      let secret = world.firstSecret
      #expect(secret.hasPrefix("apus_once_"))
      await #expect { try await ControlPlane.addFirstAdministrator("eve", to: world.store, hours: 1, now: 0) } throws: {
        ($0 as? CatalogStoreError)?.code == .alreadyExists
      }
      #expect(try await world.plane.authenticate(authorization: "Bearer \(secret)") == nil, "it signs in, and is no token")
      let (principal, token) = try await world.plane.login(secret)
      #expect(principal == "local:ada" && token != secret)
      await #expect { try await world.plane.login(secret) } throws: { ($0 as? ControlError)?.code == .unauthenticated }
      #expect(try await world.plane.authenticate(authorization: "bearer \(token)")?.id == world.owner.id)
      #expect(try await world.plane.login(token).secret == token, "a lasting secret is its own token")
      for header in ["", token, "Basic \(token)", "Bearer ", "Bearer \(token)x", "Bearer \(token.dropLast())y", "Bearer " + String(repeating: "x", count: 20_000)] {
        #expect(try await world.plane.authenticate(authorization: header) == nil, "\(header.prefix(40))")
      }
      #expect(try await world.plane.authenticate(authorization: nil) == nil)
    }
  }

  @Test func `a one-time secret that was not used in its hours is void`() async throws {
    try await withWorld { world in
      let secret = world.firstSecret
      world.time.withLock { $0 += 24 * 3_600_000 }
      await #expect { try await world.plane.login(secret) } throws: { ($0 as? ControlError)?.code == .unauthenticated }
    }
  }

  @Test func `of two logins with one one-time secret one gets in`() async throws {
    try await withWorld { world in
      let secret = world.firstSecret
      async let one = try? world.plane.login(secret)
      async let two = try? world.plane.login(secret)
      let results = await [one, two].compactMap { $0 }
      #expect(results.count == 1)
    }
  }

  @Test func `a principal's secret is shown once, rotated by its owner or an administrator, and void when it is deleted`() async throws {
    try await withWorld { world in
      let made = try await world.send(.put, "principals/ci", ["properties": ["principalType": "ServicePrincipal"]])
      #expect(made.status == 201 && made.body?["principalId"] == "local:ci")
      let first = try #require(made.body?["secret"]?.string)
      #expect(try await world.get("principals/ci")["secret"] == nil)
      let ci = try #require(try await world.plane.authenticate(authorization: "Bearer \(first)"))
      #expect(ci.kind == .servicePrincipal)
      let rotated = try await world.send(.post, "principals/ci/rotateSecret", as: ci)
      let second = try #require(rotated.body?["secret"]?.string)
      #expect(try await world.plane.authenticate(authorization: "Bearer \(first)") == nil)
      #expect(try await world.plane.authenticate(authorization: "Bearer \(second)") == ci)
      #expect(await world.refusal(.post, "principals/ada/rotateSecret", as: ci)?.code == .forbidden)
      #expect(await world.refusal(.post, "principals/nobody/rotateSecret")?.code == .notFound)
      _ = try await world.send(.put, "roleAssignments/ci", ["properties": ["principalId": "local:ci", "role": "Reader"]])
      #expect(try await world.send(.delete, "principals/ci").status == 200)
      #expect(try await world.plane.authenticate(authorization: "Bearer \(second)") == nil)
      #expect(await world.refusal(.get, "roleAssignments/ci")?.code == .notFound)
      #expect(await world.refusal(.get, "models", as: ci)?.code == .forbidden)

      let shown = try await world.get("auditLog").json()
      let bodies = try await world.store.read { try $0.allRecords("principalSecret").map(\.body).joined() }
      for secret in [first, second] { #expect(!shown.contains(secret) && !bodies.contains(secret)) }
    }
  }

  @Test func `a private server takes everybody for its owner`() async throws {
    var options = CatalogueWorld.Options()
    options.plane.trustsEveryone = true
    try await withWorld(options) { world in
      let owner = try #require(try await world.plane.authenticate(authorization: nil))
      #expect(try await world.send(.put, "onlineEndpoints/churn", ["properties": [:]], as: owner).status == 201)
    }
  }

  @Test func `the audit log has a line for every accepted change, and none for one that was refused`() async throws {
    var options = CatalogueWorld.Options()
    options.isOpen = false
    try await withWorld(options) { world in
      var lines = try await world.audit()
      func added() async throws -> [String] {
        let now = try await world.audit()
        defer { lines = now }
        return Array(now.dropFirst(lines.count))
      }
      try await world.addModel()
      #expect(try await added().map { $0.hasPrefix("local:ada models/versions/write models/adder/versions/1 accepted created from ") } == [true])
      let changes: [(ControlRequest.Method, String, Document?, String)] = [
        (.patch, "models/adder/versions/1", ["properties": ["isArchived": true]], "models/versions/write models/adder/versions/1 accepted archived"),
        (.patch, "models/adder/versions/1", ["properties": ["isArchived": false]], "models/versions/write models/adder/versions/1 accepted updated"),
        (.put, "environments/env/versions/1", ["properties": ["image": "a"]], "environments/versions/write environments/env/versions/1 accepted created"),
        (.patch, "environments/env/versions/1", ["properties": ["description": "a"]], "environments/versions/write environments/env/versions/1 accepted updated"),
        (.delete, "environments/env/versions/1", nil, "environments/versions/delete environments/env/versions/1 accepted"),
        (.put, "onlineEndpoints/churn", ["properties": [:]], "onlineEndpoints/write onlineEndpoints/churn accepted created"),
        (.put, "onlineEndpoints/churn/deployments/blue", CatalogueWorld.deployment(), "onlineEndpoints/deployments/write onlineEndpoints/churn/deployments/blue accepted created"),
        (.patch, "onlineEndpoints/churn", ["properties": ["traffic": ["blue": 100]]], "onlineEndpoints/write onlineEndpoints/churn accepted traffic from '' to 'blue=100'"),
        (.post, "onlineEndpoints/churn/regenerateKeys", ["keyType": "Primary"], "onlineEndpoints/regenerateKeys/action onlineEndpoints/churn accepted primary key regenerated"),
        (.patch, "onlineEndpoints/churn", ["properties": ["keys": ["secondaryKey": "a-key-that-the-caller-has-chosen-himself"]]], "onlineEndpoints/write onlineEndpoints/churn accepted secondary key set"),
        (.put, "principals/ci", nil, "principals/write principals/ci accepted created"),
        (.post, "principals/ci/rotateSecret", nil, "principals/write principals/ci accepted secret rotated"),
        (.put, "roleDefinitions/Mine", ["properties": ["permissions": [["actions": ["models/*"]]]]], "roleDefinitions/write roleDefinitions/Mine accepted created"),
        (.put, "roleAssignments/ci", ["properties": ["principalId": "local:ci", "role": "Mine"]], "roleAssignments/write roleAssignments/ci accepted Mine for principal local:ci at workspace"),
        (.delete, "roleAssignments/ci", nil, "roleAssignments/delete roleAssignments/ci accepted"),
        (.delete, "roleDefinitions/Mine", nil, "roleDefinitions/delete roleDefinitions/Mine accepted"),
        (.delete, "principals/ci", nil, "principals/delete principals/ci accepted"),
        (.delete, "onlineEndpoints/churn", nil, "onlineEndpoints/delete onlineEndpoints/churn accepted"),
      ]
      for (method, path, body, line) in changes {
        let refused = await world.refusal(method, path, body)
        #expect(refused == nil, "\(method) \(path): \(refused.debugDescription)")
        await world.plane.settle()
        #expect(try await added() == ["local:ada \(line)"], "\(method) \(path)")
      }
      #expect(await world.refusal(.put, "onlineEndpoints/x", ["properties": [:]]) != nil)
      #expect(await world.refusal(.delete, "roleAssignments/first-administrator") != nil)
      #expect(await world.refusal(.put, "principals/ada") != nil)
      #expect(try await added() == [])
      #expect(await world.refusal(.get, "auditLog", query: ["count": "1001"])?.code == .badArgument)
      let newest = try await world.get("auditLog", query: ["count": "1"])["value"]?[0]
      #expect(newest?["action"] == "onlineEndpoints/delete" && newest?["time"]?.string?.hasPrefix("2023-11-14T") == true)
    }
  }
}
