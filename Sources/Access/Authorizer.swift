package import Inference

/// Where an assignment holds, or an action takes place.
package enum AccessScope: Hashable, Sendable, CustomStringConvertible {
  case workspace
  /// One online endpoint and all in it.
  case endpoint(String)

  /// Reads `workspace` or `endpoint/<name>`.
  ///
  /// - Throws: `.invalidArgument`, naming both forms.
  package init(parsing text: String) throws(InferenceError) {
    if text == "workspace" {
      self = .workspace
    } else if text.hasPrefix("endpoint/"), text.utf8.count > 9, !text.dropFirst(9).contains("/") {
      self = .endpoint(String(text.dropFirst(9)))
    } else {
      throw .invalidArgument("scope: expected 'workspace' or 'endpoint/<name>', got '\(text.prefix(128))'")
    }
  }

  package var description: String {
    switch self {
    case .workspace: "workspace"
    case .endpoint(let name): "endpoint/\(name)"
    }
  }
}

/// A role, given to a principal or to the members of a group, at a scope.
package struct RoleAssignment: Hashable, Sendable {
  package enum Assignee: Hashable, Sendable, CustomStringConvertible {
    case principal(PrincipalID)
    case group(PrincipalID)

    package var description: String {
      switch self {
      case .principal(let id): "principal \(id)"
      case .group(let id): "group \(id)"
      }
    }
  }

  package var assignee: Assignee
  /// A role's name; case doesn't matter.
  package var role: String
  package var scope: AccessScope

  package init(_ assignee: Assignee, role: String, scope: AccessScope) {
    self.assignee = assignee
    self.role = role
    self.scope = scope
  }
}

/// Whether a principal may do something, and by which assignment or why not: for the operator's log, not for the caller.
package enum AuthorizationDecision: Hashable, Sendable {
  case allowed(by: RoleAssignment)
  case forbidden(reason: String)

  package var isAllowed: Bool {
    if case .allowed = self { true } else { false }
  }
}

/// Who may do what and where: roles and their assignments, as they were at one moment. Immutable.
///
/// What no assignment allows is forbidden; there are no assignments that deny.
package struct Authorizer: Sendable {
  private struct Grant: Sendable {
    var assignment: RoleAssignment
    var role: RoleDefinition
  }

  private let grants: [RoleAssignment.Assignee: [Grant]]

  /// - Parameter customRoles: Beside the built-in ones.
  /// - Throws: `.alreadyExists` if a custom role has the name of another; `.notFound` for an assignment of a role that
  ///   isn't there.
  package init(_ assignments: [RoleAssignment], customRoles: [RoleDefinition] = []) throws(InferenceError) {
    var roles: [String: RoleDefinition] = [:]
    for role in RoleDefinition.builtIn + customRoles {
      guard roles.updateValue(role, forKey: role.name.lowercased()) == nil else {
        throw .alreadyExists("roleName: there is a role '\(role.name)' already")
      }
    }
    var grants: [RoleAssignment.Assignee: [Grant]] = [:]
    for assignment in assignments {
      guard let role = roles[assignment.role.lowercased()] else {
        let names = roles.values.map { "'\($0.name)'" }.sorted().joined(separator: ", ")
        throw .notFound("role: expected one of \(names), got '\(assignment.role.prefix(128))'")
      }
      grants[assignment.assignee, default: []].append(Grant(assignment: assignment, role: role))
    }
    self.grants = grants
  }

  /// Whether `principal` may do `action` at `scope`. What is assigned at the workspace holds at its endpoints too.
  package func decide(_ principal: Principal, _ action: Action, at scope: AccessScope) -> AuthorizationDecision {
    if let assignment = allowing(.principal(principal.id), action, at: scope) { return .allowed(by: assignment) }
    for group in principal.groups {
      if let assignment = allowing(.group(group), action, at: scope) { return .allowed(by: assignment) }
    }
    return .forbidden(reason: "\(principal.id) has no role at \(scope) that allows \(action)")
  }

  /// Whether the principal may do anything at all at the scope: else it should not learn what is there.
  package func reaches(_ principal: Principal, _ scope: AccessScope) -> Bool {
    let assignees = [.principal(principal.id)] + principal.groups.map { RoleAssignment.Assignee.group($0) }
    return assignees.contains { assignee in
      (grants[assignee] ?? []).contains { Authorizer.holds($0.assignment.scope, at: scope) }
    }
  }

  private func allowing(
    _ assignee: RoleAssignment.Assignee, _ action: Action, at scope: AccessScope
  ) -> RoleAssignment? {
    (grants[assignee] ?? []).first { Authorizer.holds($0.assignment.scope, at: scope) && $0.role.allows(action) }?
      .assignment
  }

  private static func holds(_ assigned: AccessScope, at scope: AccessScope) -> Bool {
    assigned == .workspace || assigned == scope
  }
}
