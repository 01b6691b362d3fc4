import Access
import Inference
import Testing
import Tokens

/// A server with three kinds of endpoint, an issuer, and people with and without roles; at second 1000.
private struct Town {
  let verifier: CredentialVerifier
  let tokens: TokenIssuer
  let keys: EndpointKeys
  let issuerKey: TestKey
  let address: String

  static func with(_ body: (Town) async throws -> Void) async throws {
    let issuerKey = TestKey.p256("k1")
    try await TinyServer.with { server in
      server.answer(
        "/.well-known/openid-configuration",
        .init(body: #"{"issuer":"\#(server.address)","jwks_uri":"\#(server.address)/keys"}"#))
      server.answer("/keys", .init(body: #"{"keys":[\#(issuerKey.publicJSON)]}"#))
      let documents = HTTPDocuments()
      let openID = try OpenIDConnect(
        [OpenIDConfiguration(name: "corp", issuer: server.address, audiences: ["apus"])], documents: documents)
      let tokens = try TokenIssuer(TokenIssuer.Configuration(issuer: "apus:test"), current: TokenSigningKey())
      let authorizer = try Authorizer([
        RoleAssignment(.principal(try PrincipalID(parsing: "oidc:corp:alice")), role: "Endpoint Scorer", scope: .endpoint("aad")),
        // Left over from an endpoint that is gone.
        RoleAssignment(
          .principal(try PrincipalID(parsing: "oidc:corp:carol")), role: "Endpoint Scorer", scope: .endpoint("nothing")),
        RoleAssignment(.group(try PrincipalID(parsing: "oidc:corp:admins")), role: "Owner", scope: .workspace),
        RoleAssignment(
          .principal(try PrincipalID(parsing: "certificate:dns:app.example")), role: "Endpoint Scorer", scope: .endpoint("aad")),
      ])
      var generator = SystemRandomNumberGenerator()
      let town = Town(
        verifier: CredentialVerifier(issuer: { tokens }, openID: openID, authorizer: { authorizer }, now: { 1000 }),
        tokens: tokens, keys: EndpointKeys(using: &generator), issuerKey: issuerKey, address: server.address)
      let result: Result<Void, any Error>
      do { result = .success(try await body(town)) } catch { result = .failure(error) }
      await documents.shutdown()
      try result.get()
    }
  }

  var accesses: [(name: String, access: EndpointAccess)] {
    [
      ("key", .keys(keys, endpoint: 1, generation: 5)), ("aml", .amlToken(endpoint: 2, generation: 5, epoch: 7)),
      ("aad", .aadToken(endpoint: 3, generation: 5)), ("nothing", .noEndpoint(generation: 5)),
    ]
  }

  func person(_ subject: String, groups: String = "[]") throws -> PresentedCredential {
    bearer(
      try issuerKey.token(
        TestClaims(issuer: address).with("sub", "\"\(subject)\"").with("groups", groups)))
  }

  func endpointToken(_ endpoint: String) throws -> PresentedCredential {
    var generator = SystemRandomNumberGenerator()
    let alice = try PrincipalID(.local, "alice")
    return bearer(tokens.endpointToken(for: alice, endpoint: endpoint, epoch: 7, at: 1000, using: &generator).accessToken)
  }

  func session() throws -> PresentedCredential {
    var generator = SystemRandomNumberGenerator()
    let admin = Principal(try PrincipalID(.local, "admin"), kind: .user)
    return bearer(tokens.sessionToken(for: admin, secret: "s1", at: 1000, using: &generator).accessToken)
  }

  func bearer(_ text: String) -> PresentedCredential { PresentedCredential(authorization: Array("Bearer \(text)".utf8)) }

  /// Refusals at the four endpoints, nil where it opens.
  func refusals(_ credential: PresentedCredential) async -> [CredentialRefusal?] {
    var refusals: [CredentialRefusal?] = []
    for (name, access) in accesses {
      let verdict = await verifier.verdict(on: credential, endpoint: name, access: access)
      #expect(verdict.generation == 5 && !verdict.log.isEmpty)
      if case .refused(let refusal) = verdict.outcome { refusals.append(refusal) } else { refusals.append(nil) }
    }
    return refusals
  }
}

@Test func `each endpoint takes its own kind of credential, and forbids the others as if nothing were there`() async throws {
  try await Town.with { town in
    let application = PresentedCredential(certificate: Array("certificate:dns:app.example".utf8))
    // Endpoints: key, aml_token, aad_token, and a name that none has. Who may score everything may know what there is.
    let rows: [(PresentedCredential, [CredentialRefusal?])] = [
      (town.bearer(town.keys.primary.text), [nil, .invalid, .invalid, .invalid]),
      (try town.endpointToken("aml"), [.forbidden, nil, .forbidden, .forbidden]),
      (try town.endpointToken("else"), Array(repeating: .forbidden, count: 4)),
      (try town.session(), Array(repeating: .forbidden, count: 4)),
      (try town.person("bob"), Array(repeating: .forbidden, count: 4)),
      (try town.person("carol"), Array(repeating: .forbidden, count: 4)),
      (try town.person("alice"), [.forbidden, .forbidden, nil, .forbidden]),
      (application, [.forbidden, .forbidden, nil, .forbidden]),
      (try town.person("bob", groups: #"["admins"]"#), [.forbidden, .forbidden, nil, nil]),
    ]
    for (credential, expected) in rows { #expect(await town.refusals(credential) == expected) }
  }
}

@Test func `a credential that is not good is refused alike everywhere`() async throws {
  try await Town.with { town in
    let claims = TestClaims(issuer: town.address)
    let bad: [(PresentedCredential, CredentialRefusal)] = [
      (PresentedCredential(), .missing), (PresentedCredential(authorization: Array("Basic x".utf8)), .malformed),
      (town.bearer("wrong"), .invalid), (town.bearer(try town.issuerKey.token(claims.with("exp", "900"))), .expired),
      (town.bearer(unsignedToken(claims)), .invalid), (town.bearer(try TestKey.p256("k1").token(claims)), .invalid),
      (PresentedCredential(certificate: Array("local:alice".utf8)), .invalid),
      (PresentedCredential(certificate: [0xff]), .invalid),
    ]
    for (credential, refusal) in bad { #expect(await town.refusals(credential) == Array(repeating: refusal, count: 4)) }
  }
}

@Test func `a verdict lasts no longer than its credential, nor than five minutes`() async throws {
  try await Town.with { town in
    let (name, access) = town.accesses[2]
    let claims = TestClaims(issuer: town.address)
    for (expiry, expected) in [("1100", 1160), ("2000", 1300)] as [(String, Int64)] {
      let token = town.bearer(try town.issuerKey.token(claims.with("exp", expiry)))
      let verdict = await town.verifier.verdict(on: token, endpoint: name, access: access)
      let alice = Principal(try PrincipalID(parsing: "oidc:corp:alice"), kind: .user)
      #expect(verdict.outcome == .allowed(caller: alice.caller) && verdict.expires == expected)
    }
  }
}

@Test func `the control plane takes sessions, people and certificates, but no endpoint's token`() async throws {
  try await Town.with { town in
    let session = try await town.verifier.authenticate(town.session())
    #expect(session.principal.id.description == "local:admin" && session.secret == "s1")
    let person = try await town.verifier.authenticate(town.person("bob"))
    #expect(person.principal.id.description == "oidc:corp:bob" && person.secret == nil)
    let application = try await town.verifier.authenticate(
      PresentedCredential(certificate: Array("certificate:dns:app.example".utf8)))
    #expect(application.principal.kind == .servicePrincipal)
    for credential in [try town.endpointToken("aml"), town.bearer(town.keys.primary.text), PresentedCredential()] {
      await #expect(throws: TokenFailure.self) { try await town.verifier.authenticate(credential) }
    }
  }
}
