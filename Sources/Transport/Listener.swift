internal import CLinux
package import EventLoops
internal import Glibc

/// One event loop's way in: what a connection that is accepted there, or elsewhere for it, is made with.
package final class Door: @unchecked Sendable {  // of immutable parts; what is not thread-safe is used on the loop only
  package let transport: TransportLoop
  private let tls: TLSContext?
  private let makeHandler: () -> any ConnectionHandler

  package init(to transport: TransportLoop, tls: TLSContext?, makeHandler: @escaping () -> any ConnectionHandler) {
    self.transport = transport
    self.tls = tls
    self.makeHandler = makeHandler
  }

  /// Takes in an accepted socket that is in the loop's load. On the loop's thread.
  fileprivate func open(_ socket: consuming Socket) {
    guard transport.mayAccept else { return transport.load.leave() }
    socket.setNoDelay()
    do {
      try Connection.open(socket, tls: tls, on: transport, handler: makeHandler())
    } catch {
      transport.load.leave()  // the socket is closed with its owner
    }
  }

  /// The same from another loop's thread.
  fileprivate func send(_ descriptor: Int32) {
    transport.loop.execute { self.open(Socket(owning: descriptor)) }
  }
}

/// A listening socket on one event loop. What it accepts goes to the loop with the fewest connections: the kernel shares
/// connections out by chance, and of a few long-lived ones most may come to one loop.
package final class Listener: EventSource {
  private let transport: TransportLoop
  private var socket: Socket
  private let doors: [Door]
  private let loads: [ConnectionLoad]
  private let ownDoor: Int
  private var registration: EventLoop.Registration?
  /// Given up for a moment when the process has no other descriptor left.
  private var spare: Int32

  /// - Parameters:
  ///   - doors: Of all loops that share the work.
  ///   - own: The index of the one on whose loop the listener is.
  package init(_ socket: consuming Socket, doors: [Door], own: Int) throws(SystemError) {
    transport = doors[own].transport
    self.socket = socket
    self.doors = doors
    loads = doors.map(\.transport.load)
    ownDoor = own
    spare = openSpare()
    registration = try transport.loop.register(self.socket.descriptor, for: .readable, self)
  }

  deinit { if spare >= 0 { close(spare) } }

  /// Takes no further connections.
  package func stop() {
    if let registration { transport.loop.deregister(registration) }
    registration = nil
  }

  /// Accepts a connection in place of the spare descriptor and closes it. One that was left waiting would keep the
  /// listener readable, and the loop busy with it.
  private func turnAwayOne() -> Bool {
    guard spare >= 0 else { return false }
    close(spare)
    let descriptor = linux_accept(socket.descriptor)
    if descriptor >= 0 { close(descriptor) }
    spare = openSpare()
    return descriptor >= 0
  }

  package func handle(_ events: Readiness) {
    // Bounded, so that a storm of connections does not starve those that are open.
    for _ in 0..<64 {
      let descriptor = linux_accept(socket.descriptor)
      guard descriptor >= 0 else {
        if errno == EMFILE || errno == ENFILE, turnAwayOne() { continue }
        return  // EAGAIN; or what has passed when the listener is looked at again
      }
      let index = ConnectionLoad.enterLightest(of: loads, preferring: ownDoor)
      if index == ownDoor { doors[index].open(Socket(owning: descriptor)) } else { doors[index].send(descriptor) }
    }
  }
}

private func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }
