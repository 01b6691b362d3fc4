package import Access
internal import Inference
internal import Pools
package import Routing

/// What is served at one moment: who answers for which name. Immutable.
///
/// `@unchecked Sendable`: `targets` and `endpoints` are written in `init` and only read after it.
package final class ServingSnapshot: @unchecked Sendable {
  /// A deployment as the request path sees it: by pointers, because a reference count that all event loops touch with
  /// every request would cost more than the rest of the door. The snapshot keeps all of it alive.
  struct Target {
    var served: Unmanaged<ServedTarget>
    var validator: Unmanaged<RequestValidator>
    var pool: Unmanaged<ModelPool>
    var meter: Unmanaged<DeploymentMeter>?
    var timeoutNanoseconds: UInt64
    /// Its name, where answers say it.
    var name: UnsafeRawBufferPointer
    /// Whether a request keeps the target until it is finished.
    var isWatched: Bool
    /// What the response cache knows it by; 0: its answers are computed each time.
    var cacheNumber: UInt64
  }

  package let routing: RoutingTable
  /// The targets of the routing table.
  package let deployments: [ServingDeployment]
  /// By the endpoint's name.
  package let policies: [String: EndpointPolicy]
  /// What is asked of those who call an endpoint that does not exist, before they are told so; nil: nothing. Where the
  /// catalogue's endpoints ask for credentials, a stranger must not learn which there are.
  package let unknownAccess: EndpointAccess?
  private let served: [ServedTarget]
  let targets: UnsafeMutablePointer<Target>
  let endpoints: UnsafeMutablePointer<Unmanaged<EndpointPolicy>?>

  /// - Parameter policies: By name; endpoints that are not in it have none.
  package init(
    routing: RoutingTable, deployments: [ServingDeployment], policies: [String: EndpointPolicy] = [:],
    unknownAccess: EndpointAccess? = nil
  ) {
    self.routing = routing
    self.deployments = deployments
    self.policies = policies
    self.unknownAccess = unknownAccess
    endpoints = .allocate(capacity: max(1, routing.routes.count))
    var policyOfTarget: [EndpointPolicy?] = Array(repeating: nil, count: deployments.count)
    for (index, endpoint) in routing.routes.enumerated() {
      let policy = policies[endpoint.name]
      (endpoints + index).initialize(to: policy.map { .passUnretained($0) })
      for case .target(let target) in endpoint.deployments.map(\.destination) { policyOfTarget[target] = policy }
    }
    served = zip(deployments, policyOfTarget).map { ServedTarget($0, of: $1) }
    targets = .allocate(capacity: max(1, deployments.count))
    for (index, target) in served.enumerated() { (targets + index).initialize(to: Target(target)) }
  }

  deinit {
    targets.deallocate()
    endpoints.deallocate()
  }

  package static let empty = ServingSnapshot(routing: RoutingTable([]), deployments: [])
}

extension ServingSnapshot.Target {
  fileprivate init(_ target: ServedTarget) {
    let deployment = target.deployment
    let timeout = deployment.policy.requestTimeout
    served = .passUnretained(target)
    validator = .passUnretained(deployment.validator)
    pool = .passUnretained(deployment.pool)
    meter = deployment.policy.meter.map { .passUnretained($0) }
    timeoutNanoseconds = timeout > .zero ? timeout.wholeNanoseconds : .max
    name =
      target.endpoint?.saysDeployment == true
      ? deployment.versionBytes : UnsafeRawBufferPointer(start: nil, count: 0)
    cacheNumber = deployment.allowsCache ? deployment.number : 0
    isWatched = target.isWatched || cacheNumber != 0
  }
}
