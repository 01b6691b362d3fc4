package import Inference

/// One of an endpoint's two keys: a secret that opens it for whoever sends it.
package struct EndpointKey: Hashable, Sendable {
  /// Lengths of keys that the operator chooses, both inclusive.
  package static let lengths = 32...256
  static let prefix = "apus_"
  private static let randomBytes = 32

  package let text: String

  /// 256 random bits behind `apus_`, by which secret scanners and people know it: 48 characters, none to be quoted.
  package init(using generator: inout some RandomNumberGenerator) {
    text = EndpointKey.prefix + randomText(byteCount: EndpointKey.randomBytes, using: &generator)
  }

  /// A key that the operator chose.
  ///
  /// - Parameter field: What it was called, for the error.
  /// - Throws: `.invalidArgument` unless it is 32 to 256 printable ASCII characters without spaces. The message doesn't
  ///   repeat it.
  package init(_ text: String, field: String) throws(InferenceError) {
    guard EndpointKey.lengths.contains(text.utf8.count) else {
      throw .invalidArgument(
        "\(field): expected \(EndpointKey.lengths.lowerBound) to \(EndpointKey.lengths.upperBound) characters, got \(text.utf8.count)")
    }
    guard text.utf8.allSatisfy({ 0x21...0x7e ~= $0 }) else {
      throw .invalidArgument("\(field): expected printable ASCII characters without spaces")
    }
    self.text = text
  }

  package var digest: SecretDigest { SecretDigest(of: text) }
}

extension EndpointKey: CustomStringConvertible, CustomDebugStringConvertible {
  /// Never the key: it may end up in a log.
  package var description: String { "endpoint key" }
  package var debugDescription: String { description }
}

/// The two keys of an endpoint. Two, so that clients can move to one while the other is rotated.
package struct EndpointKeys: Hashable, Sendable {
  package enum Which: String, Hashable, Sendable, CaseIterable {
    case primary = "Primary"
    case secondary = "Secondary"

    /// Takes the documented names in any case.
    ///
    /// - Throws: `.invalidArgument`, naming `keyType` and the two values.
    package init(parsing text: String) throws(InferenceError) {
      guard let which = Which.allCases.first(where: { $0.rawValue.lowercased() == text.lowercased() }) else {
        throw .invalidArgument("keyType: expected 'Primary' or 'Secondary', got '\(text.prefix(64))'")
      }
      self = which
    }
  }

  package private(set) var primary: EndpointKey
  package private(set) var secondary: EndpointKey

  /// Two random keys.
  package init(using generator: inout some RandomNumberGenerator) {
    primary = EndpointKey(using: &generator)
    secondary = EndpointKey(using: &generator)
  }

  /// Keys that the operator gave; the one not given is random.
  ///
  /// - Throws: `.invalidArgument` if one can't be a key or both are the same.
  package init(
    primary: String?, secondary: String?, using generator: inout some RandomNumberGenerator
  ) throws(InferenceError) {
    self.init(using: &generator)
    if let primary { self.primary = try EndpointKey(primary, field: "primaryKey") }
    if let secondary { self.secondary = try EndpointKey(secondary, field: "secondaryKey") }
    try refuseTwins(field: "secondaryKey")
  }

  /// Replaces one key; the other goes on as it is.
  ///
  /// - Parameter value: The new key, or nil for a random one.
  /// - Throws: `.invalidArgument` if the value can't be a key or is the other key.
  package mutating func regenerate(
    _ which: Which, value: String? = nil, using generator: inout some RandomNumberGenerator
  ) throws(InferenceError) {
    var changed = self
    let key: EndpointKey
    if let value {
      key = try EndpointKey(value, field: "keyValue")
    } else {
      key = EndpointKey(using: &generator)
    }
    switch which {
    case .primary: changed.primary = key
    case .secondary: changed.secondary = key
    }
    try changed.refuseTwins(field: "keyValue")
    self = changed
  }

  /// A key rotated away would still be good as the other one.
  private func refuseTwins(field: String) throws(InferenceError) {
    guard primary.digest != secondary.digest else {
      throw .invalidArgument("\(field): the primary and the secondary key must differ")
    }
  }
}

extension EndpointKeys {
  /// The form kept in the catalogue.
  package func sealed(for endpoint: String, under keys: MasterKeys) -> String {
    keys.seal("\(primary.text)\n\(secondary.text)", purpose: EndpointKeys.purpose(endpoint))
  }

  /// - Throws: `.failedPrecondition` if the text doesn't open; see `MasterKeys.open`.
  package init(sealed: String, for endpoint: String, under keys: MasterKeys) throws(InferenceError) {
    let texts = try keys.open(sealed, purpose: EndpointKeys.purpose(endpoint)).split(separator: "\n")
    guard texts.count == 2 else {
      throw .failedPrecondition("\(EndpointKeys.purpose(endpoint)): expected 2 keys, found \(texts.count)")
    }
    primary = try EndpointKey(String(texts[0]), field: "primaryKey")
    secondary = try EndpointKey(String(texts[1]), field: "secondaryKey")
  }

  /// What `MasterKeys.rewrap` needs to know.
  package static func purpose(_ endpoint: String) -> String { "endpointKeys/\(endpoint)" }
}

/// Random bytes as base64url text.
func randomText(byteCount: Int, using generator: inout some RandomNumberGenerator) -> String {
  Base64URL.text((0..<byteCount).map { _ in UInt8.random(in: 0...255, using: &generator) })
}
