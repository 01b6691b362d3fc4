package import Access

/// Finds out who sent a credential, and whether that opens an endpoint: what a door asks when its cache doesn't know.
///
/// Whether a credential is good is decided before the endpoint is looked at. So a bad one is refused alike at every name, and
/// a good one that opens nothing is forbidden alike, whether or not an endpoint is there.
package struct CredentialVerifier: Sendable {
  /// Longest that a verdict is remembered, in seconds: after that a principal is looked at again.
  package static let maxVerdictSeconds: Int64 = 300

  private let issuer: @Sendable () -> TokenIssuer
  private let openID: OpenIDConnect
  private let authorizer: @Sendable () -> Authorizer
  private let now: @Sendable () -> Int64

  /// - Parameters:
  ///   - issuer: As it is now; its keys rotate.
  ///   - authorizer: As it is now. Whoever changes it raises the generation of every `EndpointAccess`.
  ///   - now: Seconds since 1970.
  package init(
    issuer: @escaping @Sendable () -> TokenIssuer, openID: OpenIDConnect, authorizer: @escaping @Sendable () -> Authorizer,
    now: @escaping @Sendable () -> Int64
  ) {
    self.issuer = issuer
    self.openID = openID
    self.authorizer = authorizer
    self.now = now
  }

  // MARK: - Scoring

  /// In the form that doors take.
  package var verification: CredentialVerification {
    { credential, endpoint, access in await self.verdict(on: credential, endpoint: endpoint, access: access) }
  }

  /// Whether a credential opens an endpoint.
  package func verdict(
    on credential: PresentedCredential, endpoint: String, access: EndpointAccess
  ) async -> CredentialVerdict {
    let now = now()
    if access.mode == .open {
      return CredentialVerdict(.allowed(caller: 0), expires: .max, generation: access.generation, log: "open to everybody")
    }
    do throws(TokenFailure) {
      let (caller, expires, log) = try await open(endpoint, access, with: credential, at: now)
      return CredentialVerdict(
        .allowed(caller: caller), expires: min(expires, now + CredentialVerifier.maxVerdictSeconds),
        generation: access.generation, log: log)
    } catch {
      return CredentialVerdict(
        .refused(error.refusal), expires: now + CredentialVerifier.maxVerdictSeconds, generation: access.generation,
        log: error.log)
    }
  }

  private func open(
    _ endpoint: String, _ access: EndpointAccess, with credential: PresentedCredential, at now: Int64
  ) async throws(TokenFailure) -> (caller: UInt64, expires: Int64, log: String) {
    if access.mode == .key, let caller = credential.authorization.withUnsafeBytes({ access.holder(authorization: $0) }) {
      return (caller, .max, "\(caller == 1 ? "primary" : "secondary") key")
    }
    switch try await identify(credential, at: now) {
    case .endpointToken(let token):
      guard access.mode == .amlToken else {
        throw TokenFailure(.forbidden, "token of \(token.principal): the endpoint takes no aml_token")
      }
      try token.check(endpoint: endpoint, epoch: access.tokenEpoch)
      return (CallerNumber.of(token.principal.description), token.expires, "token of \(token.principal)")
    case .session(let principal, _):
      throw TokenFailure(.forbidden, "session of \(principal.id): sessions are for the control plane")
    case .principal(let principal, let expires):
      guard access.mode == .aadToken else {
        throw TokenFailure(.forbidden, "\(principal.id): the endpoint takes no principals")
      }
      let scope: AccessScope = access.isNoEndpoint ? .workspace : .endpoint(endpoint)
      switch authorizer().decide(principal, .score, at: scope) {
      case .allowed(let assignment): return (principal.caller, expires, "\(principal.id) by role \(assignment.role)")
      case .forbidden(let reason): throw TokenFailure(.forbidden, reason)
      }
    }
  }

  // MARK: - Control plane

  /// Who calls the control plane: by a session's token, an issuer's token, or a client certificate.
  ///
  /// - Throws: What to answer and what to log. A token that opens an endpoint is `.invalid` here.
  package func authenticate(_ credential: PresentedCredential) async throws(TokenFailure) -> AuthenticatedPrincipal {
    switch try await identify(credential, at: now()) {
    case .endpointToken(let token): throw .invalid("token of \(token.principal): it is for an endpoint")
    case .session(let principal, let secret): return AuthenticatedPrincipal(principal: principal, secret: secret)
    case .principal(let principal, _): return AuthenticatedPrincipal(principal: principal, secret: nil)
    }
  }

  // MARK: - Both

  private enum Identity {
    case endpointToken(VerifiedEndpointToken)
    case session(Principal, secret: String)
    case principal(Principal, expires: Int64)
  }

  private func identify(_ credential: PresentedCredential, at now: Int64) async throws(TokenFailure) -> Identity {
    if credential.authorization.isEmpty {
      guard !credential.certificate.isEmpty else { throw TokenFailure(.missing, "no credential") }
      return .principal(try certificatePrincipal(credential.certificate), expires: .max)
    }
    guard let text = BearerCredential.text(of: credential.authorization) else {
      throw TokenFailure(.malformed, "authorization: expected 'Bearer <text>'")
    }
    let token = try CompactToken(text)
    let issuer = issuer()
    guard issuer.isOwn(token) else {
      let (principal, expires) = try await openID.verify(token, at: now)
      return .principal(principal, expires: expires)
    }
    if issuer.isForEndpoint(token) { return .endpointToken(try issuer.verifyEndpointToken(token, at: now)) }
    let session = try issuer.verifySession(token, at: now)
    return .session(session.principal, secret: session.secret)
  }

  private func certificatePrincipal(_ name: [UInt8]) throws(TokenFailure) -> Principal {
    guard let id = try? PrincipalID(parsing: String(decoding: name, as: UTF8.self)), id.source == .certificate else {
      throw .invalid("client certificate: expected the text form of a principal")
    }
    return Principal(id, kind: .servicePrincipal)
  }
}

/// Somebody who may be let into the control plane; what he may do there is the `Authorizer`'s to say.
package struct AuthenticatedPrincipal: Hashable, Sendable {
  package var principal: Principal
  /// `PrincipalSecret.id` of the login behind a session: refuse the call if that is no longer there. Nil for others.
  package var secret: String?
}
