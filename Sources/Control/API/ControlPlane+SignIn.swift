package import Access
internal import Documents
internal import Inference
package import Stores
internal import Telemetry

/// Signing in, and telling who somebody is by what they sign in with.
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
  ///
  /// - Throws: `ControlError` if the store can't be asked.
  private func principal(withSecret secret: String) async throws(ControlError) -> Principal? {
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
    } catch let refusal as PrincipalSecret.Refusal {
      log.warning("a secret was refused", ["secret": id, "reason": refusal.rawValue])
      return nil
    } catch let error as CatalogStoreError where error.code == .notFound {
      log.warning("a secret was refused", ["secret": id, "reason": "its principal is gone"])
      return nil
    } catch { throw ControlError(anything: error) }
  }

  // MARK: - Callers of the control plane

  /// Who sent an `authorization` header: by a principal's secret, or by a token of an issuer that the server trusts; without
  /// one, who the caller is by its client certificate. Nil for nobody it knows. A private server knows everybody as its
  /// owner.
  ///
  /// - Parameter certificate: In the text form of a principal; empty: the caller has shown none.
  /// - Throws: `ControlError` if the store can't be asked.
  package func authenticate(
    authorization: String?, certificate: String = ""
  ) async throws(ControlError) -> Principal? {
    if options.trustsEveryone { return ControlPlane.localOwner }
    guard let authorization else { return ControlPlane.principal(certificate: certificate) }
    guard authorization.utf8.count <= ControlPlane.maxAuthorizationBytes else { return nil }
    let parts = authorization.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
    let token = String(parts[1])
    if PrincipalSecret.id(of: token) != nil { return try await principal(withSecret: token) }
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

  // MARK: - Callers of endpoints

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
    let found: Principal?
    do throws(ControlError) { found = try await principal(withSecret: token) } catch {
      return verdict(.refused(.unverifiable), error.message)
    }
    guard let principal = found else { return verdict(.refused(.invalid), "not a good secret") }
    guard access.mode == .aadToken else {
      return verdict(.refused(.forbidden), "\(principal.id): the endpoint takes no principals")
    }
    switch security.decide(principal, .score, endpoint: access.isNoEndpoint ? nil : endpoint) {
    case .allowed(let assignment): return verdict(.allowed(caller: principal.caller), "\(principal.id) by role \(assignment.role)")
    case .forbidden(let reason): return verdict(.refused(.forbidden), reason)
    }
  }
}
