internal import Access
internal import Documents
internal import Inference
internal import Resources
internal import Stores

/// Credentials of an endpoint: `listKeys`, `regenerateKeys`, `token`; and its rollout and mirror report.
extension ControlPlane {
  internal func endpointAction(
    _ name: String, _ action: [String], _ request: ControlRequest
  ) async throws -> ControlResponse {
    switch action {
    case ["listkeys"]:
      try allow(.post, for: request)
      try require(.listKeys, on: name, request)
      let record = try await store.read { try $0.existingEndpoint(name) }
      try requireMode(.key, of: record)
      let keys = try security.endpointKeys(of: record)
      return ControlResponse(
        status: 200,
        body: ["primaryKey": .string(keys.primary.text), "secondaryKey": .string(keys.secondary.text)])
    case ["regeneratekeys"]:
      try allow(.post, for: request)
      try require(.regenerateKeys, on: name, request)
      return try await regenerateKeys(of: name, request)
    case ["token"]:
      try allow(.post, for: request)
      try require(.issueToken, on: name, request)
      let record = try await store.read { try $0.existingEndpoint(name) }
      try requireMode(.amlToken, of: record)
      return try await issueToken(for: record, request)
    case _ where action.first == "rollout": return try await rollout(name, Array(action.dropFirst()), request)
    case ["mirrorreport"]: return try await mirrorReport(name, request)
    default: throw ControlError(.notFound, "an endpoint has nothing called '\(action.joined(separator: "/"))'")
    }
  }

  private func requireMode(_ mode: EndpointAccess.Mode, of record: EndpointRecord) throws(ControlError) {
    let actual = security.access(of: record).mode
    guard actual != mode else { return }
    let name = record.endpoint.name
    if actual == .open {
      throw ControlError(
        .conflict,
        "endpoint '\(name)' has no \(mode == .key ? "keys" : "tokens"): this server asks nobody for a credential, whatever "
          + "auth_mode says. Call the endpoint without one")
    }
    throw ControlError(
      .conflict,
      "endpoint '\(name)' has auth_mode '\(record.endpoint.authMode.rawValue)': "
        + (mode == .key ? "only one with 'key' has keys" : "only one with 'aml_token' has tokens of this server"))
  }

  private func issueToken(for record: EndpointRecord, _ request: ControlRequest) async throws -> ControlResponse {
    guard let principal = request.principal else { throw ControlError(.unauthenticated, "sign in first") }
    let token = try await tokens.issue(principal.id, record.endpoint.name, security.access(of: record))
    return ControlResponse(
      status: 200,
      body: [
        "accessToken": .string(token.accessToken), "expiryTimeUtc": .int(Int(token.expiryTime)),
        "refreshAfterTimeUtc": .int(Int(token.refreshAfterTime)), "tokenType": .string(token.tokenType),
      ])
  }

  /// Replaces one of the two keys; the other one goes on, so that clients can change over.
  private func regenerateKeys(of name: String, _ request: ControlRequest) async throws -> ControlResponse {
    let body = try requireBody(request)
    let which: Access.EndpointKeys.Which
    do throws(InferenceError) {
      guard let text = body["keyType"]?.string else {
        throw .invalidArgument("keyType is \(body["keyType"]?.quoted ?? "missing"): expected 'Primary' or 'Secondary'")
      }
      which = try Access.EndpointKeys.Which(parsing: text)
    } catch { throw ControlError(.badArgument, error.message) }
    let value = body["keyValue"]
    guard value == nil || value == .null || value?.string != nil else {
      throw ControlError(.badArgument, "keyValue is \(value?.quoted ?? ""): expected a string")
    }
    let record = try await store.write { [self] store in
      var record = try store.existingEndpoint(name)
      try ControlPlane.check(request, revision: record.revision, "endpoint '\(name)'")
      try requireMode(.key, of: record)
      guard record.state.isFinal else {
        throw ControlError(.conflict, "endpoint '\(name)' is \(record.state.word.lowercased())")
      }
      var keys = try security.endpointKeys(of: record)
      var generator = SystemRandomNumberGenerator()
      do throws(InferenceError) {
        try keys.regenerate(which, value: value?.string, using: &generator)
      } catch { throw ControlError(.badArgument, error.message) }
      record.sealedKeys = keys.sealed(for: name, under: security.keys)
      record.renewAccess()
      let operation = try finishedOperation(.regenerateKeys, "onlineEndpoints/\(name)", in: store)
      record.operation = operation.id
      record.authors.note(request.principal, isNew: false)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "onlineEndpoints/regenerateKeys/action",
          resource: "onlineEndpoints/\(name)", summary: "\(which.rawValue.lowercased()) key regenerated"))
      return try store.save(record)
    }
    reconciler.apply(record, access: security.access(of: record))
    return ControlResponse(status: 202, etag: "\(record.revision)", operation: record.operation)
  }
}
