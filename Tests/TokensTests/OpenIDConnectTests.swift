import Access
import Inference
import NIOHTTP1
import Testing
import Tokens

/// An issuer on a real server, and who believes it.
private struct Issuer {
  static let discovery = "/.well-known/openid-configuration"
  let server: TinyServer
  let openID: OpenIDConnect

  static func with(
    _ keys: [TestKey], adjust: (inout OpenIDConfiguration) -> Void = { _ in }, _ body: (Issuer) async throws -> Void
  ) async throws {
    try await TinyServer.with { server in
      let documents = HTTPDocuments()
      var configuration = OpenIDConfiguration(name: "corp", issuer: server.address, audiences: ["apus"])
      adjust(&configuration)
      let issuer = Issuer(server: server, openID: try OpenIDConnect([configuration], documents: documents))
      issuer.publish(keys)
      let result: Result<Void, any Error>
      do { result = .success(try await body(issuer)) } catch { result = .failure(error) }
      await documents.shutdown()
      try result.get()
    }
  }

  var claims: TestClaims { TestClaims(issuer: server.address) }

  func publish(_ keys: [TestKey], cacheControl: String? = nil) {
    publish(keySet: #"{"keys":[\#(keys.map(\.publicJSON).joined(separator: ","))]}"#, cacheControl: cacheControl)
  }

  func publish(keySet: String, cacheControl: String? = nil) {
    publish(discovery: #"{"issuer":"\#(server.address)","jwks_uri":"\#(server.address)/keys"}"#)
    server.answer("/keys", .init(headers: cacheControl.map { ["cache-control": $0] } ?? [:], body: keySet))
  }

  func publish(discovery: String) { server.answer(Issuer.discovery, .init(body: discovery)) }

  var fetches: Int { server.asked("/keys") }

  /// Nil if the token is good.
  func failure(_ token: String, at now: Int64 = 1000) async -> TokenFailure? {
    do throws(TokenFailure) {
      _ = try await openID.verify(token, at: now)
      return nil
    } catch {
      return error
    }
  }
}

@Test func `tokens of every algorithm are accepted, and no key is used for another's`() async throws {
  let keys = [try TestKey.rsa("rsa"), .p256("p256"), .p384("p384"), .ed25519("ed")]
  try await Issuer.with(keys) { issuer in
    var accepted: [String] = []
    for key in keys {
      for algorithm in key.algorithms {
        let (principal, expires) = try await issuer.openID.verify(try key.token(issuer.claims, algorithm: algorithm), at: 1000)
        #expect(principal.id.description == "oidc:corp:alice" && expires == 2060)
        #expect(principal.displayName == "Alice" && principal.kind == .user)
        #expect(principal.groups.map(\.description) == ["oidc:corp:team", "oidc:corp:staff"])
        accepted.append(algorithm)
        for other in keys where other.id != key.id {
          let swapped = try key.token(issuer.claims, algorithm: algorithm, keyID: other.id)
          #expect(await issuer.failure(swapped)?.refusal == .invalid)
        }
      }
    }
    #expect(
      accepted.sorted() == ["ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"])
    #expect(issuer.fetches == 1)
  }
}

@Test func `a key that names its algorithm is used for no other`() async throws {
  let key = try TestKey.rsa("rsa")
  try await Issuer.with([key]) { issuer in
    issuer.publish(keySet: #"{"keys":[{"kid":"rsa","alg":"PS256",\#(key.members)}]}"#)
    for algorithm in key.algorithms {
      let token = try key.token(issuer.claims, algorithm: algorithm)
      #expect(await issuer.failure(token)?.refusal == (algorithm == "PS256" ? nil : .invalid))
    }
  }
}

@Test func `a token that is wrong in one thing is refused, and the log says in which`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key], adjust: { $0.requiredClaims = ["tenant": "t1"] }) { issuer in
    let good = issuer.claims.with("tenant", #""t1""#)
    let token = try key.token(good)
    #expect(await issuer.failure(token) == nil)
    let point = Array(key.publicJSON.utf8)
    let rows: [(String, CredentialRefusal, String)] = [
      (try key.token(good.with("exp", "900")), .expired, "exp"),
      (try key.token(good.with("exp", nil)), .invalid, "exp"),
      (try key.token(good.with("exp", #""2000""#)), .invalid, "exp"),
      (try key.token(good.with("exp", "-1")), .invalid, "exp"),
      (try key.token(good.with("nbf", "1061")), .invalid, "nbf"),
      (try key.token(good.with("iat", "1061")), .invalid, "iat"),
      (try key.token(good.with("iss", #""https://other.example""#)), .invalid, "iss"),
      (try key.token(good.with("iss", nil)), .invalid, "iss"),
      (try key.token(good.with("aud", #""other""#)), .invalid, "aud"),
      (try key.token(good.with("aud", nil)), .invalid, "aud"),
      (try key.token(good.with("aud", #"["apus",1]"#)), .invalid, "aud"),
      (try key.token(good.with("tenant", #""t2""#)), .invalid, "tenant"),
      (try key.token(good.with("tenant", nil)), .invalid, "tenant"),
      (try key.token(good.with("sub", nil)), .invalid, "sub"),
      (try key.token(good.with("sub", #""""#)), .invalid, "sub"),
      (try key.token(good, keyID: "k2"), .invalid, "kid"),
      (try key.token(good, header: #","crit":["exp"]"#), .invalid, "crit"),
      (try TestKey.p256("k1").token(good), .invalid, "signature"),
      (unsignedToken(good), .invalid, "alg"),
      (sharedSecretToken(good, keyID: "k1", secret: point), .invalid, "alg"),
      ("eyJhbGciOiJFUzI1NiJ9.e30", .invalid, "parts"), ("ey", .invalid, "parts"), ("ey..", .invalid, "header"),
      ("eyJ.e30.AAAA", .invalid, "header"), ("\(Base64URL.text("[]".utf8)).e30.AAAA", .invalid, "header"),
      ("ey" + String(repeating: "A", count: 20_000), .invalid, "bytes"),
      ("\(Base64URL.text(#"{"alg":"ES256"}"#.utf8)).\(Base64URL.text(String(repeating: "[", count: 9000).utf8)).AAAA", .invalid, "claims"),
    ]
    for (token, refusal, word) in rows {
      let failure = await issuer.failure(token)
      #expect(failure?.refusal == refusal && failure?.log.contains(word) == true, "\(word): \(String(describing: failure))")
      #expect(failure?.log.contains(token) != true)
    }
  }
}

@Test func `clocks may be off by the skew, and no more`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key], adjust: { $0.clockSkew = 10 }) { issuer in
    let token = try key.token(issuer.claims)  // nbf 900, exp 2000
    #expect(await issuer.failure(token, at: 889)?.refusal == .invalid)
    #expect(await issuer.failure(token, at: 890) == nil)
    #expect(await issuer.failure(token, at: 2009) == nil)
    #expect(await issuer.failure(token, at: 2010)?.refusal == .expired)
  }
}

@Test func `a key that is new at the issuer is fetched when its first token comes`() async throws {
  let (old, new) = (TestKey.p256("old"), TestKey.p256("new"))
  try await Issuer.with([old]) { issuer in
    let (oldToken, newToken) = (try old.token(issuer.claims), try new.token(issuer.claims))
    #expect(await issuer.failure(oldToken, at: 1000) == nil)
    issuer.publish([new])
    #expect(await issuer.failure(oldToken, at: 1029) == nil)
    // Too early for another fetch.
    #expect(await issuer.failure(newToken, at: 1029)?.refusal == .invalid)
    #expect(await issuer.failure(newToken, at: 1030) == nil)
    #expect(await issuer.failure(oldToken, at: 1030)?.refusal == .invalid)
    #expect(issuer.fetches == 2)
  }
}

@Test func `a flood of unknown keys makes one fetch every half minute`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key]) { issuer in
    for number in 0..<120 {
      let token = try key.token(issuer.claims, keyID: "no-\(number)")
      #expect(await issuer.failure(token, at: 1000 + Int64(number) / 2)?.refusal == .invalid)
    }
    #expect(issuer.fetches == 2)
  }
}

@Test func `many tokens at once wait for one fetch`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key]) { issuer in
    let token = try key.token(issuer.claims)
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<50 { group.addTask { (try? await issuer.openID.verify(token, at: 1000)) != nil } }
      for await isGood in group { #expect(isGood) }
    }
    #expect(issuer.fetches == 1 && issuer.server.asked(Issuer.discovery) == 1)
  }
}

@Test func `old keys go on while the issuer is down, for a day`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key]) { issuer in
    let token = try key.token(issuer.claims.with("exp", "1000000"))
    #expect(await issuer.failure(token, at: 1000) == nil)
    issuer.server.setDown(true)
    let stale: Int64 = 1000 + 3600
    #expect(await issuer.failure(token, at: stale - 1) == nil)
    #expect(issuer.server.asked(Issuer.discovery) == 1)
    for now in [stale, stale + 1, stale + 86_399] { #expect(await issuer.failure(token, at: now) == nil) }
    // A key that isn't known may be a new one: nobody can say.
    let other = try key.token(issuer.claims.with("exp", "1000000"), keyID: "new")
    #expect(await issuer.failure(other, at: stale)?.refusal == .unverifiable)
    let failure = await issuer.failure(token, at: stale + 86_400)
    #expect(failure?.refusal == .unverifiable && failure?.log.contains(issuer.server.address) == true)
    issuer.server.setDown(false)
    #expect(await issuer.failure(token, at: stale + 2 * 86_400) == nil)
  }
}

@Test func `an issuer that was never reached makes tokens unverifiable, and is asked less and less often`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key]) { issuer in
    issuer.server.setDown(true)
    let token = try key.token(issuer.claims.with("exp", "1000000"))
    for now in Int64(1000)...2000 { #expect(await issuer.failure(token, at: now)?.refusal == .unverifiable) }
    // At 1000, then 30, 60, 120, 240 and 480 seconds after the one before. A request on a closed connection may be sent
    // again by the client itself.
    let tries = issuer.server.asked(Issuer.discovery)
    #expect(tries >= 6 && tries <= 18, "\(tries)")
    issuer.server.setDown(false)
    #expect(await issuer.failure(token, at: 3000) == nil)
  }
}

@Test func `how long keys are fresh is what the issuer says, within bounds`() async throws {
  let key = TestKey.p256("k1")
  for (header, fresh) in [
    ("max-age=0", 60), ("no-store", 60), ("public, max-age=600", 600), ("max-age=999999999", 86_400), ("private", 3600),
  ] as [(String, Int64)] {
    try await Issuer.with([key]) { issuer in
      issuer.publish([key], cacheControl: header)
      let token = try key.token(issuer.claims.with("exp", "1000000"))
      for now in [1000, 1000 + fresh - 1] { #expect(await issuer.failure(token, at: now) == nil) }
      #expect(issuer.fetches == 1, "\(header)")
      #expect(await issuer.failure(token, at: 1000 + fresh) == nil)
      #expect(issuer.fetches == 2, "\(header)")
    }
  }
}

@Test func `documents that are too long, moved, or not what they should be give no keys`() async throws {
  let key = TestKey.p256("k1")
  let padding = String(repeating: " ", count: 300_000)
  let many = (0..<129).map { #"{"kid":"\#($0)",\#(key.members)}"# }.joined(separator: ",")
  try await TinyServer.with { elsewhere in
    elsewhere.answer("/keys", .init(body: #"{"keys":[\#(key.publicJSON)]}"#))
    let cases: [(String, (Issuer) -> Void)] = [
      ("longer than 262144 bytes", { $0.publish(keySet: #"{"keys":[\#(key.publicJSON)]\#(padding)}"#) }),
      ("longer than 262144 bytes", { $0.publish(discovery: padding + padding) }),
      ("expected at most 128, got 129", { $0.publish(keySet: #"{"keys":[\#(many)]}"#) }),
      ("expected a JSON object", { $0.publish(keySet: "<html>") }),
      ("none of 1 keys", { $0.publish(keySet: #"{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}"#) }),
      ("not JSON", { $0.publish(discovery: "nonsense") }),
      ("is that of 'https://other.example'", { $0.publish(discovery: #"{"issuer":"https://other.example","jwks_uri":"x"}"#) }),
      (
        "jwks_uri",
        { $0.publish(discovery: #"{"issuer":"\#($0.server.address)","jwks_uri":"http://keys.example/keys"}"#) }
      ),
      ("jwks_uri", { $0.publish(discovery: #"{"issuer":"\#($0.server.address)"}"#) }),
      (
        "expected status 200, got 302",
        { $0.server.answer("/keys", .init(status: .found, headers: ["location": elsewhere.address + "/keys"])) }
      ),
      ("expected status 200, got 500", { $0.server.answer(Issuer.discovery, .init(status: .internalServerError)) }),
    ]
    for (words, change) in cases {
      try await Issuer.with([key]) { issuer in
        change(issuer)
        let failure = await issuer.failure(try key.token(issuer.claims))
        #expect(failure?.refusal == .unverifiable && failure?.log.contains(words) == true, "\(String(describing: failure))")
      }
    }
    #expect(elsewhere.asked("/keys") == 0)
  }
}

@Test func `an issuer that never answers is given up after the timeout`() async throws {
  try await TinyServer.with { server in
    server.answer("/keys", .init(isSilent: true))
    let documents = HTTPDocuments(timeoutSeconds: 1)
    await #expect(throws: DocumentError.self) {
      try await documents.document(at: server.address + "/keys", maxBytes: 1000)
    }
    await documents.shutdown()
  }
}

@Test func `an application's token makes a service principal`() async throws {
  let key = TestKey.p256("k1")
  try await Issuer.with([key], adjust: { $0.subjectClaim = "oid" }) { issuer in
    let token = try key.token(issuer.claims.with("idtyp", #""app""#).with("oid", #""123""#).with("groups", "7"))
    let (principal, _) = try await issuer.openID.verify(token, at: 1000)
    #expect(principal.kind == .servicePrincipal && principal.id.description == "oidc:corp:123" && principal.groups.isEmpty)
  }
}

@Test func `a set may hold keys that are of no use here, beside those that are`() async throws {
  let key = TestKey.p256("k1")
  let others = [
    #"{"kty":"oct","kid":"k1","alg":"HS256","k":"c2VjcmV0"}"#, #"{"kty":"RSA","kid":"short","n":"AQAB","e":"AQAB"}"#,
    #"{"kty":"EC","crv":"secp256k1","kid":"x","x":"AA","y":"AA"}"#, #"{"kid":"k1","use":"enc",\#(TestKey.p256("").members)}"#,
    #"{"kty":"EC","crv":"P-256","kid":"bad","x":"AA","y":"AA"}"#, "{}", "7",
  ]
  try await Issuer.with([key]) { issuer in
    issuer.publish(keySet: #"{"keys":[\#((others + [key.publicJSON]).joined(separator: ","))]}"#)
    let token = try key.token(issuer.claims)
    #expect(await issuer.failure(token) == nil)
    let shared = sharedSecretToken(issuer.claims, keyID: "k1", secret: Array("secret".utf8))
    #expect(await issuer.failure(shared)?.refusal == .invalid)
  }
}

@Test func `a configuration that is not sound is refused, by field`() throws {
  let good = OpenIDConfiguration(name: "corp", issuer: "https://login.example/tenant", audiences: ["apus"])
  try good.validate()
  let changes: [(String, (inout OpenIDConfiguration) -> Void)] = [
    ("issuer name", { $0.name = "Corp" }), ("issuers.corp.issuer", { $0.issuer = "http://login.example" }),
    ("issuers.corp.issuer", { $0.issuer = "https://login.example?x=1" }), ("issuers.corp.issuer", { $0.issuer = "login" }),
    ("issuers.corp.issuer", { $0.issuer = "https://user:pw@login.example" }),
    ("issuers.corp.issuer", { $0.issuer = "http://localhost.evil.example" }),
    ("issuers.corp.audiences", { $0.audiences = [] }), ("issuers.corp.clockSkew", { $0.clockSkew = 601 }),
    ("subjectClaim", { $0.subjectClaim = "" }),
  ]
  for (field, change) in changes {
    var configuration = good
    change(&configuration)
    let error = #expect(throws: InferenceError.self) { try configuration.validate() }
    #expect(error?.message.contains(field) == true, "\(field): \(String(describing: error))")
  }
  for address in ["http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1"] {
    try OpenIDConfiguration(name: "here", issuer: address, audiences: ["apus"]).validate()
  }
}
