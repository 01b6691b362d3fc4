package import Access
internal import Documents
internal import Inference
internal import Resources
package import Stores
internal import Telemetry

/// Who may do what: `principals`, `roleDefinitions`, `roleAssignments`, and logging in.
extension ControlPlane {
  internal func access(_ path: [String], _ request: ControlRequest) async throws -> ControlResponse {
    let name = path.count > 1 ? path[1] : nil
    switch path[0].lowercased() {
    case "principals":
      guard let name else { return try await principals(request) }
      if path.count == 3 {
        guard path[2].lowercased() == "rotatesecret" else {
          throw ControlError(.notFound, "a principal has nothing called '\(path[2])'")
        }
        return try await rotateSecret(of: name, request)
      }
      return try await principal(name, request)
    case "roledefinitions": return try await roleDefinitions(name, request)
    default: return try await roleAssignments(name, request)
    }
  }

  // MARK: - Principals

  private func principals(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readPrincipal, request)
    let records = try await store.read { try $0.allRecords(RoleRecords.principal) }
    let page = try Page(request, count: records.count)
    return ControlResponse(status: 200, body: page.answer(try records[page.range].map { try renderedPrincipal($0) }))
  }

  private func principal(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
    switch request.method {
    case .get:
      try require(.readPrincipal, request)
      let record = try await store.read { try $0.existingRecord(RoleRecords.principal, name) }
      return ControlResponse(status: 200, body: try renderedPrincipal(record), etag: "\(record.revision)")
    case .put:
      try require(.writePrincipal, request)
      let kind = request.body?["properties"]?["principalType"] ?? request.body?["kind"]
      guard kind == nil || kind?.string.flatMap(Principal.Kind.init(rawValue:)) != nil else {
        throw ControlError(
          .badArgument, "properties.principalType is \(kind?.quoted ?? ""): expected 'User' or 'ServicePrincipal'")
      }
      let id = try localID(name)
      let (record, secret) = try await store.write { [self] store in
        try checkRoom(for: RoleRecords.principal, in: store)
        let made = try ControlPlane.addPrincipal(
          id, kind: kind?.string.flatMap(Principal.Kind.init(rawValue:)) ?? .servicePrincipal, use: .many, expires: nil, in: store)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "principals/write", resource: "principals/\(name)",
            summary: "created"))
        return made
      }
      var body = try renderedPrincipal(record).object ?? [:]
      body["secret"] = .string(secret)  // Shown this once.
      return ControlResponse(status: 201, body: .object(body), etag: "\(record.revision)")
    case .delete:
      try require(.deletePrincipal, request)
      if request.principal?.id == (try localID(name)) {
        throw ControlError(.conflict, "'\(name)' is who you are signed in as: another administrator can delete it")
      }
      try await store.write { store in
        try store.delete(RoleRecords.principal, name, expectedRevision: nil)
        try ControlPlane.dropSecrets(of: name, in: store)
        let id = try PrincipalID(.local, name)
        for record in try store.allRecords(RoleRecords.assignment)
        where try RoleRecords.assignment(stored: record).assignee == .principal(id) {
          try store.delete(RoleRecords.assignment, record.name, expectedRevision: nil)
        }
        try ControlPlane.requireOwner(in: store)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "principals/delete", resource: "principals/\(name)"))
      }
      try await rolesChanged()
      return ControlResponse(status: 200)
    case .patch, .post:
      try allow(.get, .put, .delete, for: request)
      preconditionFailure("The method is not among those allowed. This is a bug.")
    }
  }

  private func rotateSecret(of name: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.post, for: request)
    let id = try localID(name)
    if request.principal?.id != id { try require(.writePrincipal, request) }
    let secret = try await store.write { store in
      _ = try store.existingRecord(RoleRecords.principal, name)
      try ControlPlane.dropSecrets(of: name, in: store)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "principals/write", resource: "principals/\(name)",
          summary: "secret rotated"))
      return try ControlPlane.addSecret(for: id, use: .many, expires: nil, in: store)
    }
    try await rolesChanged()  // What doors remember of the old secret is void.
    return ControlResponse(status: 200, body: ["name": .string(name), "secret": .string(secret)])
  }

  private func localID(_ name: String) throws(ControlError) -> PrincipalID {
    do throws(InferenceError) { return try PrincipalID(.local, name) } catch {
      throw ControlError(.badArgument, error.message)
    }
  }

  /// Adds a principal of this server.
  ///
  /// - Returns: Its record, and the secret that it signs in with: known to nobody but the caller from now on.
  private static func addPrincipal(
    _ id: PrincipalID, kind: Principal.Kind, use: PrincipalSecret.Use, expires: Int64?, in store: any CatalogWriter
  ) throws -> (CatalogRecord, String) {
    let body: Document = ["principalType": .string(kind.rawValue)]
    let record = try store.insert(RoleRecords.principal, id.name, body: body.json())
    return (record, try addSecret(for: id, use: use, expires: expires, in: store))
  }

  private static func addSecret(
    for id: PrincipalID, use: PrincipalSecret.Use, expires: Int64?, in store: any CatalogWriter
  ) throws -> String {
    var generator = SystemRandomNumberGenerator()
    let (secret, kept) = PrincipalSecret.make(for: id, use: use, expires: expires, using: &generator)
    try store.insert(RoleRecords.secret, kept.id, body: try RoleRecords.stored(kept))
    return secret
  }

  private static func dropSecrets(of name: String, in store: any CatalogWriter) throws {
    let id = try PrincipalID(.local, name)
    for record in try store.allRecords(RoleRecords.secret)
    where try RoleRecords.secret(stored: record).principal == id {
      try store.delete(RoleRecords.secret, record.name, expectedRevision: nil)
    }
  }

  private func renderedPrincipal(_ record: CatalogRecord) throws -> Document {
    let body = try Document(json: record.body)
    return [
      "id": .string(id("principals/\(record.name)")), "name": .string(record.name),
      "principalId": .string("local:\(record.name)"), "properties": body, "etag": .string("\(record.revision)"),
      "systemData": systemData(record.created, record.modified),
    ]
  }

  // MARK: - Roles

  private func roleDefinitions(_ name: String?, _ request: ControlRequest) async throws -> ControlResponse {
    guard let name else {
      try allow(.get, for: request)
      try require(.readRoleDefinition, request)
      let custom = try await store.read { try $0.allRecords(RoleRecords.definition).map(RoleRecords.definition(stored:)) }
      let values = RoleDefinition.builtIn.map { rendered($0, isBuiltIn: true) } + custom.map { rendered($0, isBuiltIn: false) }
      return ControlResponse(status: 200, body: ["value": .array(values)])
    }
    let isBuiltIn = RoleDefinition.builtIn.contains { $0.name.lowercased() == name.lowercased() }
    switch request.method {
    case .get:
      try require(.readRoleDefinition, request)
      if let role = RoleDefinition.builtIn.first(where: { $0.name.lowercased() == name.lowercased() }) {
        return ControlResponse(status: 200, body: rendered(role, isBuiltIn: true))
      }
      let record = try await store.read { try $0.existingRecord(RoleRecords.definition, name) }
      return ControlResponse(
        status: 200, body: rendered(try RoleRecords.definition(stored: record), isBuiltIn: false), etag: "\(record.revision)")
    case .put:
      try require(.writeRoleDefinition, request)
      guard !isBuiltIn else { throw ControlError(.conflict, "role '\(name)' is built in: expected another name") }
      let body = try requireBody(request)
      let permissions = body["properties"]?["permissions"]?[0] ?? body["properties"] ?? body
      func texts(_ field: String) throws(ControlError) -> [String] {
        guard let value = permissions[field] else { return [] }
        guard let array = value.array, array.allSatisfy({ $0.string != nil }) else {
          throw ControlError(.badArgument, "\(field) is \(value.quoted): expected a list of actions")
        }
        return array.compactMap(\.string)
      }
      let actions = try texts("actions") + texts("dataActions")
      let notActions = try texts("notActions") + texts("notDataActions")
      do throws(InferenceError) {
        _ = try RoleDefinition(name: name, actions: actions, notActions: notActions)
      } catch { throw ControlError(.badArgument, error.message) }
      let stored: Document = [
        "actions": .array(actions.map(Document.string)), "notActions": .array(notActions.map(Document.string)),
      ]
      let (record, isNew) = try await store.write { [self] store in
        let existing = try store.record(RoleRecords.definition, name)
        try ControlPlane.check(request, revision: existing?.revision, "role '\(name)'")
        if existing == nil { try checkRoom(for: RoleRecords.definition, in: store) }
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "roleDefinitions/write",
            resource: "roleDefinitions/\(name)", summary: existing == nil ? "created" : "updated"))
        return (try store.put(RoleRecords.definition, name, body: stored.json()), existing == nil)
      }
      try await rolesChanged()
      return ControlResponse(
        status: isNew ? 201 : 200, body: rendered(try RoleRecords.definition(stored: record), isBuiltIn: false),
        etag: "\(record.revision)")
    case .delete:
      try require(.deleteRoleDefinition, request)
      try await store.write { store in
        let user = try store.allRecords(RoleRecords.assignment).first {
          try RoleRecords.assignment(stored: $0).role.lowercased() == name.lowercased()
        }
        if let user { throw ControlError(.conflict, "role '\(name)' is assigned by '\(user.name)': delete that first") }
        try store.delete(RoleRecords.definition, name, expectedRevision: nil)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "roleDefinitions/delete",
            resource: "roleDefinitions/\(name)"))
      }
      try await rolesChanged()
      return ControlResponse(status: 200)
    case .patch, .post:
      try allow(.get, .put, .delete, for: request)
      preconditionFailure("The method is not among those allowed. This is a bug.")
    }
  }

  private func rendered(_ role: RoleDefinition, isBuiltIn: Bool) -> Document {
    [
      "id": .string(id("roleDefinitions/\(role.name)")), "name": .string(role.name),
      "properties": [
        "roleName": .string(role.name), "type": isBuiltIn ? "BuiltInRole" : "CustomRole",
        "permissions": [
          [
            "actions": .array(role.actions.map { .string($0.description) }),
            "notActions": .array(role.notActions.map { .string($0.description) }),
          ]
        ],
      ],
    ]
  }

  private func roleAssignments(_ name: String?, _ request: ControlRequest) async throws -> ControlResponse {
    guard let name else {
      try allow(.get, for: request)
      try require(.readRoleAssignment, request)
      let records = try await store.read { try $0.allRecords(RoleRecords.assignment) }
      let page = try Page(request, count: records.count)
      return ControlResponse(status: 200, body: page.answer(try records[page.range].map { try renderedAssignment($0) }))
    }
    switch request.method {
    case .get:
      try require(.readRoleAssignment, request)
      let record = try await store.read { try $0.existingRecord(RoleRecords.assignment, name) }
      return ControlResponse(status: 200, body: try renderedAssignment(record), etag: "\(record.revision)")
    case .put:
      try require(.writeRoleAssignment, request)
      let assignment = try assignment(from: try requireBody(request))
      let (record, isNew) = try await store.write { [self] store in
        let existing = try store.record(RoleRecords.assignment, name)
        try ControlPlane.check(request, revision: existing?.revision, "role assignment '\(name)'")
        if existing == nil { try checkRoom(for: RoleRecords.assignment, in: store) }
        if case .principal(let id) = assignment.assignee, id.source == .local {
          _ = try store.existingRecord(RoleRecords.principal, id.name)
        }
        if case .endpoint(let endpoint) = assignment.scope { _ = try store.existingEndpoint(endpoint) }
        let custom = try store.allRecords(RoleRecords.definition).map { try RoleRecords.definition(stored: $0) }
        do throws(InferenceError) { _ = try Authorizer([assignment], customRoles: custom) } catch {
          throw ControlError(.badArgument, error.message)
        }
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "roleAssignments/write",
            resource: "roleAssignments/\(name)",
            summary: "\(assignment.role) for \(assignment.assignee) at \(assignment.scope)"))
        let record = try store.put(RoleRecords.assignment, name, body: RoleRecords.stored(assignment).json())
        // The last owner's assignment could have been the one that is written over.
        if existing != nil { try ControlPlane.requireOwner(in: store) }
        return (record, existing == nil)
      }
      try await rolesChanged()
      return ControlResponse(status: isNew ? 201 : 200, body: try renderedAssignment(record), etag: "\(record.revision)")
    case .delete:
      try require(.deleteRoleAssignment, request)
      try await store.write { store in
        _ = try store.existingRecord(RoleRecords.assignment, name)
        try store.delete(RoleRecords.assignment, name, expectedRevision: nil)
        try ControlPlane.requireOwner(in: store)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "roleAssignments/delete",
            resource: "roleAssignments/\(name)"))
      }
      try await rolesChanged()
      return ControlResponse(status: 200)
    case .patch, .post:
      try allow(.get, .put, .delete, for: request)
      preconditionFailure("The method is not among those allowed. This is a bug.")
    }
  }

  /// Somebody must be left who can give roles.
  private static func requireOwner(in store: any CatalogWriter) throws {
    for record in try store.allRecords(RoleRecords.assignment) {
      let assignment = try RoleRecords.assignment(stored: record)
      if assignment.role.lowercased() == RoleDefinition.owner.name.lowercased(), assignment.scope == .workspace { return }
    }
    throw ControlError(
      .conflict, "this would take the last assignment of role 'Owner' at the workspace away: nobody could give roles any more")
  }

  private func assignment(from body: Document) throws(ControlError) -> RoleAssignment {
    let properties = body["properties"] ?? body
    func text(_ field: String) throws(ControlError) -> String {
      guard let text = properties[field]?.string else {
        throw ControlError(.badArgument, "properties.\(field) is \(properties[field]?.quoted ?? "missing"): expected a string")
      }
      return text
    }
    let kind = properties["principalType"]?.string ?? "Principal"
    guard ["Principal", "User", "ServicePrincipal", "Group"].contains(kind) else {
      throw ControlError(
        .badArgument, "properties.principalType is '\(kind)': expected 'User', 'ServicePrincipal' or 'Group'")
    }
    do throws(InferenceError) {
      let id = try PrincipalID(parsing: try textOrThrow(text, "principalId"))
      let scope = try AccessScope(parsing: properties["scope"]?.string ?? "workspace")
      return RoleAssignment(
        kind == "Group" ? .group(id) : .principal(id), role: try textOrThrow(text, "role"), scope: scope)
    } catch { throw ControlError(.badArgument, error.message) }
  }

  private func textOrThrow(
    _ text: (String) throws(ControlError) -> String, _ field: String
  ) throws(InferenceError) -> String {
    do throws(ControlError) { return try text(field) } catch { throw .invalidArgument(error.message) }
  }

  private func renderedAssignment(_ record: CatalogRecord) throws -> Document {
    let body = try Document(json: record.body)
    return [
      "id": .string(id("roleAssignments/\(record.name)")), "name": .string(record.name),
      "properties": [
        "principalId": body["assignee"] ?? .null, "principalType": body["assigneeKind"] ?? .null, "role": body["role"] ?? .null,
        "scope": body["scope"] ?? .null,
      ], "etag": .string("\(record.revision)"), "systemData": systemData(record.created, record.modified),
    ]
  }

  /// Roles take effect at once, in the control plane and at the doors.
  internal func rolesChanged() async throws {
    try await store.read { [self] store in try security.reload(from: store) }
    for record in try await store.read({ try $0.allEndpoints() }) where record.state != .deleting {
      reconciler.renew(record, access: security.access(of: record))
    }
    reconciler.rolesChanged(to: security.rolesGeneration)
  }

  // MARK: - The audit log

  internal func auditLog(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readAuditLog, request)
    let count = Int(request.query["count"] ?? "100") ?? 0
    guard (1...Page.mostCount).contains(count) else {
      throw ControlError(
        .badArgument, "count is '\(request.query["count"] ?? "")': expected a whole number from 1 to \(Page.mostCount)")
    }
    let entries = try await store.read { try $0.newestEntries(AuditEntry.log, limit: count) }
    let values = try entries.map { entry -> Document in
      var body = try Document(json: entry.body).object ?? [:]
      body["sequence"] = .int(Int(entry.sequence))
      body["time"] = .string(WallClock.text(milliseconds: entry.time))
      return .object(body)
    }
    return ControlResponse(status: 200, body: ["value": .array(values)])
  }
}

