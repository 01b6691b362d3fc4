import Access
import Inference
import Testing

/// A cache with keyed hashes that come out the same in every run, and its calls for everyday text.
private struct Door {
  let cache: CredentialCache

  init(allowed: Int = 64, refused: Int = 16) {
    var generator = SeededGenerator(seed: 7)
    var limits = CredentialCache.Limits()
    limits.allowed = allowed
    limits.refused = refused
    limits.maxCredentialBytes = 256
    cache = CredentialCache(seed: HashSeed(using: &generator), limits: limits)
  }

  func ask(_ authorization: String, certificate: String = "", _ access: EndpointAccess, at now: Int64) -> CredentialDecision {
    Array(authorization.utf8).withUnsafeBytes { authorization in
      Array(certificate.utf8).withUnsafeBytes { certificate in
        cache.decision(authorization: authorization, certificate: certificate, access: access, at: now)
      }
    }
  }

  func remember(
    _ outcome: CredentialVerdict.Outcome, for authorization: String, certificate: String = "", _ access: EndpointAccess,
    until expires: Int64, at now: Int64
  ) {
    let verdict = CredentialVerdict(outcome, expires: expires, generation: access.generation, log: "")
    Array(authorization.utf8).withUnsafeBytes { authorization in
      Array(certificate.utf8).withUnsafeBytes { certificate in
        cache.remember(verdict, authorization: authorization, certificate: certificate, access: access, at: now)
      }
    }
  }
}

@Test func `an open endpoint lets everybody in, whatever they send`() {
  let access = EndpointAccess.open(endpoint: 1, generation: 1)
  for authorization in ["", "Bearer x", "Basic x"] {
    #expect(Door().ask(authorization, access, at: 0) == .allowed(caller: 0))
  }
}

@Test func `a key is checked at the door, and the two keys are two callers`() {
  let door = Door()
  let keys = someKeys(1)
  let access = EndpointAccess.keys(keys, endpoint: 1, generation: 1)
  for _ in 1...2 {
    #expect(door.ask("Bearer \(keys.primary.text)", access, at: 10) == .allowed(caller: 1))
    #expect(door.ask("bEARER   \(keys.secondary.text) ", access, at: 10) == .allowed(caller: 2))
    #expect(door.ask("Bearer \(someKeys(2).primary.text)", access, at: 10) == .refused(.invalid))
  }
  #expect(door.ask("", access, at: 10) == .refused(.missing))
}

@Test func `a key that was rotated away is refused at once, and the other goes on`() throws {
  let door = Door()
  var keys = someKeys(1)
  let old = keys
  #expect(door.ask("Bearer \(old.primary.text)", .keys(keys, endpoint: 1, generation: 1), at: 10) == .allowed(caller: 1))
  var generator = SeededGenerator(seed: 3)
  try keys.regenerate(.primary, using: &generator)
  let access = EndpointAccess.keys(keys, endpoint: 1, generation: 2)
  #expect(door.ask("Bearer \(old.primary.text)", access, at: 10) == .refused(.invalid))
  #expect(door.ask("Bearer \(old.secondary.text)", access, at: 10) == .allowed(caller: 2))
  #expect(door.ask("Bearer \(keys.primary.text)", access, at: 10) == .allowed(caller: 1))
}

@Test(arguments: ["Bearer", "Bearer ", "Bearer    ", "Basic abc", "bearerabc", "\u{22}earer x", "Bearer " + String(repeating: "x", count: 250)])
func `what is not a bearer credential is malformed`(authorization: String) {
  let access = EndpointAccess.amlToken(endpoint: 1, generation: 1, epoch: 1)
  #expect(Door().ask(authorization, access, at: 0) == .refused(.malformed))
}

@Test func `a token is unknown until it was verified, and again when it has expired`() {
  let door = Door()
  let access = EndpointAccess.amlToken(endpoint: 1, generation: 1, epoch: 1)
  #expect(door.ask("Bearer eyToken", access, at: 100) == .unknown)
  door.remember(.allowed(caller: 9), for: "Bearer eyToken", access, until: 200, at: 100)
  #expect(door.ask("Bearer eyToken", access, at: 199) == .allowed(caller: 9))
  #expect(door.ask("BEARER  eyToken", access, at: 199) == .allowed(caller: 9))
  #expect(door.ask("Bearer eyToken", access, at: 200) == .unknown)
  #expect(door.ask("Bearer eyTokem", access, at: 150) == .unknown)
}

@Test func `what is known of one endpoint or generation says nothing about another`() {
  let door = Door()
  let access = EndpointAccess.aadToken(endpoint: 1, generation: 1)
  door.remember(.allowed(caller: 9), for: "Bearer eyToken", access, until: 200, at: 100)
  #expect(door.ask("Bearer eyToken", .aadToken(endpoint: 2, generation: 1), at: 100) == .unknown)
  #expect(door.ask("Bearer eyToken", .aadToken(endpoint: 1, generation: 2), at: 100) == .unknown)
  #expect(door.ask("Bearer eyToken", access, at: 100) == .allowed(caller: 9))
}

