package import Inference
package import Pools
internal import Synchronization

/// One deployment as the front door needs it: its pool, what requests are checked against, and its labels.
///
/// Immutable. Checks requests against its own signature, which may be narrower than the model's.
///
/// `@unchecked Sendable`: the bytes of its name are written in `init` and only read after it.
package final class ServingDeployment: @unchecked Sendable {
  /// The endpoint, or the model.
  package let name: String
  /// Its name among the endpoint's deployments; of a repository's model, the version number.
  package let version: String
  package let pool: ModelPool
  /// As served: shapes of the configuration, with the batch axis in front where the model batches.
  package let signature: ModelSignature
  package let configuration: ModelConfiguration
  /// Labels by output, in the order of the signature; nil where there are none.
  package let labels: [LabelList?]
  package let policy: DeploymentPolicy
  /// Another one for each that was loaded, and the same under another policy: no answer of one is ever another's.
  package let number: UInt64
  let validator: RequestValidator
  let versionBytes: UnsafeRawBufferPointer

  private static let numbers = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - configuration: Completed: `maxBatchSize` is set.
  ///   - number: Nil: one that no other has had.
  package init(
    name: String, version: String, pool: ModelPool, signature: ModelSignature, configuration: ModelConfiguration,
    labels: [LabelList?], policy: DeploymentPolicy = DeploymentPolicy(), number: UInt64? = nil
  ) {
    self.name = name
    self.version = version
    self.pool = pool
    self.signature = signature
    self.configuration = configuration
    self.labels = labels
    self.policy = policy
    self.number = number ?? ServingDeployment.numbers.wrappingAdd(1, ordering: .relaxed).newValue
    validator = RequestValidator(signature: signature, maxBatchSize: configuration.maxBatchSize ?? 0)
    let text = version.utf8
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, text.count), alignment: 1)
    bytes.copyBytes(from: text)
    versionBytes = UnsafeRawBufferPointer(rebasing: bytes[..<text.count])
  }

  deinit { versionBytes.deallocate() }

  /// The same pool under another policy.
  package func with(_ policy: DeploymentPolicy) -> ServingDeployment {
    ServingDeployment(
      name: name, version: version, pool: pool, signature: signature, configuration: configuration, labels: labels,
      policy: policy, number: number)
  }

  /// Whether its answers may be kept. A hit overtakes what waits, so not where answers leave in the order of the requests.
  var allowsCache: Bool {
    configuration.usesResponseCache && configuration.dynamicBatching?.preserveOrdering != true
  }

  /// By name, then by version: numbers as numbers, and before other names.
  package static func inOrder(_ left: ServingDeployment, _ right: ServingDeployment) -> Bool {
    if left.name != right.name { return left.name < right.name }
    return switch (Int64(left.version), Int64(right.version)) {
    case (let left?, let right?): left < right
    case (_?, nil): true
    case (nil, _?): false
    case (nil, nil): left.version < right.version
    }
  }
}

/// A deployment behind an endpoint: what a request that was let in keeps until it is finished, if anything.
final class ServedTarget: Sendable {
  let deployment: ServingDeployment
  /// Nil for a repository's model.
  let endpoint: EndpointPolicy?

  init(_ deployment: ServingDeployment, of endpoint: EndpointPolicy?) {
    self.deployment = deployment
    self.endpoint = endpoint
  }

  /// Whether a request's end is told to anybody.
  var isWatched: Bool { endpoint != nil || deployment.policy.meter != nil }
}
