/// One immutable content under a model's name.
package struct ModelVersion: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    case custom = "custom_model"
    case mlflow = "mlflow_model"
    case triton = "triton_model"
  }

  /// `nil` only where it is nested in a deployment.
  package var name: String?
  /// `nil`: the next whole number.
  package var version: String?
  package var description: String?
  package var tags: [String: String]
  package var properties: [String: String]
  package var stage: String?
  /// An absolute local path, or a URI.
  package var path: String?
  package var kind: Kind
  /// MLflow's, as JSON text.
  package var flavors: String?
  /// Kept as written; there is one store here.
  package var datastore: String?

  package init(
    name: String? = nil, version: String? = nil, description: String? = nil, tags: [String: String] = [:],
    properties: [String: String] = [:], stage: String? = nil, path: String? = nil, kind: Kind = .custom,
    flavors: String? = nil, datastore: String? = nil
  ) {
    self.name = name
    self.version = version
    self.description = description
    self.tags = tags
    self.properties = properties
    self.stage = stage
    self.path = path
    self.kind = kind
    self.flavors = flavors
    self.datastore = datastore
  }
}
