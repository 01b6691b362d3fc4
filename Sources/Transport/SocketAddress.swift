/// Where a server listens or a client connects: `HOST:PORT`, `[IPv6]:PORT`, `:PORT` or `unix:PATH`.
package enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
  /// An empty host is every address of the machine, IPv6 and IPv4.
  case tcp(host: String, port: UInt16)
  case unix(path: String)

  /// Whether the system chooses its port.
  package var choosesPort: Bool {
    if case .tcp(_, 0) = self { true } else { false }
  }

  /// Nil if `text` is none of the forms.
  package init?(_ text: String) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty else { return nil }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    self = .tcp(host: host, port: port)
  }

  package var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}
