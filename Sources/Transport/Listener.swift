internal import CLinux
package import EventLoops
internal import Glibc

/// A listening socket on one event loop: every connection it accepts stays on that loop.
package final class Listener: EventSource {
  private let transport: TransportLoop
  private var socket: Socket
  private let tls: TLSContext?
  private let makeHandler: () -> any ConnectionHandler
  private var registration: EventLoop.Registration?
  /// Given up for a moment when the process has no other descriptor left.
  private var spare: Int32

  package init(
    _ socket: consuming Socket, tls: TLSContext?, on transport: TransportLoop,
    makeHandler: @escaping () -> any ConnectionHandler
  ) throws(SystemError) {
    self.transport = transport
    self.socket = socket
    self.tls = tls
    self.makeHandler = makeHandler
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
      let accepted = Socket(owning: descriptor)
      guard transport.mayAccept else { continue }
      accepted.setNoDelay()
      do {
        try Connection.open(accepted, tls: tls, on: transport, handler: makeHandler())
      } catch {
        continue  // the socket is closed with its owner
      }
    }
  }
}

private func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }
