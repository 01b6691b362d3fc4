/// One endpoint's name, the deployments behind it and the rule between them: what a `RoutingTable` is made from.
package struct EndpointRoutes: Sendable, Hashable {
  package var name: String
  /// Names are distinct.
  package var deployments: [DeploymentRoute]
  package var traffic: TrafficRule
  /// Who gets copies of live requests; nil: nobody.
  package var mirror: MirrorRule?
  /// Whether requests with equal routing keys go to the same deployment, as long as the split stays. Requests without a
  /// key are split as usual.
  package var isSticky: Bool

  package init(
    name: String, deployments: [DeploymentRoute], traffic: TrafficRule = .highestVersion, mirror: MirrorRule? = nil,
    isSticky: Bool = false
  ) {
    self.name = name
    self.deployments = deployments
    self.traffic = traffic
    self.mirror = mirror
    self.isSticky = isSticky
  }
}

/// Where a request goes that names no deployment.
package enum TrafficRule: Sendable, Hashable {
  /// Deployments are versions, named by their numbers; the highest ready one answers.
  case highestVersion
  /// Whole percents by deployment's name, that sum to 0 or 100. A deployment that is not named has 0 and can be pinned.
  ///
  /// The share of a deployment that is not ready goes to the ready ones by their weights; only where no ready deployment
  /// has weight is a request refused.
  case split(percents: [String: Int])
}

/// A deployment that gets copies of some live requests. Its answers go nowhere.
package struct MirrorRule: Sendable, Hashable {
  package var deployment: String
  /// Share of the requests that named no deployment, 0 to 50.
  package var percent: Int

  package init(deployment: String, percent: Int) {
    self.deployment = deployment
    self.percent = percent
  }
}

/// One deployment as routing sees it: a name, and where its requests go.
package struct DeploymentRoute: Sendable, Hashable {
  package enum Destination: Sendable, Hashable {
    /// Takes requests; the number is the caller's own, such as an index into the pools of a snapshot.
    case target(Int)
    /// Exists, and takes none. `state` is for the caller's error, such as `LOADING`; `mayComeBack` says whether waiting
    /// for it can help.
    case notReady(state: String, mayComeBack: Bool)
  }

  package var name: String
  package var destination: Destination

  package init(name: String, destination: Destination) {
    self.name = name
    self.destination = destination
  }

  /// A version of a model: its name is the number.
  package init(version: Int64, destination: Destination) {
    self.init(name: String(version), destination: destination)
  }

  /// The name as a version number, if it is one.
  package var version: Int64? {
    var name = name
    return name.withUTF8 { RoutingTable.versionNumber(UnsafeRawBufferPointer($0)) }
  }
}