// MARK: - Signing in

extension ControlPlane {
  /// The first administrator of a new catalogue, with role Owner.
  ///
  /// - Returns: A secret that is good for one login within `hours`.
  /// - Throws: `ControlError.alreadyExists` if there is one already.
  package static func addFirstAdministrator(
    _ name: String, to store: any CatalogStore, hours: Int, now: Int64
  ) async throws -> String {
    try await store.write { store in
      let id = try PrincipalID(.local, name)
      let (_, secret) = try addPrincipal(
        id, kind: .user, use: .once, expires: now / 1000 + Int64(hours) * 3600, in: store)
      let owner = RoleAssignment(.principal(id), role: RoleDefinition.owner.name, scope: .workspace)
      try store.insert(RoleRecords.assignment, "first-administrator", body: RoleRecords.stored(owner).json())
      try store.audit(AuditEntry(principal: id.description, action: "init", resource: "workspace", summary: "created"))
      return secret
    }
  }

  /// Exchanges a secret for whom it belongs to. A one-time secret is spent by it, and replaced by a lasting one.
  ///
  /// - Returns: The secret to keep: `secret` itself, or the new one.
  /// - Throws: `ControlError.unauthenticated`, which does not say why; the log does.
  package func login(_ secret: String) async throws(ControlError) -> (principal: String, secret: String) {
    let refusal = ControlError(.unauthenticated, "the secret is not valid: it is mistyped, expired or spent")
    guard let id = PrincipalSecret.id(of: secret) else { throw refusal }
    let now = clock() / 1000
    do {
      return try await store.write { store in
        guard let record = try store.record(RoleRecords.secret, id) else { throw refusal }
        var kept = try RoleRecords.secret(stored: record)
        let wasOnce = kept.use == .once
        try kept.verify(secret, at: now)
        guard wasOnce else { return (kept.principal.description, secret) }
        try store.delete(RoleRecords.secret, id, expectedRevision: record.revision)
        let lasting = try ControlPlane.addSecret(for: kept.principal, use: .many, expires: nil, in: store)
        try store.audit(
          AuditEntry(principal: kept.principal.description, action: "login", resource: "principals/\(kept.principal.name)"))
        return (kept.principal.description, lasting)
      }
    } catch let error as CatalogStoreError where error.code != .notFound {
      throw ControlError(error)
    } catch {
      log.warning("a login failed", ["secret": id, "reason": "\(error)"])
      throw refusal
    }
  }

