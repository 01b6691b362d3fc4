/// One endpoint's name and the deployments behind it: what a `RoutingTable` is made from.
package struct EndpointRoutes: Sendable, Hashable {
  package var name: String
  package var deployments: [DeploymentRoute]

  package init(name: String, deployments: [DeploymentRoute]) {
    self.name = name
    self.deployments = deployments
  }
}

/// One deployment as routing sees it: a version, and where its requests go.
package struct DeploymentRoute: Sendable, Hashable {
  package enum Destination: Sendable, Hashable {
    /// Takes requests; the number is the caller's own, such as an index into the pools of a snapshot.
    case target(Int)
    /// Exists, and takes none. `state` is for the caller's error, such as `LOADING`; `mayComeBack` says whether waiting
    /// for it can help.
    case notReady(state: String, mayComeBack: Bool)
  }

  package var version: Int64
  package var destination: Destination

  package init(version: Int64, destination: Destination) {
    self.version = version
    self.destination = destination
  }
}
