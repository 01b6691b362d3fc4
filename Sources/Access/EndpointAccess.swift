/// Who may score an endpoint, as its door needs it: part of a routing snapshot.
///
/// Plain words without references, so that reading it on the path of a request costs no counting.
package struct EndpointAccess: Sendable, Equatable {
  package enum Mode: Hashable, Sendable {
    /// Anybody. Models of a repository directory are open.
    case open
    /// Holders of the primary or secondary key; checked at the door.
    case key
    /// Holders of a token that this server signed for the endpoint.
    case amlToken
    /// Principals of an OpenID Connect issuer, or with a client certificate, whose roles allow `score/action`.
    case aadToken
  }

  package let mode: Mode
  /// Number of the endpoint from 1 up, never given to another one as long as the process lives.
  package let endpoint: UInt64
  /// Goes up with every change of the endpoint's keys or mode and of any role that reaches it. What caches remember from
  /// another generation is void.
  package let generation: UInt64
  /// Which tokens of this server still count in mode `amlToken`: those that were issued in the same epoch. A new epoch takes
  /// back all that are out, as does a new endpoint of an old name.
  package let tokenEpoch: UInt64
  private let primary: SecretDigest
  private let secondary: SecretDigest

  package static func open(endpoint: UInt64, generation: UInt64) -> EndpointAccess {
    EndpointAccess(mode: .open, endpoint: endpoint, generation: generation)
  }

  package static func keys(_ keys: EndpointKeys, endpoint: UInt64, generation: UInt64) -> EndpointAccess {
    EndpointAccess(
      mode: .key, endpoint: endpoint, generation: generation, primary: keys.primary.digest,
      secondary: keys.secondary.digest)
  }

  /// Tokens that this server signed.
  package static func amlToken(endpoint: UInt64, generation: UInt64, epoch: UInt64) -> EndpointAccess {
    EndpointAccess(mode: .amlToken, endpoint: endpoint, generation: generation, tokenEpoch: epoch)
  }

  /// Tokens of OpenID Connect issuers, and client certificates.
  package static func aadToken(endpoint: UInt64, generation: UInt64) -> EndpointAccess {
    EndpointAccess(mode: .aadToken, endpoint: endpoint, generation: generation)
  }

  /// For a name that no endpoint has: whoever may score every endpoint may learn that, and nobody else. The answers are
  /// those of an endpoint that takes principals.
  package static func noEndpoint(generation: UInt64) -> EndpointAccess {
    EndpointAccess(mode: .aadToken, endpoint: 0, generation: generation)
  }

  package var isNoEndpoint: Bool { endpoint == 0 }

  private init(
    mode: Mode, endpoint: UInt64, generation: UInt64, tokenEpoch: UInt64 = 0, primary: SecretDigest = SecretDigest(of: ""),
    secondary: SecretDigest = SecretDigest(of: "")
  ) {
    self.mode = mode
    self.endpoint = endpoint
    self.generation = generation
    self.tokenEpoch = tokenEpoch
    self.primary = primary
    self.secondary = secondary
  }

  /// Caller number of whoever holds the key: 1 for the primary, 2 for the secondary, nil for neither.
  ///
  /// Both keys are always compared, so that the time says nothing about which one came near.
  func holder(of key: UnsafeRawBufferPointer) -> UInt64? {
    guard mode == .key, key.count > 0 else { return nil }
    let digest = SecretDigest(of: key)
    let isPrimary = digest == primary
    let isSecondary = digest == secondary
    return isPrimary ? 1 : isSecondary ? 2 : nil
  }

  /// The same for the value of a header `authorization`.
  package func holder(authorization: UnsafeRawBufferPointer) -> UInt64? {
    guard let key = BearerCredential.text(of: authorization) else { return nil }
    return holder(of: key)
  }
}
