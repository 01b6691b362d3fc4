import Access
import Inference
import Testing
import Tokens

private let alice = try! PrincipalID(.local, "alice")

private func issuer(
  _ key: TokenSigningKey, previous: [TokenSigningKey] = [], name: String = "apus:test"
) throws -> TokenIssuer {
  try TokenIssuer(TokenIssuer.Configuration(issuer: name), current: key, previous: previous)
}

private func endpointToken(_ issuer: TokenIssuer, at now: Int64 = 1000) -> EndpointToken {
  var generator = SystemRandomNumberGenerator()
  return issuer.endpointToken(for: alice, endpoint: "churn", epoch: 7, at: now, using: &generator)
}

/// Nil if the token is good.
private func failure(
  _ issuer: TokenIssuer, _ token: String, endpoint: String = "churn", epoch: UInt64 = 7, at now: Int64 = 1000
) -> CredentialRefusal? {
  do throws(TokenFailure) {
    _ = try issuer.verifyEndpointToken(token, endpoint: endpoint, epoch: epoch, at: now)
    return nil
  } catch {
    return error.refusal
  }
}

@Test func `an endpoint's token opens it until it expires, and says who asked for it`() throws {
  let issuer = try issuer(TokenSigningKey())
  let token = endpointToken(issuer)
  #expect(token.expiryTimeUtc == 1000 + 8 * 3600 && token.refreshAfterTimeUtc == 1000 + 4 * 3600)
  #expect(token.tokenType == "Bearer")
  let verified = try issuer.verifyEndpointToken(token.accessToken, endpoint: "churn", epoch: 7, at: 1000)
  #expect(verified.principal == alice)
  #expect(failure(issuer, token.accessToken, at: token.expiryTimeUtc - 1) == nil)
  #expect(failure(issuer, token.accessToken, at: token.expiryTimeUtc) == .expired)
  #expect(failure(issuer, token.accessToken, at: 969) == .invalid)
  #expect(endpointToken(issuer).accessToken != token.accessToken)
}

@Test func `a token opens no other endpoint, nor one of the same name that came later`() throws {
  let issuer = try issuer(TokenSigningKey())
  let token = endpointToken(issuer).accessToken
  #expect(failure(issuer, token, endpoint: "other") == .forbidden)
  #expect(failure(issuer, token, epoch: 8) == .forbidden)
}

@Test func `a token of another server or key is not valid`() throws {
  let key = TokenSigningKey()
  let server = try issuer(key)
  #expect(try failure(server, endpointToken(issuer(TokenSigningKey())).accessToken) == .invalid)
  #expect(try failure(server, endpointToken(issuer(key, name: "apus:other")).accessToken) == .invalid)
}

@Test func `rotating the signing key keeps the tokens that are out, until the old key goes`() throws {
  let (old, new) = (TokenSigningKey(), TokenSigningKey())
  let token = endpointToken(try issuer(old)).accessToken
  #expect(try failure(issuer(new, previous: [old]), token) == nil)
  #expect(try failure(issuer(new), token) == .invalid)
  #expect(try failure(issuer(old), endpointToken(issuer(new, previous: [old])).accessToken) == .invalid)
}

@Test func `a signing key comes back from its PEM text, with the same name`() throws {
  let key = TokenSigningKey()
  let again = try TokenSigningKey(pem: key.pem)
  #expect(again.id == key.id)
  #expect(try failure(issuer(again), endpointToken(issuer(key)).accessToken) == nil)
  #expect(throws: InferenceError.failedPrecondition("token signing key: expected a P-256 private key in PEM")) {
    try TokenSigningKey(pem: "secret")
  }
}

