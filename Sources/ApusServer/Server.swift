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
  /// Nil where no HTTP address is configured.
  private let http: HTTPSide?
  private let hosts: [LoopHost]
  private var observer: Int?
  private let polling = Locked<Task<Void, Never>?>(nil)

  /// The services of one loop, and the loop to reach them on.
  private struct LoopHost: @unchecked Sendable {  // the services are touched on their loop only
    let loop: EventLoop
    let services: Services

    func stateChanged() { loop.execute { services.stateChanged() } }
  }

  /// Where the server listens; ports that were given as 0 are filled in.
  package var addresses: [SocketAddress] { grpc.addresses }

  /// Binds the addresses and prepares everything. Nothing is served before `start`.
  ///
  /// - Throws: `SystemError`, `TLSError` or `InferenceError` that says what can't be had.
  package init(_ configuration: ServerConfiguration, version: String) throws {
    self.configuration = configuration
    let output = LogOutput.standardError(level: configuration.logLevel, form: configuration.logForm)
    log = output.log("apus.server")

    var onnx = configuration.onnx
    onnx.log = { [log = output.log("onnxruntime")] severity, message in log.write(severity, message) }
    let loader = DeploymentLoader(
      backends: [ONNXBackend(options: onnx)], poolLimits: configuration.pools,
      defaultMaxBatchSize: configuration.defaultMaxBatchSize, warmsUp: configuration.warmsUp,
      log: output.log("apus.models"))
    let board = ServingBoard()
    var options = ControlOptions(repositories: configuration.modelRepositories)
    options.loadAtStart = configuration.loadAtStart
    options.allowsModelControl = configuration.allowsModelControl
    options.pollInterval = configuration.pollInterval
    options.maxParallelLoads = configuration.modelLoadThreads
    let models = ModelLifecycle(options: options, loader: loader, board: board, log: output.log("apus.models"))
    self.models = models
    let state = ServerState(models: models, version: version)
    self.state = state

    let admission = Admission(limit: configuration.maxRequestsInFlight)
    let loopCount = configuration.eventLoops > 0 ? configuration.eventLoops : max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    var network = GRPCServer.Configuration(addresses: configuration.listenAddresses, loopCount: loopCount)
    network.limits = configuration.limits
    network.options = configuration.grpc
    network.tls = configuration.tls
    var hosts: [LoopHost] = []
    grpc = try GRPCServer(network) { loop in
      let services = try Services(on: loop, door: ServingDoor(board: board, admission: admission), state: state)
      hosts.append(LoopHost(loop: loop.eventLoop, services: services))
      return services.methods
    }
    self.hosts = hosts
    http = try HTTPSide(
      configuration, models: models, state: state, board: board, admission: admission, log: output.log("apus.gateway"))
  }

  /// Begins to answer. No model is there yet, and health says NOT_SERVING.
  package func listen() throws {
    let hosts = hosts
    observer = models.observe { [http] in
      for host in hosts { host.stateChanged() }
      http?.stateChanged()
    }
    try grpc.start()
    log.info("listening", ["addresses": addresses.map(\.description).joined(separator: ", ")])
  }

  /// The same for HTTP, where it is configured.
  ///
  /// - Throws: An error that names the address, or the certificate that can't be used.
  package func listenHTTP() async throws {
    guard let http else { return }
    try await http.start()
    log.info("listening for HTTP", ["addresses": http.boundAddresses.map(\.description).joined(separator: ", ")])
  }

  /// Loads the models that are to be there from the start: health says SERVING when all of them are ready. Models that
  /// fail are reported and keep the server from being ready; the others serve.
  ///
  /// - Throws: `.invalidArgument` if a repository can't be read.
  package func loadModels() async throws {
    let failures = try await models.start()
    state.finishStarting()
    for host in hosts { host.stateChanged() }
    let polling = Task { [models] in await models.pollRepeatedly() }
    self.polling.withLock { $0 = polling }
    if state.isStopping { polling.cancel() }
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
    polling.withLock { $0 }?.cancel()
    for host in hosts { host.stateChanged() }
    async let httpIsGone: Void? = http?.drain(grace: configuration.drainGrace)
    grpc.drain(grace: configuration.drainGrace)
    await httpIsGone
    await models.drainAll()
    if let observer { models.stopObserving(observer) }
    grpc.stop()
    log.info("stopped")
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
