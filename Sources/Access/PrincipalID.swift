package import Inference

/// The name of somebody who calls, or of a group, together with who vouches for it.
///
/// The issuer is part of the name: what one issuer calls `admin` is not what another one does, nor this server. The text
/// form is `local:<name>`, `oidc:<issuer>:<name>` or `certificate:<identity>`.
package struct PrincipalID: Hashable, Sendable, CustomStringConvertible {
  package enum Source: Hashable, Sendable {
    /// This server: made by an administrator, known by a secret.
    case local
    /// An OpenID Connect issuer, by the short name that it has in the configuration.
    case issuer(String)
    /// The authority that signed the peer's certificate.
    case certificate
  }

  package static let maxBytes = 2300

  package let source: Source
  package let name: String

  /// - Throws: `.invalidArgument` if the name is empty, too long or has control characters, or an issuer's short name isn't
  ///   1 to 32 of `a-z`, `0-9` and `-`.
  package init(_ source: Source, _ name: String) throws(InferenceError) {
    guard !name.isEmpty, name.utf8.count <= PrincipalID.maxBytes - 40 else {
      throw .invalidArgument("principal: expected a name of 1 to \(PrincipalID.maxBytes - 40) bytes, got \(name.utf8.count)")
    }
    guard name.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7f }) else {
      throw .invalidArgument("principal: the name has control characters")
    }
    if case .issuer(let issuer) = source { try PrincipalID.checkIssuerName(issuer) }
    self.source = source
    self.name = name
  }

  /// Reads the text form.
  ///
  /// - Throws: `.invalidArgument`, with the forms that are expected.
  package init(parsing text: String) throws(InferenceError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      switch parts[0] {
      case "local":
        try self.init(.local, String(parts[1]))
        return
      case "certificate":
        try self.init(.certificate, String(parts[1]))
        return
      case "oidc":
        let rest = parts[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        if rest.count == 2 {
          try self.init(.issuer(String(rest[0])), String(rest[1]))
          return
        }
      default: break
      }
    }
    throw .invalidArgument(
      "principal: expected 'local:<name>', 'oidc:<issuer>:<name>' or 'certificate:<identity>', got '\(text.prefix(128))'")
  }

  package var description: String {
    switch source {
    case .local: "local:\(name)"
    case .issuer(let issuer): "oidc:\(issuer):\(name)"
    case .certificate: "certificate:\(name)"
    }
  }

  /// Whether a text can be an issuer's short name.
  package static func checkIssuerName(_ text: String) throws(InferenceError) {
    guard (1...32).contains(text.utf8.count), text.utf8.allSatisfy(isIssuerCharacter) else {
      throw .invalidArgument("issuer name: expected 1 to 32 of a-z, 0-9 and '-', got '\(text.prefix(64))'")
    }
  }

  private static func isIssuerCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): true
    default: false
    }
  }
}

extension PrincipalID: Codable {
  package init(from decoder: any Decoder) throws {
    try self.init(parsing: decoder.singleValueContainer().decode(String.self))
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

/// Somebody who was authenticated: by a secret, a token or a certificate.
package struct Principal: Hashable, Sendable {
  package enum Kind: String, Hashable, Sendable, Codable {
    case user = "User"
    case servicePrincipal = "ServicePrincipal"
  }

  /// Groups of one principal that count; a token that names more loses the rest.
  package static let maxGroups = 512

  package let id: PrincipalID
  package let kind: Kind
  package let groups: [PrincipalID]
  /// For people to read, in the audit log; decides nothing. At most 128 characters, no control characters.
  package let displayName: String?

  package init(_ id: PrincipalID, kind: Kind, groups: [PrincipalID] = [], displayName: String? = nil) {
    self.id = id
    self.displayName = displayName.map { name in
      String(String.UnicodeScalarView(name.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.prefix(128)))
    }
    self.kind = kind
    self.groups = Array(groups.prefix(Principal.maxGroups))
  }

  /// The number that stands for the principal in a request, for fair shares: the same in every process, never 0 to 2.
  package var caller: UInt64 { CallerNumber.of(id.description) }
}

/// Numbers that stand for callers in requests: 0 for nobody in particular, 1 and 2 for the holders of an endpoint's keys,
/// and a hash for everybody else.
package enum CallerNumber {
  package static func of(_ name: String) -> UInt64 {
    var name = name
    let tag = name.withUTF8 { SipTag(UnsafeRawBufferPointer($0), seed: HashSeed(first: 0, second: 0)) }
    return max(3, tag.low)
  }
}
