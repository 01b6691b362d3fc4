package import Access
internal import Crypto
internal import FoundationEssentials
package import Inference

/// Signs and checks the server's own tokens: those that open an endpoint (`aml_token`), and those of control-plane sessions.
///
/// Tokens are JSON Web Tokens with ES256. Immutable: to rotate, make an issuer with the new key in front and the old ones
/// behind it, for as long as their tokens live.
package struct TokenIssuer: Sendable {
  package struct Configuration: Hashable, Sendable {
    /// Claim `iss`: says which server it was.
    package var issuer: String
    /// How long an endpoint's token is good, in seconds.
    package var endpointLifetime: Int64 = 8 * 3600
    /// After how long a client should fetch another one, in seconds; less than the lifetime.
    package var refreshAfter: Int64 = 4 * 3600
    /// How long a control-plane session lasts, in seconds.
    package var sessionLifetime: Int64 = 3600
    /// How far ahead the clock may have been that a token was issued by, in seconds. A token's end is exact.
    package var clockSkew: Int64 = 30

    package init(issuer: String) { self.issuer = issuer }
  }

  private let configuration: Configuration
  private let current: TokenSigningKey
  private let keys: [String: TokenSigningKey]

  /// - Parameter previous: Keys that signed before; their tokens are still accepted.
  /// - Throws: `.invalidArgument` if a lifetime isn't above zero, or `refreshAfter` isn't between zero and the lifetime.
  package init(
    _ configuration: Configuration, current: TokenSigningKey, previous: [TokenSigningKey] = []
  ) throws(InferenceError) {
    for (field, seconds) in [
      ("endpointLifetime", configuration.endpointLifetime), ("sessionLifetime", configuration.sessionLifetime),
    ] {
      guard 1...315_360_000 ~= seconds else {
        throw .invalidArgument("\(field): expected 1 to 315360000 seconds, got \(seconds)")
      }
    }
    guard 1...configuration.endpointLifetime ~= configuration.refreshAfter else {
      throw .invalidArgument(
        "refreshAfter: expected 1 to \(configuration.endpointLifetime) seconds, got \(configuration.refreshAfter)")
    }
    guard 0...600 ~= configuration.clockSkew else {
      throw .invalidArgument("clockSkew: expected 0 to 600 seconds, got \(configuration.clockSkew)")
    }
    self.configuration = configuration
    self.current = current
    keys = Dictionary(([current] + previous).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  // MARK: - Endpoints

  /// A token that opens one endpoint, with the members that `POST …/token` answers.
  ///
  /// - Parameters:
  ///   - principal: Who asked for it; goes with every request made with it.
  ///   - epoch: `EndpointAccess.tokenEpoch` of the endpoint.
  ///   - now: In seconds since 1970.
  package func endpointToken(
    for principal: PrincipalID, endpoint: String, epoch: UInt64, at now: Int64,
    using generator: inout some RandomNumberGenerator
  ) -> EndpointToken {
    let expires = now + configuration.endpointLifetime
    let text = sign(
      EndpointClaims(
        iss: configuration.issuer, aud: TokenIssuer.endpointAudience, sub: principal.description, iat: now, nbf: now,
        exp: expires, jti: identifier(&generator), endpoint: endpoint, epoch: String(epoch)))
    return EndpointToken(
      accessToken: text, expiryTimeUtc: expires, refreshAfterTimeUtc: now + configuration.refreshAfter, tokenType: "Bearer")
  }

  /// Who an endpoint's token was issued to, whichever endpoint it is for.
  func verifyEndpointToken(_ token: CompactToken, at now: Int64) throws(TokenFailure) -> VerifiedEndpointToken {
    let (claims, principal, expires) = try verify(token, audience: TokenIssuer.endpointAudience, at: now)
    guard let endpoint = claims["endpoint"]?.string, let epoch = claims["epoch"]?.string.flatMap({ UInt64($0) }) else {
      throw .invalid("token: endpoint, epoch: expected text and a number")
    }
    return VerifiedEndpointToken(principal: principal, endpoint: endpoint, epoch: epoch, expires: expires)
  }

  /// Checks a token for one endpoint.
  ///
  /// - Throws: `.forbidden` for a good token of another endpoint or epoch; `.expired` or `.invalid` for one that isn't good.
  package func verifyEndpointToken(
    _ text: String, endpoint: String, epoch: UInt64, at now: Int64
  ) throws(TokenFailure) -> (principal: PrincipalID, expires: Int64) {
    let token = try verifyEndpointToken(CompactToken(text), at: now)
    try token.check(endpoint: endpoint, epoch: epoch)
    return (token.principal, token.expires)
  }

  // MARK: - Sessions

  /// A short-lived token for the control plane, given for a login.
  ///
  /// - Parameter secret: `PrincipalSecret.id` of what it was given for, so that the session can end with it.
  package func sessionToken(
    for principal: Principal, secret: String, at now: Int64, using generator: inout some RandomNumberGenerator
  ) -> SessionToken {
    let expires = now + configuration.sessionLifetime
    let text = sign(
      SessionClaims(
        iss: configuration.issuer, aud: TokenIssuer.controlAudience, sub: principal.id.description, iat: now, nbf: now,
        exp: expires, jti: identifier(&generator), kind: principal.kind, groups: principal.groups, secret: secret))
    return SessionToken(accessToken: text, expiryTimeUtc: expires, tokenType: "Bearer")
  }

  /// - Throws: `.expired` or `.invalid`.
  package func verifySession(
    _ text: String, at now: Int64
  ) throws(TokenFailure) -> (principal: Principal, secret: String, expires: Int64) {
    try verifySession(CompactToken(text), at: now)
  }

  func verifySession(
    _ token: CompactToken, at now: Int64
  ) throws(TokenFailure) -> (principal: Principal, secret: String, expires: Int64) {
    let (claims, id, expires) = try verify(token, audience: TokenIssuer.controlAudience, at: now)
    guard let kind = claims["kind"]?.string.flatMap({ Principal.Kind(rawValue: $0) }), let secret = claims["secret"]?.string
    else { throw .invalid("token: kind, secret: expected 'User' or 'ServicePrincipal', and text") }
    let groups = (claims["groups"]?.strings ?? []).compactMap { try? PrincipalID(parsing: $0) }
    return (Principal(id, kind: kind, groups: groups), secret, expires)
  }

  // MARK: - Both

  /// Whether a token says that this server issued it.
  func isOwn(_ token: CompactToken) -> Bool { token.claims.issuer == configuration.issuer }

  /// Whether it says that it is for an endpoint, not for the control plane.
  func isForEndpoint(_ token: CompactToken) -> Bool { token.claims.audiences.contains(TokenIssuer.endpointAudience) }

  private static let endpointAudience = "apus:endpoint"
  private static let controlAudience = "apus:control"

  private func verify(
    _ token: CompactToken, audience: String, at now: Int64
  ) throws(TokenFailure) -> (TokenClaims, PrincipalID, expires: Int64) {
    guard token.algorithm == .es256 else { throw .invalid("token: alg: expected ES256, got \(token.algorithm.rawValue)") }
    guard let id = token.keyID, let key = keys[id] else {
      throw .invalid("token: kid: expected one of \(keys.keys.sorted()), got '\(token.keyID ?? "")'")
    }
    guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: token.signature),
      key.key.publicKey.isValidSignature(signature, for: token.signed)
    else { throw .invalid("token: the signature is not that of key \(id)") }
    let claims = token.claims
    guard claims.issuer == configuration.issuer else {
      throw .invalid("token: iss: expected '\(configuration.issuer)', got '\((claims.issuer ?? "").prefix(256))'")
    }
    guard claims.audiences == [audience] else {
      throw .invalid("token: aud: expected '\(audience)', got \(claims.audiences.prefix(8))")
    }
    let expires = try claims.checkTimes(at: now, skew: configuration.clockSkew, grace: 0)
    guard let subject = claims["sub"]?.string, let principal = try? PrincipalID(parsing: subject) else {
      throw .invalid("token: sub: expected a principal")
    }
    return (claims, principal, expires)
  }

  private func sign(_ claims: some Encodable) -> String {
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      let header = try encoder.encode(["alg": "ES256", "kid": current.id, "typ": "JWT"])
      let signed = "\(Base64URL.text(header)).\(Base64URL.text(try encoder.encode(claims)))"
      let signature = try current.key.signature(for: Array(signed.utf8))
      return "\(signed).\(Base64URL.text(signature.rawRepresentation))"
    } catch {
      preconditionFailure("Signing with a P-256 key failed: \(error). This is a bug.")
    }
  }

  private func identifier(_ generator: inout some RandomNumberGenerator) -> String {
    Base64URL.text((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
  }
}

/// What `POST …/onlineEndpoints/{e}/token` answers; times in seconds since 1970.
package struct EndpointToken: Hashable, Sendable, Codable {
  package var accessToken: String
  package var expiryTimeUtc: Int64
  package var refreshAfterTimeUtc: Int64
  package var tokenType: String
}

/// What a login answers.
package struct SessionToken: Hashable, Sendable, Codable {
  package var accessToken: String
  package var expiryTimeUtc: Int64
  package var tokenType: String
}

struct VerifiedEndpointToken: Sendable {
  var principal: PrincipalID
  var endpoint: String
  var epoch: UInt64
  var expires: Int64

  func check(endpoint: String, epoch: UInt64) throws(TokenFailure) {
    guard self.endpoint == endpoint else {
      throw TokenFailure(.forbidden, "token of \(principal): endpoint: expected '\(endpoint)', got '\(self.endpoint)'")
    }
    guard self.epoch == epoch else {
      throw TokenFailure(.forbidden, "token of \(principal): epoch: expected \(epoch), got \(self.epoch)")
    }
  }
}

private struct EndpointClaims: Encodable {
  var iss, aud, sub: String
  var iat, nbf, exp: Int64
  var jti, endpoint: String
  /// Text, because a JSON number holds no more than 53 bits everywhere.
  var epoch: String
}

private struct SessionClaims: Encodable {
  var iss, aud, sub: String
  var iat, nbf, exp: Int64
  var jti: String
  var kind: Principal.Kind
  var groups: [PrincipalID]
  var secret: String
}