  /// Who a secret belongs to; nil if it is none of this server's, or not good any more.
  package func principal(withSecret secret: String) async -> Principal? {
    guard let id = PrincipalSecret.id(of: secret) else { return nil }
    let now = clock() / 1000
    do {
      return try await store.read { store in
        guard let record = try store.record(RoleRecords.secret, id) else { return nil }
        var kept = try RoleRecords.secret(stored: record)
        guard kept.use == .many else { return nil }
        try kept.verify(secret, at: now)
        let principal = try store.existingRecord(RoleRecords.principal, kept.principal.name)
        let kind = try Document(json: principal.body)["principalType"]?.string.flatMap(Principal.Kind.init(rawValue:))
        return Principal(kept.principal, kind: kind ?? .servicePrincipal)
      }
    } catch {
      log.warning("a secret was refused", ["secret": id, "reason": "\(error)"])
      return nil
    }
  }
}

extension ControlPlane {
  /// Who sent an `authorization` header: by a principal's secret, or by a token of an issuer that the server trusts; without
  /// one, who the caller is by its client certificate. Nil for nobody it knows. A private server knows everybody as its
  /// owner.
  ///
  /// - Parameter certificate: In the text form of a principal; empty: the caller has shown none.
  package func authenticate(authorization: String?, certificate: String = "") async -> Principal? {
    if options.trustsEveryone { return ControlPlane.localOwner }
    guard let authorization else { return ControlPlane.principal(certificate: certificate) }
    guard authorization.utf8.count <= ControlPlane.maxAuthorizationBytes else { return nil }
    let parts = authorization.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    let token = String(parts[1])
    if PrincipalSecret.id(of: token) != nil { return await principal(withSecret: token) }
    return await tokens.principal(token)
  }

