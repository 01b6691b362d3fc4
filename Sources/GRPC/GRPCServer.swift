package import EventLoops
internal import Glibc
internal import Threads
package import Transport

/// Event loops with listeners and a method table each: a gRPC server that starts, drains and stops.
package final class GRPCServer {
  package struct Configuration: Sendable {
    package var addresses: [SocketAddress]
    /// The same, for connections that methods can tell from the others: those of the operator's own network.
    package var privateAddresses: [SocketAddress] = []
    /// The same, for connections that may reach the control plane. An address with a port may be in several of these lists.
    package var controlAddresses: [SocketAddress] = []
    /// Whether private addresses reach the control plane too.
    package var privateReachesControl = false
    package var loopCount: Int
    package var limits = ServerLimits()
    package var options = GRPCOptions()
    package var tls: TLSConfiguration?

    package init(addresses: [SocketAddress], loopCount: Int) {
      self.addresses = addresses
      self.loopCount = loopCount
    }
  }

  /// Where the server listens, with the ports that the system chose for those given as 0.
  package private(set) var addresses: [SocketAddress] = []
  package private(set) var privateAddresses: [SocketAddress] = []
  package private(set) var controlAddresses: [SocketAddress] = []
  package let memory: MemoryBudget

  private let configuration: Configuration
  private let hosts: [Host]
  private var threads: [OwnThread] = []

  /// One event loop and what lives on it.
  private final class Host: @unchecked Sendable {  // after start, its thread's alone
    let loop: EventLoop
    let transport: TransportLoop
    let grpc: GRPCLoop
    var listeners: [Listener] = []

    init(index: Int, configuration: Configuration, memory: MemoryBudget) throws(SystemError) {
      loop = try EventLoop(index: index)
      transport = TransportLoop(loop: loop, limits: configuration.limits, memory: memory)
      grpc = GRPCLoop(transport: transport, options: configuration.options)
    }
  }

  /// Makes the loops and binds the addresses; nothing is accepted before `start`.
  ///
  /// - Parameter methods: Called once for each loop, so that every loop has handlers of its own.
  /// - Throws: `SystemError` for an address that can't be had, `TLSError` for a certificate or key.
  package init(_ configuration: Configuration, methods: (GRPCLoop) throws -> MethodTable) throws {
    self.configuration = configuration
    let memory = MemoryBudget(limitBytes: configuration.limits.memoryBytes)
    self.memory = memory
    hosts = try (0..<configuration.loopCount).map { index throws in
      try Host(index: index, configuration: configuration, memory: memory)
    }
    let tls = try configuration.tls.map { try TLSContext(server: $0) }
    for host in hosts {
      host.grpc.methods = try methods(host.grpc)
      // After the handlers' own work: what they answered leaves in one write.
      host.loop.atEndOfTurn { [transport = host.transport] in transport.flush() }
    }
    for asked in Self.asked(configuration) {
      let bound = try listen(on: asked.address, asked.fields, tls: tls)
      if asked.isOpen { addresses.append(bound) }
      if asked.fields.contains(.privateAddress) { privateAddresses.append(bound) }
      if asked.fields.contains(.controlAddress) { controlAddresses.append(bound) }
    }
  }

  /// Each address once, with what it says of the calls that come in by it.
  private static func asked(
    _ configuration: Configuration
  ) -> [(address: SocketAddress, isOpen: Bool, fields: NotableFields)] {
    var asked: [(address: SocketAddress, isOpen: Bool, fields: NotableFields)] = []
    func add(_ addresses: [SocketAddress], isOpen: Bool, _ fields: NotableFields) {
      for address in addresses {
        if !address.choosesPort, let known = asked.firstIndex(where: { $0.address == address }) {
          asked[known].isOpen = asked[known].isOpen || isOpen
          asked[known].fields.formUnion(fields)
        } else {
          asked.append((address, isOpen, fields))
        }
      }
    }
    add(configuration.addresses, isOpen: true, [])
    add(
      configuration.privateAddresses, isOpen: false,
      configuration.privateReachesControl ? [.privateAddress, .controlAddress] : .privateAddress)
    add(configuration.controlAddresses, isOpen: false, .controlAddress)
    return asked
  }

  /// - Returns: The address with the port that it has.
  private func listen(on address: SocketAddress, _ fields: NotableFields, tls: TLSContext?) throws -> SocketAddress {
    try Socket.checkFree(address)
    var address = address
    var shared: Int32 = -1  // a Unix socket is one for all loops
    let doors = hosts.map { host in
      Door(to: host.transport, tls: tls) { [grpc = host.grpc] in grpc.makeConnectionHandler(fields) }
    }
    for (index, host) in hosts.enumerated() {
      let socket: Socket
      switch address {
      case .unix where shared >= 0:
        socket = Socket(owning: fcntl(shared, F_DUPFD_CLOEXEC, 0))
      case .unix:
        socket = try Socket.listen(on: address, sharesPort: false)
        shared = socket.descriptor
      case .tcp(let name, _):
        socket = try Socket.listen(on: address, sharesPort: true)
        address = .tcp(host: name, port: socket.localPort)
      }
      host.listeners.append(try Listener(socket, doors: doors, own: index))
    }
    return address
  }

  /// One of the event loops, counted from 0.
  package func loop(_ index: Int) -> EventLoop { hosts[index].loop }

  /// Connections of each loop.
  package var connectionCounts: [Int] { hosts.map(\.transport.load.count) }

  /// Begins to serve, on threads of its own.
  package func start() throws {
    for host in hosts { threads.append(try OwnThread(name: "apus-loop-\(host.loop.index)") { host.loop.run() }) }
  }

  /// Stops listening, lets running calls finish, and returns when the last connection is closed, at most `grace` and a
  /// moment later.
  package func drain(grace: Duration) {
    let latch = Latch(count: hosts.count)
    for host in hosts {
      host.loop.execute {
        for listener in host.listeners { listener.stop() }
        host.listeners = []
        host.transport.drain(grace: grace) { latch.countDown() }
      }
    }
    latch.wait()
    for case .unix(let path) in addresses + privateAddresses + controlAddresses { unlink(path) }
  }

  /// Ends the loops and waits for their threads. Call `drain` first.
  package func stop() {
    for host in hosts {
      host.loop.execute { host.transport.closeAll() }
      host.loop.stop()
    }
    for thread in threads { thread.join() }
    threads = []
  }
}
