/// One address of the gateway, and what is served there.
package struct GatewayListener: Sendable {
  /// Who may be served at an address.
  package enum Plane: Hashable, Sendable {
    /// Scoring, for everybody who reaches it. Endpoints without public network access are not there.
    case publicData
    /// Scoring, inside the operator's network.
    case privateData
    /// Changes of what is served.
    case control
  }

  package struct TLS: Sendable {
    /// PEM files: the certificate with its chain, and its key.
    package var certificateFile: String
    package var keyFile: String
    /// PEM: the roots that client certificates must come from. Empty: clients are asked for none.
    package var clientCAFile = ""
    /// Whether a client without a certificate is refused; needs `clientCAFile`.
    package var requiresClientCertificate = false

    package init(certificateFile: String, keyFile: String) {
      self.certificateFile = certificateFile
      self.keyFile = keyFile
    }
  }

  package var host: String
  /// 0: any that is free.
  package var port: Int
  /// A socket in the file system in the place of host and port.
  package var unixPath: String?
  package var tls: TLS?
  package var planes: Set<Plane>

  package init(host: String, port: Int, tls: TLS? = nil, planes: Set<Plane> = [.publicData]) {
    self.host = host
    self.port = port
    self.tls = tls
    self.planes = planes
  }

  package init(unixPath: String, planes: Set<Plane> = [.publicData]) {
    host = ""
    port = 0
    self.unixPath = unixPath
    self.planes = planes
  }

  /// As errors name it.
  var name: String { unixPath.map { "unix:\($0)" } ?? "\(host):\(port)" }
}
