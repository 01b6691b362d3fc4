internal import HummingbirdCore
internal import HummingbirdHTTP2
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
package import Telemetry
internal import Threads
package import Transport

/// Makes out of a client's certificate who it is; nil: nobody.
package typealias PeerIdentification = @Sendable (PeerCertificate) -> String?

/// The gateway's listeners: HTTP/1.1 and HTTP/2 on each, over TLS by what the client prefers, in the clear by how it
/// begins.
package final class GatewayServer: Sendable {
  private let listeners: [GatewayListener]
  private let limits: GatewayLimits
  private let identifyPeer: PeerIdentification?
  private let responder: GatewayResponder
  private let group: MultiThreadedEventLoopGroup
  private let log: Log
  private let state = Locked(State())

  private struct State {
    var ports: [Int: Int] = [:]
    var stops: [@Sendable () async -> Void] = []
    var runs: [Task<Void, Never>] = []
    var failure: String?
    var waiting: [CheckedContinuation<Void, Never>] = []

    func isSettled(_ count: Int) -> Bool { failure != nil || ports.count == count }
  }

  /// - Parameters:
  ///   - threads: That own the sockets; at least 1.
  ///   - identifyPeer: Asked once a connection, or a stream of HTTP/2, whose client has shown a certificate.
  package init(
    listeners: [GatewayListener], routes: GatewayRoutes, limits: GatewayLimits = GatewayLimits(),
    cors: CORSPolicy = CORSPolicy(), threads: Int = 1, identifyPeer: PeerIdentification? = nil, log: Log
  ) {
    self.listeners = listeners
    self.limits = limits
    self.identifyPeer = identifyPeer
    self.log = log
    responder = GatewayResponder(routes: routes, limits: limits, cors: cors, log: log)
    group = MultiThreadedEventLoopGroup(numberOfThreads: max(1, threads))
  }

  /// The ports in the order of the listeners, once `start` has returned.
  package var ports: [Int] {
    state.withLock { state in listeners.indices.map { state.ports[$0] ?? 0 } }
  }

  /// Binds all addresses and begins to answer.
  ///
  /// - Throws: `GatewayError` that names the address, or the certificate that can't be used.
  package func start() async throws {
    for (index, listener) in listeners.enumerated() {
      if let tls = listener.tls {
        try run(try secure(tls, listener), index, listener)
      } else {
        try run(ClearChannel(responder: answer(listener), configuration: http2), index, listener)
      }
    }
    await withCheckedContinuation { continuation in
      let isReady = state.withLock { state in
        if state.isSettled(listeners.count) { return true }
        state.waiting.append(continuation)
        return false
      }
      if isReady { continuation.resume() }
    }
    if let failure = state.withLock({ $0.failure }) { throw GatewayError(failure) }
  }

  /// Takes no new connection, lets what runs finish, and ends what has not after `grace`.
  package func drain(grace: Duration) async {
    let (stops, runs) = state.withLock { ($0.stops, $0.runs) }
    let end = Task {
      try? await Task.sleep(for: grace)
      if !Task.isCancelled { for run in runs { run.cancel() } }
    }
    await withTaskGroup(of: Void.self) { group in
      for stop in stops { group.addTask { await stop() } }
    }
    end.cancel()
    for run in runs { await run.value }
    try? await group.shutdownGracefully()
  }

  // MARK: - Channels

  private func run<Channel: ServerChildChannel>(
    _ channel: Channel, _ index: Int, _ listener: GatewayListener
  ) throws {
    let server = Server(
      childChannelSetup: channel,
      configuration: ServerConfiguration(
        address: listener.unixPath.map { .unixDomainSocket(path: $0) } ?? .hostname(listener.host, port: listener.port),
        availableConnectionsDelegate: MaximumAvailableConnections(limits.maxConnections, logger: GatewayServer.silence)),
      onServerRunning: { [self] channel in
        settle { $0.ports[index] = channel.localAddress?.port ?? listener.port }
      }, eventLoopGroup: group, logger: GatewayServer.silence)
    let run = Task { [self] in
      do { try await server.run() } catch {
        settle { $0.failure = $0.failure ?? "can't listen on \(listener.name): \(error)" }
      }
    }
    state.withLock { state in
      state.runs.append(run)
      state.stops.append { try? await server.shutdownGracefully() }
    }
  }

  private func settle(_ change: (inout State) -> Void) {
    let waiting = state.withLock { state in
      change(&state)
      guard state.isSettled(listeners.count) else { return [] as [CheckedContinuation<Void, Never>] }
      defer { state.waiting = [] }
      return state.waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  private func answer(_ listener: GatewayListener) -> HTTPChannelHandler.Responder {
    { [responder] request, writer, channel in
      try await responder.respond(to: request, on: channel, planes: listener.planes, with: writer)
    }
  }

  private func secure(_ tls: GatewayListener.TLS, _ listener: GatewayListener) throws -> HTTP2UpgradeChannel {
    do {
      let certificates = try NIOSSLCertificate.fromPEMFile(tls.certificateFile)
      let key = try NIOSSLPrivateKey(file: tls.keyFile, format: .pem)
      var configuration = NIOSSL.TLSConfiguration.makeServerConfiguration(
        certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key))
      if !tls.clientCAFile.isEmpty {
        configuration.trustRoots = .file(tls.clientCAFile)
        configuration.certificateVerification =
          tls.requiresClientCertificate ? .noHostnameVerification : .optionalVerification
      }
      return try HTTP2UpgradeChannel(
        tlsConfiguration: configuration, configuration: http2, responder: answer(listener))
    } catch {
      throw GatewayError("can't use the certificate \(tls.certificateFile) with the key \(tls.keyFile): \(error)")
    }
  }

  private var http2: HTTP2ChannelConfiguration {
    let (registry, limits, identifyPeer) = (responder.registry, limits, identifyPeer)
    return HTTP2ChannelConfiguration(
      idleTimeout: limits.idleTimeout, gracefulCloseTimeout: limits.idleTimeout,
      streamConfiguration: HTTP1Channel.Configuration(
        additionalChannelHandlers: [
          ConnectionGuard(registry: registry, limits: limits, identifyPeer: identifyPeer)
        ],
        idleTimeout: TimeAmount(limits.idleTimeout),
        httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
          maxHeaderFieldSize: limits.maxHeaderBytes, maxHeaderListSize: limits.maxHeaderBytes,
          maxHeaderFieldCount: limits.maxHeaderCount)))
  }

  private static let silence = Logger(label: "apus.gateway") { _ in SwiftLogNoOpLogHandler() }
}

/// What keeps the gateway from listening.
package struct GatewayError: Error, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}
