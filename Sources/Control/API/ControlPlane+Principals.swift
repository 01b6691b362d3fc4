internal import Access
internal import Documents
internal import Inference
internal import Stores

/// `principals`: people and programs that this server knows by a secret of its own.
extension ControlPlane {
  internal func principals(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readPrincipal, request)
    let records = try await store.read { try $0.allRecords(RoleRecords.principal) }
    let page = try Page(request, count: records.count)
    return ControlResponse(status: 200, body: page.answer(try records[page.range].map { try renderedPrincipal($0) }))
  }

  internal func principal(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
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

  internal func rotateSecret(of name: String, _ request: ControlRequest) async throws -> ControlResponse {
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
  internal static func addPrincipal(
    _ id: PrincipalID, kind: Principal.Kind, use: PrincipalSecret.Use, expires: Int64?, in store: any CatalogWriter
  ) throws -> (CatalogRecord, String) {
    let body: Document = ["principalType": .string(kind.rawValue)]
    let record = try store.insert(RoleRecords.principal, id.name, body: body.json())
    return (record, try addSecret(for: id, use: use, expires: expires, in: store))
  }

  internal static func addSecret(
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
}