  private static func principal(certificate: String) -> Principal? {
    guard let id = try? PrincipalID(parsing: certificate), id.source == .certificate else { return nil }
    return Principal(id, kind: .servicePrincipal)
  }

  private static let maxAuthorizationBytes = 16_384

  /// Who a private server takes everybody for.
  private static let localOwner: Principal = {
    do throws(InferenceError) { return Principal(try PrincipalID(.local, "owner"), kind: .user) } catch {
      preconditionFailure("\(error.message). This is a bug.")
    }
  }()
}

extension ControlPlane {
  /// Longest that a verdict on a secret is remembered, in seconds: then its principal is looked at again.
  private static let verdictSeconds: Int64 = 300

  /// Whether the secret of one of this server's principals opens an endpoint; nil for any other credential.
  package func verdict(
    onSecret credential: PresentedCredential, endpoint: String, access: EndpointAccess
  ) async -> CredentialVerdict? {
    guard let token = BearerCredential.text(of: credential.authorization), PrincipalSecret.id(of: token) != nil else {
      return nil
    }
    let expires = clock() / 1000 + ControlPlane.verdictSeconds
    func verdict(_ outcome: CredentialVerdict.Outcome, _ log: String) -> CredentialVerdict {
      CredentialVerdict(outcome, expires: expires, generation: access.generation, log: log)
    }
    guard let principal = await principal(withSecret: token) else { return verdict(.refused(.invalid), "not a good secret") }
    guard access.mode == .aadToken else {
      return verdict(.refused(.forbidden), "\(principal.id): the endpoint takes no principals")
    }
    switch security.decide(principal, .score, endpoint: access.isNoEndpoint ? nil : endpoint) {
    case .allowed(let assignment): return verdict(.allowed(caller: principal.caller), "\(principal.id) by role \(assignment.role)")
    case .forbidden(let reason): return verdict(.refused(.forbidden), reason)
    }
  }
}
