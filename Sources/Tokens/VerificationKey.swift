internal import Access
internal import FoundationEssentials
internal import JWTKit

/// A public key of an issuer, and the algorithms that it may be used with.
struct VerificationKey: Sendable {
  /// Bits of an RSA modulus, both inclusive: shorter is weak (RFC 7518, section 3.3), longer is slow to check.
  static let rsaBits = 2048...8192

  let id: String?
  private let algorithms: [SignatureAlgorithm: any JWTAlgorithm]

  /// - Parameter json: A member of `keys` of a JSON Web Key Set.
  /// - Returns: Nil for a key that isn't for signatures or of a kind that isn't taken here. Sets hold such keys too, for
  ///   others, and they are no reason to refuse the rest.
  init?(_ json: JSONValue) async {
    if let use = json["use"]?.string, use != "sig" { return nil }
    if let operations = json["key_ops"]?.strings, !operations.contains("verify") { return nil }
    id = json["kid"]?.string
    var candidates: [SignatureAlgorithm]
    switch (json["kty"]?.string, json["crv"]?.string) {
    case ("RSA", _):
      guard let modulus = json["n"]?.string.flatMap({ Base64URL.bytes($0) }),
        VerificationKey.rsaBits.contains(modulus.drop { $0 == 0 }.count * 8)
      else { return nil }
      candidates = [.rs256, .rs384, .rs512, .ps256, .ps384, .ps512]
    case ("EC", "P-256"): candidates = [.es256]
    case ("EC", "P-384"): candidates = [.es384]
    case ("OKP", "Ed25519"): candidates = [.edDSA]
    default: return nil
    }
    if let only = json["alg"]?.string { candidates.removeAll { $0.rawValue != only } }
    var algorithms: [SignatureAlgorithm: any JWTAlgorithm] = [:]
    for candidate in candidates {
      if let algorithm = await VerificationKey.algorithm(candidate, json) { algorithms[candidate] = algorithm }
    }
    guard !algorithms.isEmpty else { return nil }
    self.algorithms = algorithms
  }

  func supports(_ algorithm: SignatureAlgorithm) -> Bool { algorithms[algorithm] != nil }

  /// - Throws: `.invalid` unless the token's signature is this key's, by an algorithm that the key is for.
  func verify(_ token: CompactToken) throws(TokenFailure) {
    guard let algorithm = algorithms[token.algorithm] else {
      let names = algorithms.keys.map(\.rawValue).sorted().joined(separator: ", ")
      throw .invalid("token: alg: key '\(id ?? "")' is for \(names), got \(token.algorithm.rawValue)")
    }
    guard (try? algorithm.verify(token.signature, signs: token.signed)) == true else {
      throw .invalid("token: the signature is not that of key '\(id ?? "")'")
    }
  }

  /// A collection of one key, so that no other can be used in its place.
  private static func algorithm(_ algorithm: SignatureAlgorithm, _ json: JSONValue) async -> (any JWTAlgorithm)? {
    let name = "key"
    let identifier = JWKIdentifier(string: name)
    guard let kind = JWK.Algorithm(rawValue: algorithm.rawValue) else { return nil }
    let key: JWK
    switch algorithm {
    case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
      key = .rsa(kind, identifier: identifier, modulus: json["n"]?.string, exponent: json["e"]?.string)
    case .es256, .es384:
      let curve: ECDSACurve = algorithm == .es256 ? .p256 : .p384
      key = .ecdsa(kind, identifier: identifier, x: json["x"]?.string, y: json["y"]?.string, curve: curve)
    case .edDSA:
      key = .octetKeyPair(kind, identifier: identifier, x: json["x"]?.string, y: nil, curve: .ed25519)
    }
    guard let keys = try? await JWTKeyCollection().add(jwk: key) else { return nil }
    return try? await keys.getKey(for: identifier, alg: algorithm.rawValue)
  }
}

/// The public keys of an issuer at one time.
struct VerificationKeys: Sendable {
  static let maxKeys = 128

  private let keys: [VerificationKey]

  /// - Parameter document: The text of a JSON Web Key Set. Source: RFC 7517, section 5.
  /// - Throws: `.unverifiable` if it isn't one, has too many keys, or none that is of use.
  init(_ document: [UInt8]) async throws(TokenFailure) {
    guard let json = try? JSONDecoder().decode(JSONValue.self, from: Data(document)), let members = json["keys"]?.array
    else { throw TokenFailure(.unverifiable, "key set: expected a JSON object with an array 'keys'") }
    guard members.count <= VerificationKeys.maxKeys else {
      throw TokenFailure(
        .unverifiable, "key set: keys: expected at most \(VerificationKeys.maxKeys), got \(members.count)")
    }
    var keys: [VerificationKey] = []
    for member in members {
      if let key = await VerificationKey(member) { keys.append(key) }
    }
    guard !keys.isEmpty else {
      throw TokenFailure(.unverifiable, "key set: none of \(members.count) keys can check a signature")
    }
    self.keys = keys
  }

  /// The key that a token names; for a token that names none, the only key of its algorithm.
  func key(for token: CompactToken) -> VerificationKey? {
    if let id = token.keyID {
      let named = keys.filter { $0.id == id }
      return named.first { $0.supports(token.algorithm) } ?? named.first
    }
    let fitting = keys.filter { $0.supports(token.algorithm) }
    return fitting.count == 1 ? fitting[0] : nil
  }
}
