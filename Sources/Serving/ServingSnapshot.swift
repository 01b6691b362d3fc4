package import Inference
package import Pools
package import Routing
internal import Synchronization
internal import Threads

/// One deployment as the front door needs it: its pool, what requests are checked against, and its labels.
///
/// Immutable. Checks requests against its own signature, which may be narrower than the model's.
package final class ServingDeployment: Sendable {
  package let name: String
  package let version: Int64
  package let pool: ModelPool
  /// As served: shapes of the configuration, with the batch axis in front where the model batches.
  package let signature: ModelSignature
  package let configuration: ModelConfiguration
  /// Labels by output, in the order of the signature; nil where there are none.
  package let labels: [LabelList?]
  internal let validator: RequestValidator

  /// - Parameter configuration: Completed: `maxBatchSize` is set.
  package init(
    name: String, version: Int64, pool: ModelPool, signature: ModelSignature, configuration: ModelConfiguration,
    labels: [LabelList?]
  ) {
    self.name = name
    self.version = version
    self.pool = pool
    self.signature = signature
    self.configuration = configuration
    self.labels = labels
    validator = RequestValidator(signature: signature, maxBatchSize: configuration.maxBatchSize ?? 0)
  }
}

/// What is served at one moment: who answers for which name. Immutable.
///
/// `@unchecked Sendable`: `targets` is written in `init` and only read after it.
package final class ServingSnapshot: @unchecked Sendable {
  /// A deployment as the request path sees it: by pointers, because a reference count that all event loops touch with
  /// every request would cost more than the rest of the door. The snapshot keeps all of it alive.
  internal struct Target {
    var deployment: Unmanaged<ServingDeployment>
    var validator: Unmanaged<RequestValidator>
    var pool: Unmanaged<ModelPool>
  }

  package let routing: RoutingTable
  /// The targets of the routing table.
  package let deployments: [ServingDeployment]
  internal let targets: UnsafeMutablePointer<Target>

  package init(routing: RoutingTable, deployments: [ServingDeployment]) {
    self.routing = routing
    self.deployments = deployments
    targets = .allocate(capacity: max(1, deployments.count))
    for (index, deployment) in deployments.enumerated() {
      (targets + index).initialize(
        to: Target(
          deployment: .passUnretained(deployment), validator: .passUnretained(deployment.validator),
          pool: .passUnretained(deployment.pool)))
    }
  }

  deinit { targets.deallocate() }

  package static let empty = ServingSnapshot(routing: RoutingTable([]), deployments: [])
}

/// The place where the control plane puts the current snapshot and every door finds it.
///
/// Reading costs one atomic load while nothing changes; the lock is taken once a door and change.
package final class ServingBoard: Sendable {
  private let current = Locked(ServingSnapshot.empty)
  private let changes = Atomic<UInt64>(0)

  package init() {}

  /// Makes `snapshot` what is served. Whoever asks after it returns sees it, or a later one.
  package func publish(_ snapshot: ServingSnapshot) {
    current.withLock { current in
      current = snapshot
      _ = changes.wrappingAdd(1, ordering: .releasing)
    }
  }

  /// Grows with each `publish`.
  package var generation: UInt64 { changes.load(ordering: .acquiring) }

  package func read() -> (snapshot: ServingSnapshot, generation: UInt64) {
    current.withLock { ($0, changes.load(ordering: .acquiring)) }
  }
}
