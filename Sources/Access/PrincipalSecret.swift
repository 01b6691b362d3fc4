internal import Inference

/// What the server keeps of a secret that a principal logs in with: its digest, and when it is good.
///
/// The secret itself, `apus_login_<id>_<256 random bits>`, is shown once, when it is made. One for a single use, such as
/// the first administrator's, begins with `apus_once_`.
package struct PrincipalSecret: Sendable, Equatable {
  package enum Use: String, Hashable, Sendable, Codable {
    case many
    /// Good for one login; `verify` then says to keep it as `spent` before anything is given for it.
    case once
    case spent
  }

  /// Says which record a secret belongs to; not secret. 16 characters.
  package let id: String
  package let principal: PrincipalID
  /// In seconds since 1970; nil: until it is deleted.
  package let expires: Int64?
  package private(set) var use: Use
  private let digest: SecretDigest

  /// Why a login failed, for the operator's log. The caller only learns that it failed.
  package enum Refusal: String, Error, Hashable, Sendable {
    case wrong
    case expired
    case spent
  }

  /// A new secret, and what to keep of it.
  ///
  /// - Parameter use: `.many` or `.once`.
  package static func make(
    for principal: PrincipalID, use: Use, expires: Int64?, using generator: inout some RandomNumberGenerator
  ) -> (secret: String, kept: PrincipalSecret) {
    precondition(use != .spent, "A new secret is not spent. This is a bug.")
    let id = Hexadecimal.text((0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) })
    let secret = "\(use == .once ? oncePrefix : manyPrefix)\(id)_\(randomText(byteCount: 32, using: &generator))"
    return (
      secret, PrincipalSecret(id: id, principal: principal, expires: expires, use: use, digest: SecretDigest(of: secret))
    )
  }

  /// The record that a secret claims to belong to; nil if it isn't one of this server's secrets.
  package static func id(of secret: String) -> String? {
    guard let prefix = [manyPrefix, oncePrefix].first(where: { secret.hasPrefix($0) }), secret.utf8.count <= maxBytes
    else { return nil }
    let rest = secret.dropFirst(prefix.count)
    guard let end = rest.firstIndex(of: "_") else { return nil }
    let id = rest[..<end]
    return id.utf8.count == 16 && Hexadecimal.bytes(String(id)) != nil ? String(id) : nil
  }

  /// Checks a secret, and spends it where it is good once.
  ///
  /// To make a single use single, the store must take the changed record on condition that nobody changed it since it was
  /// read, before the caller gets anything.
  ///
  /// - Parameter now: In seconds since 1970.
  /// - Throws: What the log should say. A wrong secret is `.wrong` even where the record is spent or expired.
  package mutating func verify(_ secret: String, at now: Int64) throws(Refusal) {
    guard SecretDigest(of: secret) == digest else { throw .wrong }
    if use == .spent { throw .spent }
    if let expires, now >= expires { throw .expired }
    if use == .once { use = .spent }
  }

  /// Whether it begins as a secret that is good more than once.
  static func mayBeSecret(_ credential: UnsafeRawBufferPointer) -> Bool {
    credential.starts(with: manyPrefix.utf8)
  }

  private static let manyPrefix = "apus_login_"
  private static let oncePrefix = "apus_once_"
  private static let maxBytes = 128

  private init(id: String, principal: PrincipalID, expires: Int64?, use: Use, digest: SecretDigest) {
    self.id = id
    self.principal = principal
    self.expires = expires
    self.use = use
    self.digest = digest
  }
}

extension PrincipalSecret: Codable {
  private enum CodingKeys: String, CodingKey {
    case id, principal, expires, use, digest
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard let digest = SecretDigest(hex: try values.decode(String.self, forKey: .digest)) else {
      throw InferenceError.invalidArgument("digest: expected 64 hexadecimal digits")
    }
    self.init(
      id: try values.decode(String.self, forKey: .id), principal: try values.decode(PrincipalID.self, forKey: .principal),
      expires: try values.decodeIfPresent(Int64.self, forKey: .expires), use: try values.decode(Use.self, forKey: .use),
      digest: digest)
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(id, forKey: .id)
    try values.encode(principal, forKey: .principal)
    try values.encodeIfPresent(expires, forKey: .expires)
    try values.encode(use, forKey: .use)
    try values.encode(digest.hex, forKey: .digest)
  }
}
