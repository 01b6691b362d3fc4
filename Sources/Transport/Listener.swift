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

  package init(
    _ socket: consuming Socket, tls: TLSContext?, on transport: TransportLoop,
    makeHandler: @escaping () -> any ConnectionHandler
  ) throws(SystemError) {
    self.transport = transport
    self.socket = socket
    self.tls = tls
    self.makeHandler = makeHandler
    registration = try transport.loop.register(self.socket.descriptor, for: .readable, self)
  }

  /// Takes no further connections.
  package func stop() {
    if let registration { transport.loop.deregister(registration) }
    registration = nil
  }

  package func handle(_ events: Readiness) {
    // Bounded, so that a storm of connections does not starve those that are open.
    for _ in 0..<64 {
      let descriptor = linux_accept(socket.descriptor)
      guard descriptor >= 0 else { return }  // EAGAIN; or EMFILE and the like, which pass when others close
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
