internal import Access
internal import FoundationEssentials
package import Inference

/// An OpenID Connect issuer whose tokens are accepted, and where in them the names stand.
package struct OpenIDConfiguration: Hashable, Sendable {
  /// Short name in principals: `oidc:<name>:<subject>`.
  package var name: String
  /// Claim `iss` of its tokens, and the address below which its discovery document lies.
  package var issuer: String
  /// Values of claim `aud`, of which a token must have one.
  package var audiences: [String]
  /// Claim with the name of the principal. `sub` is the one that issuers promise never to give to another.
  package var subjectClaim = "sub"
  /// Claim with the names of groups: an array, or one text.
  package var groupsClaim = "groups"
  /// Claim with a name for people to read, which decides nothing.
  package var nameClaim = "name"
  /// Claims that must have these values; where a claim is an array, among others.
  package var requiredClaims: [String: String] = [:]
  /// How far the issuer's clock may be off, in seconds.
  package var clockSkew: Int64 = 60

  package init(name: String, issuer: String, audiences: [String]) {
    self.name = name
    self.issuer = issuer
    self.audiences = audiences
  }

  /// - Throws: `.invalidArgument`, naming the field.
  package func validate() throws(InferenceError) {
    try PrincipalID.checkIssuerName(name)
    let field = "issuers.\(name)"
    guard let address = IssuerAddress(issuer), address.hasPlainPath else {
      throw .invalidArgument(
        "\(field).issuer: expected an https address without query or fragment (http only for this machine), got '\(issuer.prefix(256))'"
      )
    }
    guard (1...32).contains(audiences.count), !audiences.contains("") else {
      throw .invalidArgument("\(field).audiences: expected 1 to 32 texts, got \(audiences.count)")
    }
    guard !subjectClaim.isEmpty, !groupsClaim.isEmpty else {
      throw .invalidArgument("\(field): subjectClaim, groupsClaim: expected the name of a claim")
    }
    guard 0...600 ~= clockSkew else {
      throw .invalidArgument("\(field).clockSkew: expected 0 to 600 seconds, got \(clockSkew)")
    }
  }
}

/// An address that documents may be fetched from: by https, or by http from this machine.
struct IssuerAddress: Sendable {
  let isSecure: Bool
  let hasPlainPath: Bool

  init?(_ text: String) {
    guard text.utf8.count <= 2048, let url = URLComponents(string: text), let host = url.host, !host.isEmpty,
      url.user == nil, url.password == nil
    else { return nil }
    let isLoopback = ["localhost", "127.0.0.1", "[::1]", "::1"].contains(host.lowercased())
    let scheme = url.scheme?.lowercased()
    guard scheme == "https" || (scheme == "http" && isLoopback) else { return nil }
    isSecure = scheme == "https"
    hasPlainPath = url.query == nil && url.fragment == nil
  }
}
