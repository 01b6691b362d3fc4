internal import Control
internal import Gateway
internal import Glibc
internal import Inference
internal import Serving
internal import Services
internal import Telemetry
internal import Threads
internal import Transport

/// The HTTP side of a server: its listeners, its way to the pools, and its routes. Nothing, if no address is given.
internal final class GatewayAssembly: Sendable {
  private struct Parts: Sendable {
    var server: GatewayServer
    var door: GatewayDoor
  }

  private let parts: Parts?
  private let configuration: ServerConfiguration
  private let listeners: [GatewayListener]
  private let log: Log
  /// Of the first addresses, once they are known.
  private let scoringPorts = Locked(ControlRoutes.ScoringPorts())
  private let controlAddresses: Locked<ControlAddresses>

  /// - Parameters:
  ///   - addresses: Filled in when they are known.
  ///   - makeDoor: Makes the front door of a lane, by its number.
  init(
    _ configuration: ServerConfiguration, board: ServingBoard, state: ServerState, models: ModelLifecycle,
    catalogue: Catalogue?, sharedMemory: SharedMemoryRegions?, addresses: Locked<ControlAddresses>, version: String,
    log: Log, makeDoor: (Int) -> ServingDoor
  ) throws {
    self.configuration = configuration
    controlAddresses = addresses
    self.log = log
    listeners = configuration.gatewayListeners
    guard !listeners.isEmpty else {
      parts = nil
      return
    }
    let door = try GatewayDoor(laneCount: 1, verification: catalogue?.verification, makeDoor: makeDoor)
    var host = GatewayHost(door: door, board: board, version: version)
    host.isLive = { !state.isStopping }
    host.isReady = { !state.isStopping && models.isServerReady }
    host.whileStarting = { state.whileStarting($0) }
    host.sharedMemory = sharedMemory
    var routes = GatewayRoutes()
    routes.addModels(host)
    routes.addOpenInference(host)
    routes.addScoring(host)
    routes.addRepository(GatewayAssembly.repository(models))
    routes.addSharedMemory(host)
    routes.addLogSettings(state.logSettings)
    if let catalogue {
      let scoringPorts = scoringPorts
      ControlRoutes(
        catalogue.plane, scoringAddress: configuration.scoringAddress, scoringPorts: { scoringPorts.withLock { $0 } }
      ).add(to: &routes)
    }
    let server = GatewayServer(
      listeners: listeners, routes: routes, limits: configuration.gateway, cors: configuration.cors,
      identifyPeer: CertificatePrincipals(log: log).name, log: log)
    parts = Parts(server: server, door: door)
  }

  private static func repository(_ models: ModelLifecycle) -> RepositoryControl {
    RepositoryControl(
      index: { readyOnly throws(InferenceError) in
        try models.index(readyOnly: readyOnly).map { entry in
          RepositoryControl.Entry(
            name: entry.name, version: entry.version.map { String($0) } ?? "", state: entry.state?.rawValue ?? "",
            reason: entry.reason)
        }
      },
      load: { model, parameters throws(InferenceError) in try await models.load(model, parameters: parameters) },
      unload: { model, parameters throws(InferenceError) in try await models.unload(model, parameters: parameters) })
  }

  /// Binds the addresses and begins to answer.
  func start() async throws {
    guard let parts else { return }
    try await parts.server.start()
    func port(_ isRight: (Set<GatewayListener.Plane>) -> Bool) -> Int? {
      zip(listeners, parts.server.ports).first { $0.0.unixPath == nil && isRight($0.0.planes) }?.1
    }
    scoringPorts.withLock {
      $0.open = port { $0.contains(.publicData) }
      $0.inside = port { $0.contains(.privateData) }
    }
    let scoring = configuration.scoringAddress ?? first(of: .publicData) ?? ""
    controlAddresses.withLock {
      $0 = ControlAddresses(control: first(of: .control) ?? "", scoring: scoring, privateScoring: first(of: .privateData))
    }
    log.info("listening", ["addresses": addresses.map { "\($0.text) (\($0.planes))" }.joined(separator: ", ")])
  }

  /// Of a private server: says in its directory how to reach it.
  func announce() throws {
    guard configuration.isPrivate, let directory = configuration.dataDirectory, parts != nil else { return }
    let control = first(of: .control) ?? ""
    let http = first(of: .publicData) ?? ""
    let text = "{\"pid\":\(getpid()),\"control\":\"\(control)\",\"http\":\"\(http)\"}\n"
    let path = "\(directory)/server.json"
    let pending = "\(path).new"
    guard let file = fopen(pending, "w") else { throw InferenceError.failedPrecondition("can't write '\(pending)'") }
    fputs(text, file)
    fclose(file)
    guard rename(pending, path) == 0 else { throw InferenceError.failedPrecondition("can't write '\(path)'") }
  }

  func stateChanged() { parts?.door.stateChanged() }

  func drain(grace: Duration) async { await parts?.server.drain(grace: grace) }

  func stop() { parts?.door.stop() }

  /// The first address where something is served; nil: it is served nowhere.
  private func first(of plane: GatewayListener.Plane) -> String? {
    addresses.first { $0.listener.planes.contains(plane) }?.text
  }

  /// Each listener with what reaches it.
  private var addresses: [(listener: GatewayListener, text: String, planes: String)] {
    guard let parts else { return [] }
    return zip(listeners, parts.server.ports).map { listener, port in
      let planes = [
        (GatewayListener.Plane.publicData, "public"), (.privateData, "private"), (.control, "control"),
      ].filter { listener.planes.contains($0.0) }.map(\.1).joined(separator: "+")
      return (listener, listener.address(port: port), planes)
    }
  }
}

extension GatewayListener {
  /// What reaches it, once its port is known.
  fileprivate func address(port: Int) -> String {
    if let unixPath { return "unix:\(unixPath)" }
    let name = host.isEmpty || host == "0.0.0.0" || host == "::" ? "127.0.0.1" : host.contains(":") ? "[\(host)]" : host
    return "\(tls == nil ? "http" : "https")://\(name):\(port)"
  }
}

extension GatewayListener.TLS {
  fileprivate init(_ configuration: TLSConfiguration) {
    self.init(certificateFile: configuration.certificateFile, keyFile: configuration.keyFile)
    clientCAFile = configuration.clientCAFile
    requiresClientCertificate = configuration.requiresClientCertificate
  }
}

extension ServerConfiguration {
  /// One listener for each address, with all that is served there.
  fileprivate var gatewayListeners: [GatewayListener] {
    var listeners: [GatewayListener] = []
    func add(_ addresses: [SocketAddress], _ planes: Set<GatewayListener.Plane>) {
      for address in addresses {
        let listener: GatewayListener
        switch address {
        case .tcp(let host, let port):
          let secure = tls.map { GatewayListener.TLS($0) }
          listener = GatewayListener(host: host.isEmpty ? "0.0.0.0" : host, port: Int(port), tls: secure, planes: planes)
        case .unix(let path): listener = GatewayListener(unixPath: path, planes: planes)
        }
        if let same = listeners.firstIndex(where: { $0.port != 0 && $0.host == listener.host && $0.port == listener.port }) {
          listeners[same].planes.formUnion(planes)
        } else {
          listeners.append(listener)
        }
      }
    }
    // Whoever reaches a private server is inside.
    add(httpAddresses, isPrivate ? [.publicData, .privateData] : [.publicData])
    add(privateHTTPAddresses, [.publicData, .privateData])
    add(controlAddresses, [.control])
    return listeners
  }
}
