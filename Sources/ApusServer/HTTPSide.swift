internal import Control
internal import Gateway
internal import Inference
internal import Services
internal import Serving
internal import Telemetry
internal import Threads
internal import Transport

/// The server's half that speaks HTTP: the gateway, its door to the pools, and what its routes are told.
final class HTTPSide: Sendable {
  private let server: GatewayServer
  private let door: GatewayDoor
  private let addresses: [SocketAddress]

  /// Where it listens; ports that were given as 0 are filled in.
  var boundAddresses: [SocketAddress] {
    zip(addresses, server.ports).map { address, port in
      guard case .tcp(let host, _) = address else { return address }
      return .tcp(host: host, port: UInt16(clamping: port))
    }
  }

  /// Nil if no address is configured.
  ///
  /// - Throws: `InferenceError` for an address that HTTP can't be had at.
  init?(
    _ configuration: ServerConfiguration, models: ModelLifecycle, state: ServerState, board: ServingBoard,
    admission: Admission, log: Log
  ) throws {
    guard !configuration.httpAddresses.isEmpty else { return nil }
    addresses = configuration.httpAddresses
    let tls = configuration.tls.map {
      GatewayListener.TLS(certificateFile: $0.certificateFile, keyFile: $0.keyFile)
    }
    let listeners = try configuration.httpAddresses.map { address throws(InferenceError) in
      guard case .tcp(let host, let port) = address else {
        throw .invalidArgument("HTTP can't listen on '\(address)': expected HOST:PORT or :PORT")
      }
      return GatewayListener(host: host.isEmpty ? "0.0.0.0" : host, port: Int(port), tls: tls)
    }
    // Its number is past those of the event loops, so that it counts apart from them.
    door = try GatewayDoor { ServingDoor(board: board, admission: admission, shard: 1024 + $0) }
    var host = GatewayHost(door: door, board: board, version: state.version)
    host.isLive = { !state.isStopping }
    host.isReady = { !state.isStopping && models.isServerReady }
    host.whileStarting = { state.whileStarting($0) }
    var routes = GatewayRoutes()
    routes.addModels(host)
    routes.addOpenInference(host)
    routes.addScoring(host)
    routes.addRepository(RepositoryControl(models))
    server = GatewayServer(
      listeners: listeners, routes: routes, limits: configuration.http, cors: configuration.cors,
      threads: configuration.httpThreads, log: log)
  }

  /// - Throws: `GatewayError` that names the address, or the certificate that can't be used.
  func start() async throws { try await server.start() }

  func stateChanged() { door.stateChanged() }

  /// Lets running requests finish, and returns when everything is gone.
  func drain(grace: Duration) async {
    await server.drain(grace: grace)
    door.stop()
  }
}

extension RepositoryControl {
  /// The models of a repository directory.
  fileprivate init(_ models: ModelLifecycle) {
    self.init(
      index: { readyOnly throws(InferenceError) in
        try models.index(readyOnly: readyOnly).map {
          Entry(name: $0.name, version: $0.version.map(String.init) ?? "", state: $0.state?.rawValue ?? "", reason: $0.reason)
        }
      },
      load: { name, parameters throws(InferenceError) in try await models.load(name, parameters: parameters) },
      unload: { name, parameters throws(InferenceError) in try await models.unload(name, parameters: parameters) })
  }
}