@Test func `a refusal is remembered, but not for long`() {
  let door = Door()
  let access = EndpointAccess.amlToken(endpoint: 1, generation: 1, epoch: 1)
  door.remember(.refused(.expired), for: "Bearer eyToken", access, until: .max, at: 100)
  #expect(door.ask("Bearer eyToken", access, at: 104) == .refused(.expired))
  #expect(door.ask("Bearer eyToken", access, at: 105) == .unknown)
}

@Test func `a flood of bad credentials leaves the good ones where they are`() {
  let door = Door(allowed: 4, refused: 4)
  let access = EndpointAccess.amlToken(endpoint: 1, generation: 1, epoch: 1)
  for caller: UInt64 in 1...4 {
    door.remember(.allowed(caller: caller), for: "Bearer eyGood\(caller)", access, until: 1000, at: 0)
  }
  for bad in 0..<1000 { door.remember(.refused(.invalid), for: "Bearer eyBad\(bad)", access, until: 1000, at: 0) }
  for caller: UInt64 in 1...4 { #expect(door.ask("Bearer eyGood\(caller)", access, at: 1) == .allowed(caller: caller)) }
}

@Test func `a full set gives up what expires first`() {
  let door = Door(allowed: 4)
  let access = EndpointAccess.amlToken(endpoint: 1, generation: 1, epoch: 1)
  for number: UInt64 in 1...5 {
    door.remember(.allowed(caller: number), for: "Bearer ey\(number)", access, until: 100 + Int64(number), at: 0)
  }
  #expect(door.ask("Bearer ey1", access, at: 1) == .unknown)
  for number: UInt64 in 2...5 { #expect(door.ask("Bearer ey\(number)", access, at: 1) == .allowed(caller: number)) }
}

@Test func `a certificate counts where no authorization came`() {
  let door = Door()
  let access = EndpointAccess.aadToken(endpoint: 1, generation: 1)
  let name = "ey:certificate:spiffe://example/scorer"
  #expect(door.ask("", certificate: name, access, at: 0) == .unknown)
  door.remember(.allowed(caller: 5), for: "", certificate: name, access, until: 100, at: 0)
  #expect(door.ask("", certificate: name, access, at: 1) == .allowed(caller: 5))
  // The same text as a token is another credential.
  #expect(door.ask("Bearer \(name)", access, at: 1) == .unknown)
}

/// Against a dictionary that forgets nothing: the cache may forget, but never invents or mixes up.
@Test func `a cache never says what was not verified`() {
  var generator = SeededGenerator(seed: 11)
  let door = Door(allowed: 16, refused: 8)
  var model: [String: (CredentialVerdict.Outcome, Int64)] = [:]
  var hits = 0
  for step in 0..<20_000 {
    let now = Int64(step / 10)
    let credential = "Bearer ey\(Int.random(in: 0..<40, using: &generator))"
    let endpoint = UInt64.random(in: 1...2, using: &generator)
    let access = EndpointAccess.amlToken(endpoint: endpoint, generation: UInt64(step / 500), epoch: 1)
    let key = "\(credential) \(endpoint) \(step / 500)"
    switch door.ask(credential, access, at: now) {
    case .unknown:
      let expires = now + Int64.random(in: 1...50, using: &generator)
      let outcome: CredentialVerdict.Outcome =
        Bool.random(using: &generator) ? .allowed(caller: UInt64(step)) : .refused(.forbidden)
      door.remember(outcome, for: credential, access, until: expires, at: now)
      model[key] = (outcome, expires)
    case .allowed(let caller):
      hits += 1
      let known = model[key]
      #expect(known?.0 == .allowed(caller: caller) && now < known?.1 ?? 0)
    case .refused(let refusal):
      hits += 1
      let known = model[key]
      #expect(known?.0 == .refused(refusal) && now < known?.1 ?? 0)
    }
  }
  #expect(hits > 1000)
}

@Test func `a wrong credential gets the same answer whatever there is`() {
  let accesses: [EndpointAccess] = [
    .keys(someKeys(1), endpoint: 1, generation: 1), .amlToken(endpoint: 2, generation: 1, epoch: 1),
    .aadToken(endpoint: 3, generation: 1), .noEndpoint(generation: 1),
  ]
  for (credential, expected) in [
    ("", CredentialDecision.refused(.missing)), ("Basic x", .refused(.malformed)), ("Bearer wrong", .refused(.invalid)),
    ("Bearer eyJhbGciOiJub25lIn0.e30.", .unknown), ("Bearer apus_login_0123456789abcdef_x", .unknown),
    ("Bearer apus_once_0123456789abcdef_x", .refused(.invalid)),
  ] {
    for access in accesses { #expect(Door().ask(credential, access, at: 0) == expected) }
  }
}

@Test func `no refusal says whether the endpoint exists`() {
  for number in UInt8.min...UInt8.max {
    guard let refusal = CredentialRefusal(rawValue: number) else { continue }
    #expect(!refusal.message.contains("exist") && !refusal.message.contains("endpoint"))
  }
}
