package import Access
internal import Documents
internal import FoundationEssentials
package import Inference
internal import Resources
internal import Stores
internal import Threads

/// What the control plane knows of keys, principals and roles.
///
/// Secrets that must be shown again, the endpoints' keys, are sealed under the master key; those that only have to be
/// recognised, the principals', are kept as digests.
package final class Security: Sendable {
  private struct State {
    var authorizer: Authorizer
    /// The revision of the catalogue that the roles were read at: part of every endpoint's access generation.
    var rolesRevision: Int64
  }

  package let keys: MasterKeys
  private let state: Locked<State>

  /// Whether endpoints ask nobody for a credential: on a private server.
  private let isOpen: Bool

  package init(keys: MasterKeys, isOpen: Bool = false) throws(InferenceError) {
    self.keys = keys
    self.isOpen = isOpen
    state = Locked(State(authorizer: try Authorizer([]), rolesRevision: 0))
  }

  // MARK: - Roles

  package func decide(_ principal: Principal, _ action: Action, endpoint: String?) -> AuthorizationDecision {
    state.withLock { $0.authorizer }.decide(principal, action, at: endpoint.map(AccessScope.endpoint) ?? .workspace)
  }

  package func reaches(_ principal: Principal, endpoint: String) -> Bool {
    state.withLock { $0.authorizer }.reaches(principal, .endpoint(endpoint))
  }

  /// Reads roles and assignments anew. What doors remember of tokens is void from the next snapshot on.
  internal func reload(from store: any CatalogReader) throws {
    let assignments = try store.allRecords(RoleRecords.assignment).map { try RoleRecords.assignment(stored: $0) }
    let roles = try store.allRecords(RoleRecords.definition).map { try RoleRecords.definition(stored: $0) }
    let authorizer = try Authorizer(assignments, customRoles: roles)
    let revision = try store.latestRevision()
    state.withLock { $0 = State(authorizer: authorizer, rolesRevision: revision) }
  }

  // MARK: - Endpoints' keys

  internal func sealedKeys(of endpoint: String, primary: String?, secondary: String?) throws -> String {
    var generator = SystemRandomNumberGenerator()
    do throws(InferenceError) {
      return try Access.EndpointKeys(primary: primary, secondary: secondary, using: &generator)
        .sealed(for: endpoint, under: keys)
    } catch { throw ControlError(.badArgument, error.message) }
  }

  internal func endpointKeys(of record: EndpointRecord) throws(ControlError) -> Access.EndpointKeys {
    guard let sealed = record.sealedKeys else {
      throw ControlError(.conflict, "endpoint '\(record.endpoint.name)' has no keys: its auth_mode is not 'key'")
    }
    do throws(InferenceError) {
      return try Access.EndpointKeys(sealed: sealed, for: record.endpoint.name, under: keys)
    } catch { throw ControlError(.internalError, error.message) }
  }

  /// What the doors ask of an endpoint's callers. An endpoint whose keys can't be opened lets nobody in.
  internal func access(of record: EndpointRecord) -> EndpointAccess {
    let number = CallerNumber.of("endpoint/\(record.endpoint.name)")
    let roles = state.withLock { $0.rolesRevision }
    let generation = record.accessStamp &+ UInt64(roles)
    if isOpen { return .open(endpoint: number, generation: generation) }
    switch record.endpoint.authMode {
    case .amlToken: return .amlToken(endpoint: number, generation: generation, epoch: record.accessStamp)
    case .aadToken: return .aadToken(endpoint: number, generation: generation)
    case .key:
      guard let keys = try? endpointKeys(of: record) else { return .noEndpoint(generation: generation) }
      return .keys(keys, endpoint: number, generation: generation)
    }
  }
}

/// Roles, assignments, principals and their secrets, as the store keeps them.
internal enum RoleRecords {
  static let assignment: RecordKind = "roleAssignment"
  static let definition: RecordKind = "roleDefinition"
  static let principal: RecordKind = "principal"
  static let secret: RecordKind = "principalSecret"

  static func assignment(stored record: CatalogRecord) throws -> RoleAssignment {
    let body = try Document(json: record.body)
    guard let kind = body["assigneeKind"]?.string, let assignee = body["assignee"]?.string,
      let role = body["role"]?.string, let scope = body["scope"]?.string
    else { throw ControlError(.internalError, "role assignment '\(record.name)' can't be read from the store") }
    let id = try PrincipalID(parsing: assignee)
    return RoleAssignment(kind == "Group" ? .group(id) : .principal(id), role: role, scope: try AccessScope(parsing: scope))
  }

  static func stored(_ assignment: RoleAssignment) -> Document {
    let (kind, id) =
      switch assignment.assignee {
      case .principal(let id): ("Principal", id)
      case .group(let id): ("Group", id)
      }
    return [
      "assigneeKind": .string(kind), "assignee": .string(id.description), "role": .string(assignment.role),
      "scope": .string(assignment.scope.description),
    ]
  }

  static func definition(stored record: CatalogRecord) throws -> RoleDefinition {
    let body = try Document(json: record.body)
    return try RoleDefinition(
      name: record.name, actions: body["actions"]?.array?.compactMap(\.string) ?? [],
      notActions: body["notActions"]?.array?.compactMap(\.string) ?? [])
  }

  static func secret(stored record: CatalogRecord) throws -> PrincipalSecret {
    try JSONDecoder().decode(PrincipalSecret.self, from: Data(record.body.utf8))
  }

  static func stored(_ secret: PrincipalSecret) throws -> String {
    String(decoding: try JSONEncoder().encode(secret), as: UTF8.self)
  }
}

extension Security {
  /// Roles and assignments as they are now.
  internal var rolesGeneration: UInt64 { UInt64(state.withLock { $0.rolesRevision }) + 1 }

  package var currentAuthorizer: Authorizer { state.withLock { $0.authorizer } }
}
