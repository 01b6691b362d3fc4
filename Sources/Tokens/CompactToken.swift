internal import Access
internal import FoundationEssentials

/// A JSON Web Token taken apart, nothing of it believed yet.
///
/// Source: RFC 7515, section 3.1 (three parts in base64url) and RFC 7519.
struct CompactToken: Sendable {
  static let maxBytes = 16_384

  let algorithm: SignatureAlgorithm
  let keyID: String?
  let claims: TokenClaims
  /// What the signature is over.
  let signed: [UInt8]
  let signature: [UInt8]

  /// - Throws: `.invalid` if it isn't a token, or one that says it needs what isn't understood here: another algorithm,
  ///   such as `none` or one with a shared secret, or a critical header.
  init(_ text: String) throws(TokenFailure) {
    guard text.utf8.count <= CompactToken.maxBytes else {
      throw .invalid("token: expected at most \(CompactToken.maxBytes) bytes, got \(text.utf8.count)")
    }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { throw .invalid("token: expected 3 parts, got \(parts.count)") }
    let header = try CompactToken.object(parts[0], "header")
    let name = header["alg"]?.string ?? ""
    guard let algorithm = SignatureAlgorithm(rawValue: name) else {
      let names = SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
      throw .invalid("token: alg: expected one of \(names), got '\(name.prefix(32))'")
    }
    // Source: RFC 7515, section 4.1.11: "If any of the listed extension Header Parameters are not understood and supported
    // by the recipient, then the JWS is invalid."
    guard header["crit"] == nil else { throw .invalid("token: crit: no critical header is understood") }
    if let id = header["kid"] {
      guard let text = id.string, text.utf8.count <= 256 else {
        throw .invalid("token: kid: expected text of at most 256 bytes")
      }
      keyID = text
    } else {
      keyID = nil
    }
    guard let signature = Base64URL.bytes(parts[2]), !signature.isEmpty else {
      throw .invalid("token: signature: expected base64url")
    }
    self.algorithm = algorithm
    claims = TokenClaims(try CompactToken.object(parts[1], "claims"))
    self.signature = signature
    signed = Array("\(parts[0]).\(parts[1])".utf8)
  }

  private static func object(_ part: Substring, _ name: String) throws(TokenFailure) -> JSONValue {
    guard let bytes = Base64URL.bytes(part), let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)),
      case .object = value
    else { throw .invalid("token: \(name): expected a JSON object in base64url") }
    return value
  }
}

/// How a token may be signed. Only by a private key that the issuer alone has: `none` and the algorithms with a shared
/// secret (`HS256`) can't even be said here, so a public key can never be taken for such a secret.
enum SignatureAlgorithm: String, Hashable, Sendable, CaseIterable {
  case rs256 = "RS256"
  case rs384 = "RS384"
  case rs512 = "RS512"
  case ps256 = "PS256"
  case ps384 = "PS384"
  case ps512 = "PS512"
  case es256 = "ES256"
  case es384 = "ES384"
  case edDSA = "EdDSA"
}

/// What a token says. Believe it only after its signature was checked.
struct TokenClaims: Sendable {
  private let members: JSONValue

  init(_ members: JSONValue) { self.members = members }

  subscript(name: String) -> JSONValue? { members[name] }

  var issuer: String? { members["iss"]?.string }
  var audiences: [String] { members["aud"]?.strings ?? [] }

  /// Checks `exp`, which must be there, and `nbf` and `iat`, which need not.
  ///
  /// - Parameters:
  ///   - now: In seconds since 1970.
  ///   - skew: How far the issuer's clock may be ahead, in seconds.
  ///   - grace: For how many seconds after its end it is still taken, since the issuer's clock may be behind.
  /// - Returns: The second from which it has expired.
  /// - Throws: `.expired` or `.invalid`.
  func checkTimes(at now: Int64, skew: Int64, grace: Int64) throws(TokenFailure) -> Int64 {
    guard let expires = members["exp"]?.seconds else { throw .invalid("token: exp: expected seconds since 1970") }
    let end = expires + grace
    guard now < end else { throw TokenFailure(.expired, "token: exp: expired at \(expires), now it is \(now)") }
    for name in ["nbf", "iat"] {
      guard let claim = members[name] else { continue }
      guard let start = claim.seconds else { throw .invalid("token: \(name): expected seconds since 1970") }
      guard start <= now + skew else { throw .invalid("token: \(name): not valid before \(start), now it is \(now)") }
    }
    return end
  }
}
