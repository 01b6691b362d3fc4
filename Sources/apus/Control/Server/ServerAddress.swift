internal import Foundation

/// Where a server's control plane is: `http://HOST:PORT`, `https://HOST[:PORT]` or `unix:PATH`.
package enum ServerAddress: Hashable, Sendable, CustomStringConvertible {
  /// Scheme, host, port and perhaps a path before all others; no slash at the end.
  case url(String)
  /// A socket of this machine, by its path.
  case unix(String)

  static let form = "expected http://HOST:PORT, https://HOST:PORT or unix:PATH"

  /// - Throws: `UsageError` that says what is expected, and where the value came from.
  package init(_ text: String, from source: String) throws(UsageError) {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst(5))
      guard !path.isEmpty else { throw UsageError("\(source): \(ServerAddress.form); found '\(text)'") }
      self = .unix(path)
      return
    }
    guard let url = URLComponents(string: text), url.scheme == "http" || url.scheme == "https",
      let host = url.host, !host.isEmpty, url.query == nil, url.fragment == nil, url.user == nil
    else { throw UsageError("\(source): \(ServerAddress.form); found '\(text)'") }
    self = .url(text.hasSuffix("/") ? String(text.dropLast()) : text)
  }

  /// Whether a text names a control plane at all: `APUS_SERVER` may also hold the HOST:PORT of `apus infer`.
  package static func isControl(_ text: String) -> Bool {
    text.hasPrefix("http://") || text.hasPrefix("https://") || text.hasPrefix("unix:")
  }

  /// The address of a path on this server, for the HTTP client.
  func url(_ path: String) -> String {
    switch self {
    case .url(let base): return base + path
    case .unix(let socket):
      let host = socket.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? socket
      return "http+unix://\(host)\(path)"
    }
  }

  package var description: String {
    switch self {
    case .url(let text): text
    case .unix(let path): "unix:\(path)"
    }
  }
}
