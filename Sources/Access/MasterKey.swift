internal import Crypto
package import Inference

/// The server's own key, under which it keeps secrets that it must be able to show again.
///
/// Whoever can read it and the catalogue can read every endpoint's keys; so it lies in a file of its own, which may be kept
/// on another disk. See `MasterKey+File.swift`.
package struct MasterKey: Sendable {
  package static let byteCount = 32

  /// Says which key sealed a text: 16 hexadecimal digits, of a hash that tells nothing about the key.
  package let id: String
  let bytes: [UInt8]

  package init(using generator: inout some RandomNumberGenerator) {
    self.init(checked: (0..<MasterKey.byteCount).map { _ in .random(in: 0...255, using: &generator) })
  }

  /// - Throws: `.invalidArgument` unless there are 32 bytes.
  package init(_ bytes: [UInt8]) throws(InferenceError) {
    guard bytes.count == MasterKey.byteCount else {
      throw .invalidArgument("master key: expected \(MasterKey.byteCount) bytes, got \(bytes.count)")
    }
    self.init(checked: bytes)
  }

  private init(checked bytes: [UInt8]) {
    self.bytes = bytes
    var hash = SHA256()
    hash.update(data: Array("apus master key id\n".utf8))
    hash.update(data: bytes)
    id = Hexadecimal.text(hash.finalize().prefix(8))
  }
}

/// The master key in use, and those before it that some sealed texts may still need.
///
/// A sealed text is `apus1.<key id>.<nonce, ciphertext and tag in base64url>`, by AES-256-GCM with a random nonce. What it is
/// for is authenticated with it, so that the text of one record opens in no other.
package struct MasterKeys: Sendable {
  private static let form = "apus1"

  package let current: MasterKey
  private let previous: [MasterKey]

  package init(current: MasterKey, previous: [MasterKey] = []) {
    self.current = current
    self.previous = previous
  }

  /// - Parameter purpose: Where the text will be kept, as `open` has to repeat it: "endpointKeys/churn".
  package func seal(_ secret: String, purpose: String) -> String {
    do {
      let box = try AES.GCM.seal(
        Array(secret.utf8), using: SymmetricKey(data: current.bytes), authenticating: Array(purpose.utf8))
      let bytes = Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
      return "\(MasterKeys.form).\(current.id).\(Base64URL.text(bytes))"
    } catch {
      preconditionFailure("AES-GCM refused a key of 32 bytes: \(error). This is a bug.")
    }
  }

  /// - Throws: `.failedPrecondition` if the text was sealed under a key that isn't here, for another purpose, or was
  ///   changed since.
  package func open(_ sealed: String, purpose: String) throws(InferenceError) -> String {
    let parts = sealed.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == MasterKeys.form, let bytes = Base64URL.bytes(parts[2]), bytes.count >= 28 else {
      throw .failedPrecondition("\(purpose): not a sealed text: expected '\(MasterKeys.form).<key id>.<base64url>'")
    }
    guard let key = ([current] + previous).first(where: { $0.id == parts[1] }) else {
      throw .failedPrecondition(
        "\(purpose): sealed under master key \(parts[1]), but the server has \(([current] + previous).map(\.id))")
    }
    do {
      let box = try AES.GCM.SealedBox(
        nonce: AES.GCM.Nonce(data: bytes[..<12]), ciphertext: bytes[12..<(bytes.count - 16)],
        tag: bytes[(bytes.count - 16)...])
      let secret = try AES.GCM.open(box, using: SymmetricKey(data: key.bytes), authenticating: Array(purpose.utf8))
      return String(decoding: secret, as: UTF8.self)
    } catch {
      throw .failedPrecondition(
        "\(purpose): does not open under master key \(key.id): it was changed, or sealed for another purpose")
    }
  }

  /// The same secret sealed under the current key; nil if it is already.
  package func rewrap(_ sealed: String, purpose: String) throws(InferenceError) -> String? {
    let secret = try open(sealed, purpose: purpose)
    return sealed.hasPrefix("\(MasterKeys.form).\(current.id).") ? nil : seal(secret, purpose: purpose)
  }
}
