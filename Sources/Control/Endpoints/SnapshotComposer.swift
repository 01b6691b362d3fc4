package import Access
internal import Inference
package import Routing
package import Serving
internal import Threads

/// The one who publishes what is served: the models of the repository and the endpoints of the catalogue side by side.
///
/// Each of the two gives its part whenever that changes; the snapshot is both.
package final class SnapshotComposer: Sendable {
  package enum Source: Hashable, Sendable { case repository, catalogue }

  /// Endpoints of one source. Their targets are indices into its own deployments.
  package struct Part: Sendable {
    package var endpoints: [EndpointRoutes] = []
    /// By endpoint; one without is open to everybody.
    package var policies: [String: EndpointPolicy] = [:]
    /// Who may learn that a name is nobody's; nil: everybody.
    package var unknownAccess: EndpointAccess?
    package var deployments: [ServingDeployment] = []

    package init() {}

    /// Adds a deployment, and says where its requests go.
    package mutating func add(_ deployment: ServingDeployment) -> DeploymentRoute.Destination {
      deployments.append(deployment)
      return .target(deployments.count - 1)
    }
  }

  internal let board: ServingBoard
  private let parts = Locked<[Source: Part]>([:])

  package init(board: ServingBoard) { self.board = board }

  /// Makes `part` what a source serves. Whoever asks after it returns sees it, or a later one.
  package func publish(_ part: Part, from source: Source) {
    parts.withLock { parts in
      parts[source] = part
      let repository = parts[.repository] ?? Part()
      var catalogue = parts[.catalogue] ?? Part()
      // A model that turns up in the repository under an endpoint's name is not served: the endpoint was there first.
      let taken = Set(catalogue.endpoints.map(\.name))
      let free = repository.endpoints.filter { !taken.contains($0.name) }
      for endpoint in catalogue.endpoints.indices {
        for deployment in catalogue.endpoints[endpoint].deployments.indices {
          guard case .target(let index) = catalogue.endpoints[endpoint].deployments[deployment].destination else { continue }
          catalogue.endpoints[endpoint].deployments[deployment].destination = .target(index + repository.deployments.count)
        }
      }
      let previous = board.read().snapshot.routing
      board.publish(
        ServingSnapshot(
          routing: RoutingTable(free + catalogue.endpoints, continuing: previous),
          deployments: repository.deployments + catalogue.deployments, policies: catalogue.policies,
          unknownAccess: catalogue.unknownAccess))
    }
  }

  /// Names that a source serves now.
  package func names(of source: Source) -> [String] { parts.withLock { $0[source]?.endpoints.map(\.name) ?? [] } }
}
