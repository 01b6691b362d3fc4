package import Access

/// What the control plane needs of tokens, which are made and checked elsewhere.
package struct TokenServices: Sendable {
  /// A token of this server, as `…/token` answers it. Times are seconds since 1970.
  package struct Issued: Hashable, Sendable {
    package var accessToken: String
    package var expiryTime: Int64
    package var refreshAfterTime: Int64
    package var tokenType: String

    package init(accessToken: String, expiryTime: Int64, refreshAfterTime: Int64, tokenType: String) {
      self.accessToken = accessToken
      self.expiryTime = expiryTime
      self.refreshAfterTime = refreshAfterTime
      self.tokenType = tokenType
    }
  }

  /// Signs a token that opens an endpoint for a principal, for as long as the endpoint's access has this generation.
  package var issue: @Sendable (_ principal: PrincipalID, _ endpoint: String, _ access: EndpointAccess) async throws -> Issued
  /// Whose token of a trusted issuer this is; nil if it is not good.
  package var principal: @Sendable (_ token: String) async -> Principal?

  package init(
    issue: @escaping @Sendable (_ principal: PrincipalID, _ endpoint: String, _ access: EndpointAccess) async throws -> Issued,
    principal: @escaping @Sendable (_ token: String) async -> Principal?
  ) {
    self.issue = issue
    self.principal = principal
  }
}
