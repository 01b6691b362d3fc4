internal import Access
internal import Documents
internal import Resources
internal import Stores

/// Who may do what, `principals`, `roleDefinitions` and `roleAssignments`; and who did what, `auditLog`.
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

  /// Roles take effect at once, in the control plane and at the doors.
  internal func rolesChanged() async throws {
    try await store.read { [self] store in try security.reload(from: store) }
    for record in try await store.read({ try $0.allEndpoints() }) where record.state != .deleting {
      reconciler.renew(record, access: security.access(of: record))
    }
    reconciler.rolesChanged(to: security.rolesGeneration)
  }

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
