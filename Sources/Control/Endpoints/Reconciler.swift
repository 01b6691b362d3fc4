internal import Access
package import Artifacts
internal import Documents
internal import Inference
package import Pools
internal import Resources
internal import Routing
package import Serving
package import Telemetry
internal import Threads

/// What the endpoints of the catalogue really are on this machine, and how it becomes what they should be.
///
/// ```
/// start:  check out files ▸ load ▸ make instances ▸ readiness ▸ publish ▸ drain what was replaced
/// stop:                                                         publish ▸ drain
/// ```
///
/// A request that was accepted is answered whatever happens here: doors see the new snapshot before an old pool drains. A
/// start is all or nothing, and a failed one leaves what served serving. The caller sees to it that there is one change
/// of a deployment at a time; the store's operations do.
package final class Reconciler: Sendable {
  /// One deployment that serves.
  internal struct Served: Sendable {
    var serving: ServingDeployment
    var deployment: OnlineDeployment
    var tree: String

    /// The same pool as the deployment's settings have it now.
    mutating func take(_ deployment: OnlineDeployment) {
      self.deployment = deployment
      serving = serving.with(DeploymentPolicy(deployment, meter: serving.policy.meter ?? DeploymentMeter()))
    }
  }

  internal struct Endpoint: Sendable {
    var record: EndpointRecord
    var access: EndpointAccess
    /// Goes on counting as long as its limits stay.
    var limiter: RequestLimiter?
    var deployments: [String: Served] = [:]
  }

  internal struct State {
    var endpoints: [String: Endpoint] = [:]
    /// At which revision an endpoint was taken away, by name: what was written before it comes too late.
    var removed: [String: Int64] = [:]
    var logs: [DeploymentName: DeploymentLog] = [:]
    /// Another number whenever what doors have remembered of principals is void.
    var rolesGeneration: UInt64 = 1
    var isStopping = false

    mutating func take(_ record: EndpointRecord, _ access: EndpointAccess) {
      let name = record.endpoint.name
      if let revision = removed[name] {
        guard record.revision > revision else { return }
        removed[name] = nil
      }
      var endpoint = endpoints[name] ?? Endpoint(record: record, access: access)
      guard record.revision >= endpoint.record.revision else { return }
      endpoint.record = record
      endpoint.access = access
      let limits = RequestLimits(record.endpoint.extensions)
      if endpoint.limiter?.limits != limits {
        endpoint.limiter = limits == RequestLimits() ? nil : RequestLimiter(limits, of: "endpoint '\(name)'")
      }
      endpoints[name] = endpoint
    }
  }

  package let compute: Compute
  internal let state = Locked(State())
  internal let composer: SnapshotComposer
  internal let loader: DeploymentLoader
  internal let artifacts: ArtifactStore
  internal let limits: PoolLimits
  internal let mirror: MirrorQueue?
  internal let log: Log
  private let hidesNames: Bool
  /// Most names that are remembered as taken away: far more than there are changes under way at once.
  private static let mostRemoved = 1000
  /// Loads wait for a thread here, so that many at once do not fight for the machine.
  private let loads: LoadThreads

  /// - Parameter hidesNames: Whether callers without a right learn which endpoints there are.
  package init(
    compute: Compute, composer: SnapshotComposer, loader: DeploymentLoader, artifacts: ArtifactStore,
    limits: PoolLimits, maxParallelLoads: Int, mirror: MirrorQueue?, hidesNames: Bool, log: Log
  ) {
    self.compute = compute
    self.composer = composer
    self.loader = loader
    self.artifacts = artifacts
    self.limits = limits
    self.mirror = mirror
    self.log = log
    self.hidesNames = hidesNames
    loads = LoadThreads(maxParallelLoads: maxParallelLoads)
  }

  // MARK: - Endpoints

  /// Takes over what an endpoint says: traffic, mirror, who may call. In force when it returns. An older record than the
  /// last one, or than its removal, changes nothing.
  internal func apply(_ record: EndpointRecord, access: EndpointAccess) { apply([(record, access)]) }

  /// The same for several at once: nobody sees some of them only.
  internal func apply(_ endpoints: [(record: EndpointRecord, access: EndpointAccess)]) {
    change { state in
      for (record, access) in endpoints { state.take(record, access) }
    }
  }

  /// As `apply`, but for an endpoint that has been taken away in between.
  internal func renew(_ record: EndpointRecord, access: EndpointAccess) {
    guard state.withLock({ $0.endpoints[record.endpoint.name] != nil }) else { return }
    apply(record, access: access)
  }

  /// Roles have changed: who may learn that a name is nobody's is to be asked anew.
  internal func rolesChanged(to generation: UInt64) {
    change { $0.rolesGeneration = generation }
  }

  /// Takes an endpoint out of service, with all that is behind it. Returns when its last request is answered.
  ///
  /// - Parameter revision: Of the record that says so.
  internal func remove(_ name: String, at revision: Int64) async {
    var retired: [Served] = []
    change { state in
      state.removed[name] = revision
      if state.removed.count > Reconciler.mostRemoved, let oldest = state.removed.min(by: { $0.value < $1.value }) {
        state.removed[oldest.key] = nil
      }
      guard let endpoint = state.endpoints.removeValue(forKey: name) else { return }
      retired = Array(endpoint.deployments.values)
      for deployment in endpoint.deployments.keys { state.logs[DeploymentName(endpoint: name, deployment: deployment)] = nil }
    }
    for served in retired { await served.serving.pool.drain() }
  }

  /// Whether a name is taken by a model of the server's repository.
  internal func isRepositoryModel(_ name: String) -> Bool { composer.names(of: .repository).contains(name) }

  internal func hasTree(_ tree: String) async -> Bool {
    guard let digest = Digest(hex: tree) else { return false }
    return await onOwnThread { [artifacts] in (try? artifacts.manifest(digest)) != nil }
  }

  // MARK: - Deployments

  /// Makes a deployment serve as its record says, in place of what served under its name.
  ///
  /// - Throws: `.resourceNotReady` with the reason.
  internal func start(
    _ record: DeploymentRecord, of asset: ModelAsset, progress: @escaping @Sendable (Int, String) -> Void
  ) async throws(ControlError) {
    let name = record.id
    let lines = log(of: name)
    if try await resizeOnly(record, asset, lines, progress) { return }
    let result = await loads.run(key: name.description) { [self] in
      Result { () throws(InferenceError) in try load(record, asset, lines, progress) }
    }
    switch result {
    case .success(let serving):
      progress(90, "taking over")
      let replaced = serve(serving, record, asset)
      lines.append("ready: \(serving.pool.instanceCount) instance\(serving.pool.instanceCount == 1 ? "" : "s")")
      if let replaced {
        lines.append("draining what was replaced")
        replaced.pool.drain { lines.append("drained") }
      }
    case .failure(let error):
      lines.append("failed: \(error.message)")
      throw ControlError(error.code == .unimplemented ? .notImplemented : .resourceNotReady, error.message)
    }
  }

  /// A change of nothing but the number of instances needs no load.
  private func resizeOnly(
    _ record: DeploymentRecord, _ asset: ModelAsset, _ lines: DeploymentLog,
    _ progress: @escaping @Sendable (Int, String) -> Void
  ) async throws(ControlError) -> Bool {
    guard let served = served(record.id), served.tree == asset.tree,
      served.deployment.loadedParts == record.deployment.loadedParts
    else { return false }
    if served.serving.pool.load.instances.wanted != record.instanceCount {
      progress(30, "changing to \(record.instanceCount) instances")
      try await resize(record.id, to: record.instanceCount)
    }
    change { state in
      state.endpoints[record.deployment.endpointName]?.deployments[record.deployment.name]?.take(record.deployment)
    }
    lines.append("updated without a load")
    return true
  }

  /// Changes the number of instances of a deployment that serves.
  internal func resize(_ name: DeploymentName, to count: Int) async throws(ControlError) {
    guard let served = served(name) else {
      throw ControlError(.resourceNotReady, "deployment '\(name)' does not serve")
    }
    let result = await loads.run(key: name.description) {
      Result { () throws(InferenceError) in try served.serving.pool.resize(to: count) }
    }
    do throws(InferenceError) {
      try result.get()
      log(of: name).append("scaled to \(count) instances")
    } catch {
      throw ControlError(.resourceNotReady, error.message)
    }
  }

  /// Takes a deployment out of service. Returns when its last request is answered.
  internal func stop(_ name: DeploymentName) async {
    var retired: Served?
    change { state in
      retired = state.endpoints[name.endpoint]?.deployments.removeValue(forKey: name.deployment)
      state.logs[name] = nil
    }
    await retired?.serving.pool.drain()
  }

  /// Blocks while it checks the files out and loads them.
  private func load(
    _ record: DeploymentRecord, _ asset: ModelAsset, _ lines: DeploymentLog, _ progress: (Int, String) -> Void
  ) throws(InferenceError) -> ServingDeployment {
    let model = "\(asset.model.name ?? ""):\(asset.model.version ?? "")"
    progress(10, "checking out model \(model)")
    lines.append("checking out model \(model)")
    let folder: String
    do throws(ArtifactError) {
      guard let tree = Digest(hex: asset.tree) else { throw ArtifactError(.notFound, "'\(asset.tree)' is no digest") }
      folder = try artifacts.checkout(tree)
    } catch {
      throw .unavailable("the files of model \(model) can't be checked out: \(error.message)")
    }
    progress(30, "loading model \(model)")
    lines.append("loading")
    let format: ModelLayout.Format =
      switch asset.model.kind {
      case .custom: .custom
      case .mlflow: .mlflow
      case .triton: .triton
      }
    let layout = try ModelLayout.find(in: folder, format: format, model: asset.model.name ?? "")
    var file = try loader.file(of: layout, model: asset.model.name ?? "")
    compute.apply(record, to: &file.configuration)
    let serving = try loader.start(
      file, endpoint: record.deployment.endpointName, deployment: record.deployment.name,
      limits: poolLimits(of: record.deployment), reloads: record.deployment.extensions.loadsOnDemand,
      log: { lines.append($0) })
    progress(80, "waiting for readiness")
    return serving
  }

  private func poolLimits(of deployment: OnlineDeployment) -> PoolLimits {
    var limits = limits
    limits.maxInstances = ModelPool.instanceLimit
    limits.liveness = ProbePolicy(deployment.livenessProbe)
    limits.readiness = ProbePolicy(deployment.readinessProbe)
    limits.requestsPerInstance = deployment.requestSettings.maxConcurrentRequestsPerInstance
    limits.maxQueueWait = deployment.requestSettings.maxQueueWaitMilliseconds.map { .milliseconds($0) }
    return limits
  }

  /// Puts a loaded deployment into service.
  ///
  /// - Returns: What it replaces, to be drained.
  private func serve(_ serving: ServingDeployment, _ record: DeploymentRecord, _ asset: ModelAsset) -> ServingDeployment? {
    var replaced: ServingDeployment?
    change { state in
      guard !state.isStopping, let endpoint = state.endpoints[record.deployment.endpointName] else {
        replaced = serving  // Nobody will ask for it any more.
        return
      }
      replaced = endpoint.deployments[record.deployment.name]?.serving
      // Counting goes on over an update.
      let policy = DeploymentPolicy(record.deployment, meter: replaced?.policy.meter ?? DeploymentMeter())
      state.endpoints[record.deployment.endpointName]?.deployments[record.deployment.name] = Served(
        serving: serving.with(policy), deployment: record.deployment, tree: asset.tree)
    }
    return replaced
  }

  /// Has every pool look after its instances.
  internal func probe(at now: Instant) {
    let pools = state.withLock { $0.endpoints.values.flatMap { $0.deployments.values.map(\.serving.pool) } }
    for pool in pools { pool.probe(at: now) }
  }

  // MARK: - Looking

  internal func served(_ name: DeploymentName) -> Served? {
    state.withLock { $0.endpoints[name.endpoint]?.deployments[name.deployment] }
  }

  internal func allServed() -> [(name: DeploymentName, served: Served)] {
    state.withLock { state in
      state.endpoints.flatMap { endpoint, actual in
        actual.deployments.map { (DeploymentName(endpoint: endpoint, deployment: $0.key), $0.value) }
      }
    }
  }

  package func log(of name: DeploymentName) -> DeploymentLog {
    state.withLock { state in
      if let log = state.logs[name] { return log }
      let log = DeploymentLog()
      state.logs[name] = log
      return log
    }
  }

  /// How many instances there are, for `show`.
  internal func instances(of name: DeploymentName) -> Document {
    guard let pool = served(name)?.serving.pool else { return ["wanted": 0, "ready": 0] }
    let instances = pool.load.instances
    return ["wanted": .int(instances.wanted), "ready": .int(instances.ready), "busy": .int(instances.busy)]
  }

  // MARK: - Changes

  /// Changes what there is, and publishes it.
  internal func change(_ body: (inout State) -> Void) {
    state.withLock { state in
      body(&state)
      composer.publish(part(of: state), from: .catalogue)
    }
  }

  private func part(of state: borrowing State) -> SnapshotComposer.Part {
    var part = SnapshotComposer.Part()
    part.unknownAccess = hidesNames ? .noEndpoint(generation: state.rolesGeneration) : nil
    for (name, endpoint) in state.endpoints.sorted(by: { $0.key < $1.key }) {
      var routes: [DeploymentRoute] = []
      for (deployment, served) in endpoint.deployments.sorted(by: { $0.key < $1.key }) {
        routes.append(DeploymentRoute(name: deployment, destination: part.add(served.serving)))
      }
      // Those that have traffic and do not serve are named, so that a caller learns that waiting may help. They are on
      // their way, or could not be brought back after a restart: UNAVAILABLE, in Triton's words, is true of both.
      for deployment in endpoint.record.endpoint.traffic.keys.sorted() where endpoint.deployments[deployment] == nil {
        routes.append(DeploymentRoute(name: deployment, destination: .notReady(state: "UNAVAILABLE", mayComeBack: true)))
      }
      part.endpoints.append(
        EndpointRoutes(
          name: name, deployments: routes, traffic: .split(percents: endpoint.record.endpoint.traffic),
          mirror: mirror(of: endpoint), isSticky: endpoint.record.endpoint.extensions.isSticky))
      part.policies[name] = EndpointPolicy(
        name: name, access: endpoint.access, limiter: endpoint.limiter,
        isPrivate: endpoint.record.endpoint.publicNetworkAccess == .disabled, comparesMirror: true)
    }
    return part
  }

  private func mirror(of endpoint: Endpoint) -> MirrorRule? {
    guard let mirror = endpoint.record.endpoint.mirrorTraffic, mirror.percent > 0,
      endpoint.deployments[mirror.deployment] != nil
    else { return nil }
    return MirrorRule(deployment: mirror.deployment, percent: mirror.percent)
  }

  /// Serves nothing new, and returns when every accepted request is answered and every pool is gone.
  package func drainAll() async {
    var retired: [Served] = []
    change { state in
      state.isStopping = true
      retired = state.endpoints.values.flatMap(\.deployments.values)
      state.endpoints = [:]
    }
    await withTaskGroup(of: Void.self) { group in
      for served in retired { group.addTask { await served.serving.pool.drain() } }
    }
  }
}

