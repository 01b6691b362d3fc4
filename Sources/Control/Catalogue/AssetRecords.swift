package import Resources
package import Stores

/// A model version as the store keeps it. Its contents never change; the words about it may.
package struct ModelAsset: Hashable, Sendable {
  package static let kind: RecordKind = "modelVersion"

  package var model: ModelVersion
  /// Digest of its tree of files.
  package var tree: String
  package var isArchived = false
  /// Registered under a name made from its contents, for one deployment: lists leave it out.
  package var isAnonymous = false
  package var authors = Authors()
  package var revision: Int64 = 0
  package var created: Int64 = 0
  package var modified: Int64 = 0

  package init(model: ModelVersion, tree: String) {
    self.model = model
    self.tree = tree
  }
}

/// An environment version as the store keeps it.
package struct EnvironmentAsset: Hashable, Sendable {
  package static let kind: RecordKind = "environmentVersion"

  package var environment: EnvironmentVersion
  package var isArchived = false
  /// Registered under a name made from its contents, for one deployment: lists leave it out.
  package var isAnonymous = false
  package var authors = Authors()
  package var revision: Int64 = 0
  package var created: Int64 = 0
  package var modified: Int64 = 0

  package init(environment: EnvironmentVersion) { self.environment = environment }
}
