import Access
import Inference
import Testing

private func secret(_ use: PrincipalSecret.Use, expires: Int64? = nil) throws -> (secret: String, kept: PrincipalSecret) {
  var generator = SeededGenerator(seed: 4)
  return PrincipalSecret.make(for: try PrincipalID(.local, "ci"), use: use, expires: expires, using: &generator)
}

@Test func `a secret names its record, and the record does not hold it`() throws {
  let (text, kept) = try secret(.many)
  #expect(text.hasPrefix("apus_login_") && PrincipalSecret.id(of: text) == kept.id)
  #expect(!"\(kept)".contains(text))
  for other in ["", "apus_login_", "apus_login_xyz_abc", "apus_0123456789abcdef_x", text + String(repeating: "x", count: 99)] {
    #expect(PrincipalSecret.id(of: other) == nil)
  }
}

@Test func `a secret for many uses is good until it expires`() throws {
  var (text, kept) = try secret(.many, expires: 100)
  try kept.verify(text, at: 1)
  try kept.verify(text, at: 99)
  #expect(throws: PrincipalSecret.Refusal.expired) { try kept.verify(text, at: 100) }
  #expect(throws: PrincipalSecret.Refusal.wrong) { try kept.verify(text + "x", at: 1) }
}

@Test func `a one-time secret is good once, and a wrong try does not spend it`() throws {
  var (text, kept) = try secret(.once, expires: 100)
  #expect(text.hasPrefix("apus_once_"))
  #expect(throws: PrincipalSecret.Refusal.wrong) { try kept.verify("apus_once_", at: 1) }
  #expect(throws: PrincipalSecret.Refusal.expired) { try kept.verify(text, at: 100) }
  #expect(kept.use == .once)
  try kept.verify(text, at: 99)
  #expect(kept.use == .spent)
  #expect(throws: PrincipalSecret.Refusal.spent) { try kept.verify(text, at: 99) }
}

@Test func `digests are read as they are printed`() throws {
  let digest = SecretDigest(of: "abc")
  #expect(digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")  // FIPS 180-2, appendix B.1
  #expect(SecretDigest(hex: digest.hex) == digest)
  #expect(SecretDigest(of: "abd") != digest)
  for text in ["", "ba", digest.hex + "00", String(digest.hex.dropLast()) + "x"] { #expect(SecretDigest(hex: text) == nil) }
}
