package import Inference

/// A named set of actions that can be assigned: those that a pattern of `actions` matches and none of `notActions`.
package struct RoleDefinition: Hashable, Sendable {
  /// Limits of a custom role, inclusive.
  package static let maxPatterns = 256
  package static let maxNameBytes = 128

  package let name: String
  package let actions: [ActionPattern]
  package let notActions: [ActionPattern]

  /// - Throws: `.invalidArgument` if the name is empty or too long, there is no action or too many, or one is no pattern.
  package init(name: String, actions: [String], notActions: [String] = []) throws(InferenceError) {
    guard (1...RoleDefinition.maxNameBytes).contains(name.utf8.count), name.unicodeScalars.allSatisfy({ $0.value >= 0x20 })
    else {
      throw .invalidArgument("roleName: expected 1 to \(RoleDefinition.maxNameBytes) bytes of text, got \(name.utf8.count)")
    }
    guard !actions.isEmpty, actions.count + notActions.count <= RoleDefinition.maxPatterns else {
      throw .invalidArgument(
        "actions: expected 1 to \(RoleDefinition.maxPatterns) in all, got \(actions.count + notActions.count)")
    }
    self.name = name
    self.actions = try actions.map { text throws(InferenceError) in try ActionPattern(parsing: text) }
    self.notActions = try notActions.map { text throws(InferenceError) in try ActionPattern(parsing: text) }
  }

  package func allows(_ action: Action) -> Bool {
    actions.contains { $0.matches(action) } && !notActions.contains { $0.matches(action) }
  }

  /// Patterns that stand for nothing this server does: worth a warning, for it may be a slip of the pen. Roles taken over
  /// from Azure have many.
  package var patternsWithoutEffect: [ActionPattern] {
    (actions + notActions).filter { pattern in !Action.all.contains { pattern.matches($0) } }
  }
}

// MARK: - Built-in roles

extension RoleDefinition {
  /// Everything, and who may do it.
  package static let owner = RoleDefinition(builtIn: "Owner", ["*"])

  /// Everything but who may do it. Local principals' secrets are logins, so they count as that.
  package static let contributor = RoleDefinition(
    builtIn: "Contributor", ["*"],
    not: ["Microsoft.Authorization/*/write", "Microsoft.Authorization/*/delete", "principals/write", "principals/delete"])

  /// Look, but neither at keys nor tokens: those are actions, not reads.
  package static let reader = RoleDefinition(builtIn: "Reader", ["*/read"])

  /// Everything inside the workspace: all endpoints, deployments, models and environments; not the workspace itself, its
  /// computes or its principals.
  package static let dataScientist = RoleDefinition(
    builtIn: "AzureML Data Scientist", ["read", "*/read", "*/action", "*/delete", "*/write"].map { "\(Action.prefix)\($0)" },
    not: [
      "delete", "write", "computes/*/write", "computes/*/delete", "computes/listKeys/action", "principals/write",
      "principals/delete", "auditLog/read",
    ])

  /// Score, and nothing else: for applications.
  package static let endpointScorer = RoleDefinition(builtIn: "Endpoint Scorer", ["onlineEndpoints/score/action"])

  /// Run endpoints: deployments, traffic, logs, keys, models and environments; all but delete an endpoint, whose name
  /// clients rely on.
  package static let endpointOperator = RoleDefinition(
    builtIn: "Endpoint Operator",
    [
      "read", "onlineEndpoints/*", "batchEndpoints/*", "models/*", "environments/*", "uploads/*", "operations/read",
    ], not: ["onlineEndpoints/delete", "batchEndpoints/delete"])

  package static let builtIn: [RoleDefinition] = [
    owner, contributor, reader, dataScientist, endpointScorer, endpointOperator,
  ]

  private init(builtIn name: String, _ actions: [String], not notActions: [String] = []) {
    do throws(InferenceError) {
      try self.init(name: name, actions: actions, notActions: notActions)
    } catch {
      preconditionFailure("Built-in role '\(name)': \(error.message). This is a bug.")
    }
  }
}
