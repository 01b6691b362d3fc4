internal import Documents
package import Resources
package import Stores

/// An endpoint as the store keeps it.
package struct EndpointRecord: Hashable, Sendable {
  package static let kind: RecordKind = "onlineEndpoint"

  package var endpoint: OnlineEndpoint
  package var state: ProvisioningState
  /// The operation that goes on, or was last.
  package var operation: String?
  package var error: ControlError?
  /// Both keys, encrypted; nil where it has none.
  package var sealedKeys: String?
  /// Another number whenever what a door has remembered of credentials is void: new keys, another mode. Drawn by lot, so
  /// that an endpoint made anew under an old name shares none with it.
  package var accessStamp = UInt64.random(in: 1...UInt64(Int64.max) / 2)
  package var authors = Authors()
  package var revision: Int64 = 0
  package var created: Int64 = 0
  package var modified: Int64 = 0

  package init(endpoint: OnlineEndpoint, state: ProvisioningState) {
    self.endpoint = endpoint
    self.state = state
  }

  internal mutating func renewAccess() { accessStamp = .random(in: 1...UInt64(Int64.max) / 2) }
}

/// A deployment as the store keeps it: what is wanted, and what was last seen to work.
package struct DeploymentRecord: Hashable, Sendable {
  package static let kind: RecordKind = "onlineDeployment"

  /// As wanted; its model is a definite version.
  package var deployment: OnlineDeployment
  /// What served last. A server that starts brings this back; an update that fails leaves it serving.
  package var active: OnlineDeployment?
  package var state: ProvisioningState
  package var operation: String?
  package var error: ControlError?
  /// Instances where scaling has changed them since; nil: as the deployment says.
  package var scaledCount: Int?
  package var authors = Authors()
  package var revision: Int64 = 0
  package var created: Int64 = 0
  package var modified: Int64 = 0

  package init(deployment: OnlineDeployment, state: ProvisioningState) {
    self.deployment = deployment
    self.state = state
  }

  package var id: DeploymentName { DeploymentName(endpoint: deployment.endpointName, deployment: deployment.name) }

  /// How many instances it is to have now.
  package var instanceCount: Int { scaledCount ?? deployment.wantedInstances }
}

/// A deployment's full name.
package struct DeploymentName: Hashable, Sendable, CustomStringConvertible {
  package var endpoint: String
  package var deployment: String

  package init(endpoint: String, deployment: String) {
    self.endpoint = endpoint
    self.deployment = deployment
  }

  /// `churn/blue`: the name of its record.
  package var description: String { "\(endpoint)/\(deployment)" }
}

extension OnlineDeployment {
  /// Instances at the start.
  package var wantedInstances: Int {
    if case .targetUtilization(let scale) = scaleSettings { return max(instanceCount ?? scale.minInstances, scale.minInstances) }
    return instanceCount ?? 1
  }

  /// The model that it names, once that is settled.
  package var modelVersion: (name: String, version: String)? {
    if case .version(let name, let version) = model { return (name, version) }
    return nil
  }
}

extension ControlError {
  internal init?(stored document: Document?) {
    guard let document, let message = document["message"]?.string else { return nil }
    let code = document["code"]?.string.flatMap(Code.init(rawValue:)) ?? .internalError
    self.init(code, message, details: document["details"]?.array?.compactMap(\.string) ?? [])
  }

  internal var stored: Document {
    ["code": .string(code.rawValue), "message": .string(message), "details": .array(details.map(Document.string))]
  }
}
