/// What proves to the server who calls. Travels as metadata with every call.
///
/// Never sent over a connection that is not encrypted unless `allowsPlaintext` is set: a client with credentials and
/// without TLS is refused when it is made.
public struct Credentials: Sendable {
  enum Source: Sendable {
    case fixed(name: String, value: String)
    case provided(TokenProvider)
  }

  let source: Source
  /// Whether they may be sent in the clear: on a loopback, a Unix socket, or a network that encrypts by itself.
  public var allowsPlaintext = false

  /// A key in a field of its own.
  public static func apiKey(_ key: String, name: String = "x-api-key") -> Credentials {
    Credentials(source: .fixed(name: name.lowercased(), value: key))
  }

  /// `authorization: Bearer …`.
  public static func bearer(_ token: String) -> Credentials {
    Credentials(source: .fixed(name: "authorization", value: "Bearer \(token)"))
  }

  /// A bearer token that expires, from a provider that is asked again in time.
  public static func bearer(_ provider: TokenProvider) -> Credentials { Credentials(source: .provided(provider)) }
}

/// A bearer token and how long it is good for.
public struct AccessToken: Sendable, Hashable {
  public var value: String
  /// From now on. Nil: for ever.
  public var lifetime: Duration?

  public init(_ value: String, lifetime: Duration? = nil) {
    self.value = value
    self.lifetime = lifetime
  }
}
