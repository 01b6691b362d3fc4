package import Inference
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
    read().snapshot.deployments.filter { $0.name == endpoint }.sorted { ($0.version, $0.deployment) < ($1.version, $1.deployment) }
  }

  /// All deployments that are ready.
  package var allDeployments: [ServingDeployment] {
    read().snapshot.deployments.sorted { ($0.name, $0.version, $0.deployment) < ($1.name, $1.version, $1.deployment) }
  }
}
