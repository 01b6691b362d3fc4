/// Where resources are in the control plane, after the workspace's own path.
enum ResourcePath {
  static let endpoints = "/onlineEndpoints"
  static func endpoint(_ name: String) -> String { "\(endpoints)/\(Session.escaped(name))" }
  static func deployments(of endpoint: String) -> String { "\(self.endpoint(endpoint))/deployments" }
  static func deployment(_ name: String, of endpoint: String) -> String {
    "\(deployments(of: endpoint))/\(Session.escaped(name))"
  }

  /// Assets: models and environments are kept by name and version.
  static func assets(_ kind: AssetKind) -> String { "/\(kind.rawValue)" }
  static func versions(_ kind: AssetKind, _ name: String) -> String { "/\(kind.rawValue)/\(Session.escaped(name))/versions" }
  static func version(_ kind: AssetKind, _ name: String, _ version: String) -> String {
    "\(versions(kind, name))/\(Session.escaped(version))"
  }

  enum AssetKind: String {
    case models, environments
  }
}
