import Access
import Inference
import Testing

private let alice = Principal(try! PrincipalID(.local, "alice"), kind: .user)

/// Which of the actions a role allows, without the prefix.
private func allowed(_ role: RoleDefinition) -> Set<String> {
  Set(
    Action.all.filter(role.allows).map {
      $0.description.hasPrefix(Action.prefix) ? String($0.description.dropFirst(Action.prefix.count)) : $0.description
    })
}

@Test func `an action may be written with or without the provider, in any case`() throws {
  let action = try Action(parsing: "onlineEndpoints/score/action")
  #expect(action == .score)
  #expect(try Action(parsing: "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action") == .score)
  #expect(try ActionPattern(parsing: "ONLINEENDPOINTS/Score/action").matches(.score))
}

@Test(arguments: ["", "/", "onlineEndpoints//read", "onlineEndpoints/read ", "onlineEndpoints/*", "a\nb", String(repeating: "a", count: 300)])
func `what is not an action's name is refused`(text: String) {
  #expect(throws: InferenceError.self) { try Action(parsing: text) }
}

@Test func `a wildcard stands for any run of characters`() throws {
  let table: [(String, Action, Bool)] = [
    ("*", .score, true), ("*", .writeRoleAssignment, true), ("*/read", .readOnlineDeployment, true),
    ("*/read", .readRoleAssignment, true), ("*/read", .listKeys, false), ("onlineEndpoints/*", .score, true),
    ("onlineEndpoints/*/action", .score, true), ("onlineEndpoints/*/write", .writeOnlineEndpoint, false),
    ("onlineEndpoints/*", .readModel, false), ("*/onlineEndpoints/*/*", .score, true),
    ("online*/s*e/a*n", .score, true), ("onlineEndpoints/score/actio", .score, false),
    ("Microsoft.MachineLearningServices/*", .score, true), ("Microsoft.Authorization/*", .score, false),
    ("Microsoft.MachineLearningServices/workspaces/*/write", .writeRoleAssignment, false),
  ]
  for (pattern, action, expected) in table {
    #expect(try ActionPattern(parsing: pattern).matches(action) == expected, "\(pattern) against \(action)")
  }
}

/// Against the plainest matcher there is, on every pattern and name of a small alphabet.
@Test func `wildcards match as a plain recursive matcher says`() throws {
  func plain(_ pattern: Substring, _ name: Substring) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == "*" { return plain(pattern.dropFirst(), name) || (!name.isEmpty && plain(pattern, name.dropFirst())) }
    return first == name.first && plain(pattern.dropFirst(), name.dropFirst())
  }
  func words(_ alphabet: [String], _ length: Int) -> [String] {
    length == 0 ? [""] : words(alphabet, length - 1).flatMap { word in alphabet.map { word + $0 } }
  }
  let patterns = (1...5).flatMap { words(["a", "b", "*"], $0) }
  let names = (1...4).flatMap { words(["a", "b"], $0) }
  for pattern in patterns {
    let compiled = try ActionPattern(parsing: "microsoft.x/" + pattern)
    for name in names {
      let action = try Action(parsing: "microsoft.x/" + name)
      #expect(compiled.matches(action) == plain(pattern[...], name[...]), "\(pattern) against \(name)")
    }
  }
}

