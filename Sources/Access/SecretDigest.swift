internal import Crypto

/// SHA-256 of a secret: what is kept where the secret itself is not needed again.
///
/// Plain SHA-256, without salt or stretching, is enough because the secrets are 256 random bits: there is no list of
/// likely ones to try. Two digests are compared in a time that doesn't depend on them.
package struct SecretDigest: Sendable, Equatable {
  private var words: (UInt64, UInt64, UInt64, UInt64)

  package init(of secret: UnsafeRawBufferPointer) {
    var hash = SHA256()
    hash.update(bufferPointer: secret)
    words = hash.finalize().withUnsafeBytes { bytes in
      (
        bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
      )
    }
  }

  package init(of secret: String) {
    var secret = secret
    self = secret.withUTF8 { SecretDigest(of: UnsafeRawBufferPointer($0)) }
  }

  /// Reads 64 hexadecimal digits, as `hex` prints them.
  package init?(hex: String) {
    guard let bytes = Hexadecimal.bytes(hex), bytes.count == 32 else { return nil }
    words = bytes.withUnsafeBytes { bytes in
      (
        bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
      )
    }
  }

  package var hex: String { withUnsafeBytes(of: words) { Hexadecimal.text($0) } }

  /// Takes the same time whatever the digests are.
  package static func == (left: SecretDigest, right: SecretDigest) -> Bool {
    (left.words.0 ^ right.words.0) | (left.words.1 ^ right.words.1) | (left.words.2 ^ right.words.2)
      | (left.words.3 ^ right.words.3) == 0
  }
}
