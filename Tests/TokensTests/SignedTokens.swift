import Access
import Crypto
import CryptoExtras
import FoundationEssentials
import Tokens

/// A key pair of an issuer in a test: its public half as a JSON Web Key, and tokens signed by the other.
struct TestKey: Sendable {
  let id: String
  /// Members of the JSON Web Key, without `kid` and `alg`.
  let members: String
  private let signatures: [String: @Sendable ([UInt8]) throws -> [UInt8]]

  static func p256(_ id: String) -> TestKey { p256(id, P256.Signing.PrivateKey()) }

  /// The server's own key, to sign what the server would not.
  static func p256(_ key: TokenSigningKey) throws -> TestKey {
    p256(key.id, try P256.Signing.PrivateKey(pemRepresentation: key.pem))
  }

  private static func p256(_ id: String, _ key: P256.Signing.PrivateKey) -> TestKey {
    let point = Array(key.publicKey.rawRepresentation)
    return TestKey(
      id: id,
      members: #""kty":"EC","crv":"P-256","x":"\#(Base64URL.text(point[..<32]))","y":"\#(Base64URL.text(point[32...]))""#,
      signatures: ["ES256": { Array(try key.signature(for: $0).rawRepresentation) }])
  }

  static func p384(_ id: String) -> TestKey {
    let key = P384.Signing.PrivateKey()
    let point = Array(key.publicKey.rawRepresentation)
    return TestKey(
      id: id,
      members: #""kty":"EC","crv":"P-384","x":"\#(Base64URL.text(point[..<48]))","y":"\#(Base64URL.text(point[48...]))""#,
      signatures: ["ES384": { Array(try key.signature(for: $0).rawRepresentation) }])
  }

  static func ed25519(_ id: String) -> TestKey {
    let key = Curve25519.Signing.PrivateKey()
    return TestKey(
      id: id, members: #""kty":"OKP","crv":"Ed25519","x":"\#(Base64URL.text(key.publicKey.rawRepresentation))""#,
      signatures: ["EdDSA": { Array(try key.signature(for: $0)) }])
  }

  static func rsa(_ id: String) throws -> TestKey {
    let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
    let (modulus, exponent) = try { ($0.modulus, $0.publicExponent) }(key.publicKey.getKeyPrimitives())
    var signatures: [String: @Sendable ([UInt8]) throws -> [UInt8]] = [:]
    for (letter, padding) in [("R", _RSA.Signing.Padding.insecurePKCS1v1_5), ("P", .PSS)] {
      signatures["\(letter)S256"] = { Array(try key.signature(for: SHA256.hash(data: $0), padding: padding).rawRepresentation) }
      signatures["\(letter)S384"] = { Array(try key.signature(for: SHA384.hash(data: $0), padding: padding).rawRepresentation) }
      signatures["\(letter)S512"] = { Array(try key.signature(for: SHA512.hash(data: $0), padding: padding).rawRepresentation) }
    }
    return TestKey(
      id: id, members: #""kty":"RSA","n":"\#(Base64URL.text(modulus))","e":"\#(Base64URL.text(exponent))""#,
      signatures: signatures)
  }

  var algorithms: [String] { signatures.keys.sorted() }

  /// As a member of a key set.
  var publicJSON: String { #"{"kid":"\#(id)",\#(members)}"# }

  /// - Parameter keyID: What the header claims; the key's own unless told otherwise.
  func token(_ claims: TestClaims, algorithm: String? = nil, keyID: String? = nil, header: String = "") throws -> String {
    let algorithm = algorithm ?? algorithms[0]
    guard let sign = signatures[algorithm] else { throw DocumentError("no \(algorithm)") }
    let head = #"{"alg":"\#(algorithm)","kid":"\#(keyID ?? id)"\#(header)}"#
    let signed = "\(Base64URL.text(head.utf8)).\(Base64URL.text(claims.json.utf8))"
    return "\(signed).\(Base64URL.text(try sign(Array(signed.utf8))))"
  }
}

/// Claims that are good at second 1000, until changed.
struct TestClaims {
  var members: [String: String]

  init(issuer: String) {
    members = [
      "iss": "\"\(issuer)\"", "aud": #"["apus","other"]"#, "sub": #""alice""#, "iat": "900", "nbf": "900", "exp": "2000",
      "groups": #"["team","staff"]"#, "name": #""Ali\u000ace""#,
    ]
  }

  /// With one member as this JSON text, or without it.
  func with(_ name: String, _ json: String?) -> TestClaims {
    var claims = self
    claims.members[name] = json
    return claims
  }

  var json: String { "{" + members.map { "\"\($0.key)\":\($0.value)" }.sorted().joined(separator: ",") + "}" }
}

/// A token that is "signed" with a shared secret: HS256 with whatever bytes are public.
func sharedSecretToken(_ claims: TestClaims, keyID: String, secret: [UInt8]) -> String {
  let head = #"{"alg":"HS256","kid":"\#(keyID)"}"#
  let signed = "\(Base64URL.text(head.utf8)).\(Base64URL.text(claims.json.utf8))"
  let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: secret))
  return "\(signed).\(Base64URL.text(code))"
}

func unsignedToken(_ claims: TestClaims) -> String {
  "\(Base64URL.text(#"{"alg":"none"}"#.utf8)).\(Base64URL.text(claims.json.utf8))."
}