@Test func `unsigned tokens and those with a shared secret are not valid`() throws {
  let key = TokenSigningKey()
  let issuer = try issuer(key)
  var claims = TestClaims(issuer: "apus:test")
  claims.members = [
    "iss": #""apus:test""#, "aud": #""apus:endpoint""#, "sub": #""local:alice""#, "exp": "2000", "endpoint": #""churn""#,
    "epoch": #""7""#,
  ]
  #expect(failure(issuer, unsignedToken(claims)) == .invalid)
  for secret in [key.id, key.pem, ""] {
    #expect(failure(issuer, sharedSecretToken(claims, keyID: key.id, secret: Array(secret.utf8))) == .invalid)
  }
  // Signed by somebody else under this key's name.
  #expect(try failure(issuer, TestKey.p256(key.id).token(claims)) == .invalid)
  #expect(try failure(issuer, TestKey.ed25519(key.id).token(claims)) == .invalid)
}

@Test func `a token with the right signature for anything else is not valid`() throws {
  let key = TokenSigningKey()
  let (issuer, signer) = (try issuer(key), try TestKey.p256(key))
  var good = TestClaims(issuer: "apus:test")
  good.members = [
    "iss": #""apus:test""#, "aud": #""apus:endpoint""#, "sub": #""local:alice""#, "exp": "2000", "endpoint": #""churn""#,
    "epoch": #""7""#,
  ]
  #expect(try failure(issuer, signer.token(good)) == nil)
  let changes: [(String, String?)] = [
    ("aud", #""apus:control""#), ("aud", #"["apus:endpoint","apus:control"]"#), ("aud", nil), ("iss", #""apus:other""#),
    ("iss", nil), ("sub", #""alice""#), ("sub", nil), ("exp", nil), ("endpoint", nil), ("epoch", "7"), ("epoch", nil),
  ]
  for (claim, value) in changes {
    #expect(try failure(issuer, signer.token(good.with(claim, value))) == .invalid, "\(claim): \(value ?? "none")")
  }
}

/// Every character is changed in turn: header, claims, signature and the dots.
@Test func `a token that was changed anywhere is not valid`() throws {
  let issuer = try issuer(TokenSigningKey())
  let token = Array(endpointToken(issuer).accessToken.utf8)
  for index in token.indices {
    var changed = token
    changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    #expect(failure(issuer, String(decoding: changed, as: UTF8.self)) == .invalid)
  }
}

@Test func `a session's token opens no endpoint, and an endpoint's no session`() throws {
  let issuer = try issuer(TokenSigningKey())
  var generator = SystemRandomNumberGenerator()
  let team = try PrincipalID(.local, "team")
  let principal = Principal(alice, kind: .servicePrincipal, groups: [team])
  let session = issuer.sessionToken(for: principal, secret: "s1", at: 1000, using: &generator)
  #expect(session.expiryTimeUtc == 4600)
  let verified = try issuer.verifySession(session.accessToken, at: 1000)
  #expect(verified.principal == principal && verified.secret == "s1")
  #expect(throws: TokenFailure.self) { try issuer.verifySession(session.accessToken, at: 4600) }
  #expect(failure(issuer, session.accessToken) == .invalid)
  #expect(throws: TokenFailure.self) { try issuer.verifySession(endpointToken(issuer).accessToken, at: 1000) }
}

@Test func `lifetimes that make no sense are refused, by field`() {
  let changes: [(String, (inout TokenIssuer.Configuration) -> Void)] = [
    ("endpointLifetime", { $0.endpointLifetime = 0 }), ("sessionLifetime", { $0.sessionLifetime = -1 }),
    ("refreshAfter", { $0.refreshAfter = $0.endpointLifetime + 1 }), ("refreshAfter", { $0.refreshAfter = 0 }),
    ("clockSkew", { $0.clockSkew = 601 }),
  ]
  for (field, change) in changes {
    var configuration = TokenIssuer.Configuration(issuer: "apus:test")
    change(&configuration)
    let error = #expect(throws: InferenceError.self) { try TokenIssuer(configuration, current: TokenSigningKey()) }
    #expect(error?.message.hasPrefix(field) == true)
  }
}
