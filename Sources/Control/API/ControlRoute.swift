/// What a path below the workspace names.
internal enum ControlRoute: Hashable, Sendable {
  case endpoints
  case endpoint(String)
  /// `listKeys`, `rollout` and so on; the rest of the path in order.
  case endpointAction(String, [String])
  case deployments(String)
  case deployment(DeploymentName)
  case deploymentAction(DeploymentName, String)
  case models
  case modelVersions(String)
  case modelVersion(String, String)
  case modelFiles(String, String)
  case environments
  case environmentVersions(String)
  case environmentVersion(String, String)
  case operation(String)
  case uploads
  case upload(String)
  case uploadAction(String, String)
  /// Principals, role definitions and role assignments.
  case access([String])
  case auditLog
  case computes

  /// Names of collections are compared without case, as Azure does.
  init?(_ path: [String]) {
    guard let first = path.first?.lowercased(), !path.contains("") else { return nil }
    switch (first, path.count) {
    case ("onlineendpoints", 1): self = .endpoints
    case ("onlineendpoints", 2): self = .endpoint(path[1])
    case ("onlineendpoints", 3) where path[2].lowercased() == "deployments": self = .deployments(path[1])
    case ("onlineendpoints", 4) where path[2].lowercased() == "deployments":
      self = .deployment(DeploymentName(endpoint: path[1], deployment: path[3]))
    case ("onlineendpoints", 5) where path[2].lowercased() == "deployments":
      self = .deploymentAction(DeploymentName(endpoint: path[1], deployment: path[3]), path[4].lowercased())
    case ("onlineendpoints", 3...4): self = .endpointAction(path[1], path[2...].map { $0.lowercased() })
    case ("models", 1): self = .models
    case ("models", 2): self = .modelVersions(path[1])
    case ("models", 3) where path[2].lowercased() == "versions": self = .modelVersions(path[1])
    case ("models", 4) where path[2].lowercased() == "versions": self = .modelVersion(path[1], path[3])
    case ("models", 5) where path[2].lowercased() == "versions" && path[4].lowercased() == "files":
      self = .modelFiles(path[1], path[3])
    case ("environments", 1): self = .environments
    case ("environments", 2): self = .environmentVersions(path[1])
    case ("environments", 3) where path[2].lowercased() == "versions": self = .environmentVersions(path[1])
    case ("environments", 4) where path[2].lowercased() == "versions": self = .environmentVersion(path[1], path[3])
    case ("operations", 2): self = .operation(path[1])
    case ("uploads", 1): self = .uploads
    case ("uploads", 2): self = .upload(path[1])
    case ("uploads", 3): self = .uploadAction(path[1], path[2].lowercased())
    case ("principals", 1...3), ("roledefinitions", 1...2), ("roleassignments", 1...2): self = .access(path)
    case ("auditlog", 1): self = .auditLog
    case ("computes", 1): self = .computes
    default: return nil
    }
  }
}
