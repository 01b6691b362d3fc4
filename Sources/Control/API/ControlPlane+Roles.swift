internal import Access
internal import Documents
internal import Inference
internal import Stores

/// `roleDefinitions` and `roleAssignments`: what roles allow, and who has them where.
extension ControlPlane {
  // MARK: - Definitions

  internal func roleDefinitions(_ name: String?, _ request: ControlRequest) async throws -> ControlResponse {
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

  // MARK: - Assignments

  internal func roleAssignments(_ name: String?, _ request: ControlRequest) async throws -> ControlResponse {
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
  internal static func requireOwner(in store: any CatalogWriter) throws {
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
}
