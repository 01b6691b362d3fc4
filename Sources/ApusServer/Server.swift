internal import Access
internal import Control
internal import EventLoops
internal import GRPC
internal import Glibc
internal import Inference
internal import ONNXBackend
internal import Services
internal import Serving
internal import Telemetry
internal import Threads
package import Transport

/// The whole server: the only place that names concrete backends and puts the parts together.
///
/// ```
/// Server ─▶ GRPCServer (loops) ─▶ Services ─▶ ServingDoor ─▶ ServingBoard ◀─ ModelLifecycle ◀─ repositories
///                                                                │
///                                                             ModelPool ─▶ ONNXBackend
/// ```
package final class Server: @unchecked Sendable {  // set up by one thread before others see it; the rest is guarded
  private let configuration: ServerConfiguration
  private let log: Log
  private let models: ModelLifecycle
  private let state: ServerState
  private let grpc: GRPCServer
  private let hosts: [LoopHost]
  private let catalogue: Catalogue?
  private let gateway: GatewayAssembly
  private let tuning: BatchTuningDriver?
  private let lookingAfter = Locked<Task<Void, Never>?>(nil)
  private var observer: Int?
  private let polling = Locked<Task<Void, Never>?>(nil)

  /// The services of one loop, and the loop to reach them on.
  private struct LoopHost: @unchecked Sendable {  // the services are touched on their loop only
    let loop: EventLoop
    let services: Services

    func stateChanged() { loop.execute { services.stateChanged() } }
  }

  /// Where the server listens; ports that were given as 0 are filled in.
  package var addresses: [SocketAddress] { grpc.addresses + grpc.privateAddresses + grpc.controlAddresses }

  /// Binds the addresses and prepares everything. Nothing is served before `start`.
  ///
  /// - Throws: `SystemError`, `TLSError` or `InferenceError` that says what can't be had.
  package init(_ configuration: ServerConfiguration, version: String) async throws {
    self.configuration = configuration
    let output = LogOutput.standardError(level: configuration.logLevel, form: configuration.logForm)
    log = output.log("apus.server")

    var onnx = configuration.onnx
    onnx.log = { [log = output.log("onnxruntime")] severity, message in log.write(severity, message) }
    let loader = DeploymentLoader(
      backends: [ONNXBackend(options: onnx)], poolLimits: configuration.pools,
      defaultMaxBatchSize: configuration.defaultMaxBatchSize, warmsUp: configuration.warmsUp,
      hasResponseCache: configuration.responseCacheBytes > 0, log: output.log("apus.models"))
    let board = ServingBoard()
    let composer = SnapshotComposer(board: board)
    var options = ControlOptions(repositories: configuration.modelRepositories)
    options.loadAtStart = configuration.loadAtStart
    options.allowsModelControl =
      configuration.allowsModelControl ?? (configuration.dataDirectory == nil || configuration.isPrivate)
    options.pollInterval = configuration.pollInterval
    options.maxParallelLoads = configuration.modelLoadThreads
    let models = ModelLifecycle(options: options, loader: loader, composer: composer, log: output.log("apus.models"))
    self.models = models
    let logSettings = LogSettings(of: output, allowsChanges: options.allowsModelControl, log: output.log("apus.server"))
    let state = ServerState(models: models, version: version, logSettings: logSettings)
    self.state = state
    let catalogue = try await Catalogue.open(configuration, composer: composer, loader: loader, output: output)
    self.catalogue = catalogue

    tuning = configuration.tunesBatches ? BatchTuningDriver(board: board, log: output.log("apus.batching")) : nil
    let admission = Admission(limit: configuration.maxRequestsInFlight)
    let seed = HashSeed.random()
    let cache = configuration.responseCacheBytes > 0 ? ResponseCache(limitBytes: configuration.responseCacheBytes) : nil
    let sharedMemory = configuration.allowsSharedMemory ? SharedMemoryRegions(configuration) : nil
    let makeDoor = { (shard: Int) in
      ServingDoor(
        board: board, admission: admission, mirror: catalogue?.mirror, cache: cache,
        credentials: catalogue.map { _ in DoorCredentials(cache: CredentialCache(seed: seed)) },
        sharedMemory: sharedMemory, shard: shard)
    }
    let loopCount = configuration.eventLoops > 0 ? configuration.eventLoops : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    var network = GRPCServer.Configuration(addresses: configuration.listenAddresses, loopCount: loopCount)
    network.privateAddresses = configuration.privateAddresses
    network.controlAddresses = configuration.grpcControlAddresses
    if configuration.isPrivate {
      // Whoever reaches it is inside.
      network.privateAddresses += network.addresses
      network.addresses = []
      network.privateReachesControl = true
    }
    network.limits = configuration.limits
    network.options = configuration.grpc
    network.tls = configuration.tls
    network.options.identifyPeer = CertificatePrincipals(log: output.log("apus.server")).name
    let addresses = Locked(ControlAddresses(control: "", scoring: ""))
    var hosts: [LoopHost] = []
    grpc = try GRPCServer(network) { loop in
      let services = try Services(
        on: loop, door: makeDoor(hosts.count), state: state, verification: catalogue?.verification,
        control: catalogue.map { ($0.plane, { addresses.withLock { $0 } }) })
      hosts.append(LoopHost(loop: loop.eventLoop, services: services))
      return services.methods
    }
    self.hosts = hosts
    gateway = try GatewayAssembly(
      configuration, board: board, state: state, models: models, catalogue: catalogue, sharedMemory: sharedMemory,
      addresses: addresses, version: version, log: output.log("apus.gateway")
    ) { lane in makeDoor(loopCount + lane) }
  }

  /// Begins to answer. No model is there yet, and health says NOT_SERVING.
  package func listen() async throws {
    let (hosts, gateway) = (hosts, gateway)
    observer = models.observe {
      for host in hosts { host.stateChanged() }
      gateway.stateChanged()
    }
    try grpc.start()
    try catalogue?.mirror.start()
    try tuning?.start()
    for (text, addresses) in [
      ("listening", grpc.addresses), ("listening in private", grpc.privateAddresses),
      ("listening for control", grpc.controlAddresses),
    ] where !addresses.isEmpty {
      log.info(text, ["addresses": addresses.map(\.description).joined(separator: ", ")])
    }
    try await gateway.start()
  }

  /// Loads the models that are to be there from the start: health says SERVING when all of them are ready. Models that
  /// fail are reported and keep the server from being ready; the others serve.
  ///
  /// - Throws: `.invalidArgument` if a repository can't be read.
  package func loadModels() async throws {
    let failures = try await models.start()
    if let catalogue {
      try await catalogue.plane.start()
      lookingAfter.withLock { $0 = Task { await catalogue.plane.lookAfter() } }
    }
    state.finishStarting()
    for host in hosts { host.stateChanged() }
    let polling = Task { [models] in await models.pollRepeatedly() }
    self.polling.withLock { $0 = polling }
    if state.isStopping { stopTasks() }
    try gateway.announce()
    if failures.isEmpty {
      log.info("ready")
    } else {
      log.error("not ready: some models failed", ["models": failures.keys.sorted().joined(separator: ", ")])
    }
  }

  /// Says NOT_SERVING, lets running calls finish, and returns when everything is gone: at most the grace and a moment
  /// later, or when a model that is being loaded is. Models that wait to be loaded are not.
  package func drainAndStop() async {
    log.info("stopping", ["grace": "\(configuration.drainGrace)"])
    state.beginStopping()
    stopTasks()
    for host in hosts { host.stateChanged() }
    let draining = Task { [gateway, grace = configuration.drainGrace] in await gateway.drain(grace: grace) }
    grpc.drain(grace: configuration.drainGrace)
    await draining.value
    tuning?.stop()
    await models.drainAll()
    await catalogue?.reconciler.drainAll()
    if let observer { models.stopObserving(observer) }
    grpc.stop()
    gateway.stop()
    await catalogue?.close()
    log.info("stopped")
  }

  private func stopTasks() {
    polling.withLock { $0 }?.cancel()
    lookingAfter.withLock { $0 }?.cancel()
  }
}

extension SharedMemoryRegions {
  /// Copies of inputs are bounded like the messages that would have brought them.
  fileprivate convenience init(_ configuration: ServerConfiguration) {
    var limits = Limits()
    limits.maxCopiedBytes = configuration.limits.memoryBytes
    self.init(limits: limits, isForPrivateCallers: configuration.dataDirectory != nil)
  }
}

extension Log {
  /// A line of ONNX Runtime's own.
  fileprivate func write(_ severity: ONNXLogSeverity, _ message: String) {
    switch severity {
    case .verbose: trace(message)
    case .info: debug(message)
    case .warning: warning(message)
    case .error, .fatal: error(message)
    }
  }
}
