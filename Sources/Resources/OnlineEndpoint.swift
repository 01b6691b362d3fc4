/// A name that clients call: who may, and which deployment answers.
package struct OnlineEndpoint: Hashable, Sendable {
  package var name: String
  package var description: String?
  package var tags: [String: String]
  /// A bag to which entries can only be added.
  package var properties: [String: String]
  package var authMode: AuthMode
  /// Kept as written; nothing here runs on a cluster.
  package var compute: String?
  package var identity: Identity?
  /// Whole percents per deployment; they sum to 0 or 100. Entries of 0 are not kept.
  package var traffic: [String: Int]
  package var mirrorTraffic: MirrorTraffic?
  package var publicNetworkAccess: NetworkAccess
  package var extensions: EndpointExtensions
  /// Keys to begin with, from a PUT body. Never printed.
  package var keys: EndpointKeys?

  package init(
    name: String, description: String? = nil, tags: [String: String] = [:], properties: [String: String] = [:],
    authMode: AuthMode = .key, compute: String? = nil, identity: Identity? = nil, traffic: [String: Int] = [:],
    mirrorTraffic: MirrorTraffic? = nil, publicNetworkAccess: NetworkAccess = .enabled, extensions: EndpointExtensions = EndpointExtensions(),
    keys: EndpointKeys? = nil
  ) {
    self.name = name
    self.description = description
    self.tags = tags
    self.properties = properties
    self.authMode = authMode
    self.compute = compute
    self.identity = identity
    self.traffic = traffic
    self.mirrorTraffic = mirrorTraffic
    self.publicNetworkAccess = publicNetworkAccess
    self.extensions = extensions
    self.keys = keys
  }
}

/// The deployment that gets copies of live requests, and of how many percent of them: 1 to 50.
package struct MirrorTraffic: Hashable, Sendable {
  package static let maxPercent = 50

  package var deployment: String
  package var percent: Int

  package init(deployment: String, percent: Int) {
    self.deployment = deployment
    self.percent = percent
  }
}

/// The two secrets of an endpoint in mode `key`.
package struct EndpointKeys: Hashable, Sendable {
  package var primary: String?
  package var secondary: String?

  package init(primary: String?, secondary: String?) {
    self.primary = primary
    self.secondary = secondary
  }
}
