internal import Access
internal import Crypto
package import Inference

/// A private key with which the server signs its tokens: ECDSA on the curve P-256.
///
/// Keep its `pem` sealed under the master key.
package struct TokenSigningKey: Sendable {
  /// Claim `kid` of what it signed: a hash of the public key.
  package let id: String
  let key: P256.Signing.PrivateKey

  /// A new key, from the system's random numbers.
  package init() { self.init(P256.Signing.PrivateKey()) }

  /// - Throws: `.failedPrecondition` if it isn't the PEM text of such a key; the message doesn't repeat it.
  package init(pem: String) throws(InferenceError) {
    do {
      self.init(try P256.Signing.PrivateKey(pemRepresentation: pem))
    } catch {
      throw .failedPrecondition("token signing key: expected a P-256 private key in PEM")
    }
  }

  package var pem: String { key.pemRepresentation }

  private init(_ key: P256.Signing.PrivateKey) {
    self.key = key
    id = Base64URL.text(SHA256.hash(data: key.publicKey.x963Representation).prefix(12))
  }
}
