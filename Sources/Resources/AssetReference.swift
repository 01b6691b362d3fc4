/// How a deployment names its model or its environment.
package enum AssetReference<Asset: Hashable & Sendable>: Hashable, Sendable {
  /// `azureml:<name>:<version>`, or an asset's path in the REST form.
  case version(name: String, version: String)
  /// `azureml:<name>@latest`: the newest version at the time the deployment is created or updated.
  case latest(name: String)
  /// The asset's own keys in place of a reference. Its name is made from its contents, if it gives none.
  case anonymous(Asset)
  /// A file or folder of the caller's machine, absolute. An asset's YAML file or, for a model, the model itself.
  case path(String)
}

/// The word of `auth_mode`: what a caller shows to be let in.
package enum AuthMode: String, CaseIterable, Hashable, Sendable {
  case key
  /// A token that this server signs.
  case amlToken = "aml_token"
  /// A token of an OpenID Connect issuer; the caller needs a role.
  case aadToken = "aad_token"
}

/// The word of `public_network_access` and `egress_public_network_access`.
package enum NetworkAccess: String, CaseIterable, Hashable, Sendable {
  case enabled, disabled
}

/// How far the server has come with what a resource asks for.
package enum ProvisioningState: String, CaseIterable, Hashable, Sendable {
  case creating, updating, scaling, deleting, succeeded, failed, canceled

  /// Whether nothing is under way.
  package var isFinal: Bool { self == .succeeded || self == .failed || self == .canceled }
}

/// A cloud identity. Kept as written; it gives no rights here.
package struct Identity: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Hashable, Sendable {
    case systemAssigned = "system_assigned"
    case userAssigned = "user_assigned"
  }
  package var kind: Kind
  /// The resource identifiers of `user_assigned_identities`.
  package var userAssigned: [String]

  package init(kind: Kind, userAssigned: [String] = []) {
    self.kind = kind
    self.userAssigned = userAssigned
  }
}