@Test func `built-in roles allow what their names promise`() {
  #expect(allowed(.owner).count == Action.all.count)
  #expect(allowed(.endpointScorer) == ["onlineEndpoints/score/action"])
  #expect(allowed(.reader).allSatisfy { $0.hasSuffix("read") } && allowed(.reader).contains("onlineEndpoints/read"))
  let rights = [
    "Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write",
    "Microsoft.Authorization/roleAssignments/delete", "principals/write", "principals/delete",
  ]
  // Nobody but the owner can give himself more than he has.
  for role in RoleDefinition.builtIn where role != .owner { #expect(allowed(role).isDisjoint(with: rights)) }
  #expect(allowed(.contributor).isSuperset(of: ["write", "onlineEndpoints/write", "models/versions/write"]))
  #expect(allowed(.dataScientist).isSuperset(of: ["read", "onlineEndpoints/write", "onlineEndpoints/listKeys/action"]))
  #expect(!allowed(.dataScientist).contains("write"))
  #expect(allowed(.endpointOperator).isSuperset(of: ["onlineEndpoints/deployments/delete", "onlineEndpoints/write"]))
  #expect(!allowed(.endpointOperator).contains("onlineEndpoints/delete"))
}

@Test func `nothing is allowed without an assignment`() throws {
  let authorizer = try Authorizer([])
  for action in Action.all { #expect(!authorizer.decide(alice, action, at: .workspace).isAllowed) }
  #expect(
    authorizer.decide(alice, .score, at: .endpoint("churn"))
      == .forbidden(
        reason:
          "local:alice has no role at endpoint/churn that allows Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action"
      ))
}

@Test func `a role holds at its scope and below, not beside or above`() throws {
  let atEndpoint = RoleAssignment(.principal(alice.id), role: "Endpoint Scorer", scope: .endpoint("churn"))
  let one = try Authorizer([atEndpoint])
  #expect(one.decide(alice, .score, at: .endpoint("churn")) == .allowed(by: atEndpoint))
  #expect(!one.decide(alice, .score, at: .endpoint("other")).isAllowed)
  #expect(!one.decide(alice, .score, at: .workspace).isAllowed)
  #expect(one.reaches(alice, .endpoint("churn")) && !one.reaches(alice, .endpoint("other")))
  let all = try Authorizer([RoleAssignment(.principal(alice.id), role: "endpoint scorer", scope: .workspace)])
  #expect(all.decide(alice, .score, at: .endpoint("other")).isAllowed)
}

@Test func `members of a group have its roles, and nobody has another's by the same name`() throws {
  let team = try PrincipalID(.issuer("corp"), "team")
  let authorizer = try Authorizer([
    RoleAssignment(.group(team), role: "Reader", scope: .workspace),
    RoleAssignment(.principal(alice.id), role: "Owner", scope: .workspace),
  ])
  let member = Principal(try PrincipalID(.issuer("corp"), "bob"), kind: .user, groups: [team])
  #expect(authorizer.decide(member, .readModel, at: .workspace).isAllowed)
  #expect(!authorizer.decide(member, .writeModel, at: .workspace).isAllowed)
  // A principal called as the group is, the group of another issuer, and another issuer's alice.
  let strangers = [
    Principal(team, kind: .user),
    Principal(member.id, kind: .user, groups: [try PrincipalID(.issuer("other"), "team")]),
    Principal(try PrincipalID(.issuer("corp"), "alice"), kind: .user),
    Principal(try PrincipalID(.certificate, "alice"), kind: .servicePrincipal),
  ]
  for stranger in strangers { #expect(!authorizer.decide(stranger, .readModel, at: .workspace).isAllowed) }
}

@Test func `a custom role allows its actions less its exceptions, and says which have no effect`() throws {
  let role = try RoleDefinition(
    name: "Deployer", actions: ["onlineEndpoints/*", "computes/read"], notActions: ["onlineEndpoints/listKeys/action"])
  #expect(role.patternsWithoutEffect.map(\.description) == ["Microsoft.MachineLearningServices/workspaces/computes/read"])
  let authorizer = try Authorizer(
    [RoleAssignment(.principal(alice.id), role: "deployer", scope: .workspace)], customRoles: [role])
  #expect(authorizer.decide(alice, .score, at: .workspace).isAllowed)
  #expect(!authorizer.decide(alice, .listKeys, at: .workspace).isAllowed)
}

@Test func `an unknown role and a second one of the same name are errors`() throws {
  let error = #expect(throws: InferenceError.self) {
    try Authorizer([RoleAssignment(.principal(alice.id), role: "King", scope: .workspace)])
  }
  #expect(error?.code == .notFound && error?.message.contains("'Owner'") == true)
  #expect(throws: InferenceError.alreadyExists("roleName: there is a role 'OWNER' already")) {
    try Authorizer([], customRoles: [try RoleDefinition(name: "OWNER", actions: ["*"])])
  }
}

@Test func `scopes and principals are read as they are printed`() throws {
  for text in ["workspace", "endpoint/churn"] { #expect(try AccessScope(parsing: text).description == text) }
  for text in ["", "endpoint/", "endpoint/a/b", "Workspace"] {
    #expect(throws: InferenceError.self) { try AccessScope(parsing: text) }
  }
  let principals = ["local:alice", "oidc:corp:a:b", "certificate:spiffe://example/x", "oidc:corp:ünïcode"]
  for text in principals { #expect(try PrincipalID(parsing: text).description == text) }
  for text in ["", "alice", "local:", "oidc:corp", "oidc:Corp:x", "oidc::x", "local:a\nb", "ldap:x"] {
    #expect(throws: InferenceError.self, "\(text)") { try PrincipalID(parsing: text) }
  }
}
