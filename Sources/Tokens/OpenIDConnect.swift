package import Access
package import Inference

/// The OpenID Connect issuers whose tokens are accepted.
package struct OpenIDConnect: Sendable {
  private struct Issuer: Sendable {
    var configuration: OpenIDConfiguration
    var keys: IssuerKeys
  }

  /// Most issuers of one server.
  package static let maxIssuers = 64

  private let issuers: [String: Issuer]

  /// - Throws: `.invalidArgument` for a configuration that isn't sound, or two with the same name or issuer.
  package init(_ configurations: [OpenIDConfiguration], documents: any DocumentSource) throws(InferenceError) {
    guard configurations.count <= OpenIDConnect.maxIssuers else {
      throw .invalidArgument("issuers: expected at most \(OpenIDConnect.maxIssuers), got \(configurations.count)")
    }
    var issuers: [String: Issuer] = [:]
    var names: Set<String> = []
    for configuration in configurations {
      try configuration.validate()
      let keys = IssuerKeys(issuer: configuration.issuer, source: documents)
      guard names.insert(configuration.name).inserted else {
        throw .invalidArgument("issuers: the name '\(configuration.name)' is there twice")
      }
      guard issuers.updateValue(Issuer(configuration: configuration, keys: keys), forKey: configuration.issuer) == nil else {
        throw .invalidArgument("issuers: '\(configuration.issuer)' is there twice")
      }
    }
    self.issuers = issuers
  }

  /// Who a token was issued to.
  ///
  /// - Parameter now: In seconds since 1970.
  /// - Returns: The principal, and the second from which the token has expired.
  /// - Throws: `.invalid` or `.expired`; `.unverifiable` if the issuer's keys can't be had.
  package func verify(_ text: String, at now: Int64) async throws(TokenFailure) -> (principal: Principal, expires: Int64) {
    try await verify(CompactToken(text), at: now)
  }

  func verify(_ token: CompactToken, at now: Int64) async throws(TokenFailure) -> (principal: Principal, expires: Int64) {
    let claims = token.claims
    guard let issuer = issuers[claims.issuer ?? ""] else {
      throw .invalid("token: iss: expected one of \(issuers.keys.sorted()), got '\((claims.issuer ?? "").prefix(256))'")
    }
    let configuration = issuer.configuration
    // What costs nothing is checked first, so that only tokens that could be good have keys fetched.
    guard !Set(claims.audiences).isDisjoint(with: configuration.audiences) else {
      throw .invalid("token: aud: expected one of \(configuration.audiences), got \(claims.audiences.prefix(8))")
    }
    let expires = try claims.checkTimes(at: now, skew: configuration.clockSkew, grace: configuration.clockSkew)
    try await issuer.keys.key(for: token, at: now).verify(token)
    for (name, value) in configuration.requiredClaims.sorted(by: { $0.key < $1.key }) {
      guard claims[name]?.strings?.contains(value) == true else {
        throw .invalid("token: \(name): expected '\(value)'")
      }
    }
    return (try principal(claims, configuration), expires)
  }

  private func principal(
    _ claims: TokenClaims, _ configuration: OpenIDConfiguration
  ) throws(TokenFailure) -> Principal {
    let source = PrincipalID.Source.issuer(configuration.name)
    guard let subject = claims[configuration.subjectClaim]?.string, let id = try? PrincipalID(source, subject) else {
      throw .invalid("token: \(configuration.subjectClaim): expected a name")
    }
    let groups = (claims[configuration.groupsClaim]?.strings ?? []).prefix(Principal.maxGroups)
    // Source: Microsoft identity platform, "Access token claims reference": `idtyp` is "app" for app-only tokens.
    let isApplication = claims["idtyp"]?.string == "app"
    return Principal(
      id, kind: isApplication ? .servicePrincipal : .user, groups: groups.compactMap { try? PrincipalID(source, $0) },
      displayName: claims[configuration.nameClaim]?.string)
  }
}