extension RequestLimits {
  fileprivate init(_ extensions: EndpointExtensions) {
    let rate = extensions.requestsPerSecond ?? 0
    self.init(
      requestsPerSecond: rate, burst: extensions.burst ?? rate, maxInFlight: extensions.maxRequestsInFlight ?? 0,
      maxConnections: extensions.maxConnections ?? 0, bytesPerSecond: extensions.bytesPerSecond ?? 0)
  }
}

extension DeploymentPolicy {
  /// The documented default of `request_timeout_ms`.
  private static let requestTimeoutMilliseconds = 5000

  fileprivate init(_ deployment: OnlineDeployment, meter: DeploymentMeter) {
    let timeout = deployment.requestSettings.requestTimeoutMilliseconds ?? Self.requestTimeoutMilliseconds
    self.init(requestTimeout: .milliseconds(timeout), meter: meter)
  }
}

extension ProbePolicy {
  /// With the documented defaults where a setting is not given.
  fileprivate init(_ settings: ProbeSettings) {
    self.init()
    if let seconds = settings.initialDelaySeconds { initialDelay = .seconds(seconds) }
    if let seconds = settings.periodSeconds { period = .seconds(seconds) }
    if let seconds = settings.timeoutSeconds { timeout = .seconds(seconds) }
    if let threshold = settings.successThreshold { successThreshold = threshold }
    if let threshold = settings.failureThreshold { failureThreshold = threshold }
  }
}

extension OnlineDeployment {
  /// Everything about it that a pool is made from: if it is unchanged, what serves can go on.
  internal var loadedParts: OnlineDeployment {
    var parts = self
    parts.instanceCount = nil
    parts.scaleSettings = nil
    parts.description = nil
    parts.tags = [:]
    parts.properties = [:]
    parts.requestSettings.requestTimeoutMilliseconds = nil
    parts.startupProbe = nil
    return parts
  }
}


extension Reconciler {
  /// What the meters of an endpoint's deployments have counted, by name; zero for one that does not serve.
  internal func meters(of endpoint: String) -> (String) -> MeterSnapshot {
    let served = state.withLock { $0.endpoints[endpoint]?.deployments } ?? [:]
    return { served[$0]?.serving.policy.meter?.snapshot() ?? MeterSnapshot() }
  }

  internal func mirrorCounts() -> MirrorCounts { mirror?.counts ?? MirrorCounts() }
}
