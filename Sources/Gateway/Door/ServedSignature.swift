internal import Access
package import Inference
internal import Routing
package import Serving

/// What the gateway says of models, out of the snapshot that requests are served from.
extension ServingBoard {
  /// The deployment that a request without instructions would go to, or the one that is named.
  ///
  /// - Parameter deployment: A version of a model, a deployment of an endpoint, or empty.
  /// - Throws: As for a request to it.
  package func deployment(_ endpoint: String, _ deployment: String = "") throws(InferenceError) -> ServingDeployment {
    let snapshot = read().snapshot
    return snapshot.deployments[try snapshot.routing.target(endpoint, version: deployment)]
  }

  /// All deployments of an endpoint that are ready, in the order of their names.
  package func deployments(of endpoint: String) -> [ServingDeployment] {
    read().snapshot.deployments.filter { $0.name == endpoint }.sorted { ServingBoard.isBefore($0, $1) }
  }

  /// Whether nobody has to say who asks for an endpoint: it is a repository's model, or open, or it is not there and
  /// anybody may be told so.
  ///
  /// - Parameter isPrivate: Whether the caller comes from the operator's own network.
  package func isOpen(_ endpoint: String, isPrivate: Bool) -> Bool {
    let snapshot = read().snapshot
    if let policy = snapshot.policies[endpoint] {
      if policy.isPrivate, !isPrivate { return snapshot.unknownAccess == nil }
      return policy.access.mode == .open
    }
    if snapshot.unknownAccess == nil { return true }
    var endpoint = endpoint
    return endpoint.withUTF8 { snapshot.routing.index(of: UnsafeRawBufferPointer($0)) >= 0 }
  }

  /// All deployments that are ready.
  package var allDeployments: [ServingDeployment] {
    read().snapshot.deployments.sorted { ServingBoard.isBefore($0, $1) }
  }

  /// By name, then by number where the versions are numbers, as in a repository.
  private static func isBefore(_ left: ServingDeployment, _ right: ServingDeployment) -> Bool {
    if left.name != right.name { return left.name < right.name }
    if let leftNumber = Int64(left.version), let rightNumber = Int64(right.version) { return leftNumber < rightNumber }
    return left.version < right.version
  }
}
