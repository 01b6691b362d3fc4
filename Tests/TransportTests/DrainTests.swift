import EventLoops
import Glibc
import HTTP2
import Testing
import Threads
import Transport

private final class Ignoring: ConnectionHandler {
  func handle(_ event: HTTP2Event, on connection: Connection) {}
}

/// A transport on a loop of its own thread, with a listener.
private final class Host: @unchecked Sendable {  // after start, its thread's alone
  let loop: EventLoop
  let transport: TransportLoop
  private let listener: Listener
  var emptyCount = 0

  init(path: String) throws {
    loop = try EventLoop(index: 0)
    transport = TransportLoop(loop: loop, limits: ServerLimits(), memory: MemoryBudget(limitBytes: 1 << 20))
    let door = Door(to: transport, tls: nil) { Ignoring() }
    listener = try Listener(try Socket.listen(on: .unix(path: path), sharesPort: false), doors: [door], own: 0)
    loop.atEndOfTurn { [transport] in transport.flush() }
  }

  /// Runs `body` on the loop's thread and waits for it.
  func sync(_ body: @escaping @Sendable (Host) -> Void) {
    let latch = Latch(count: 1)
    loop.execute {
      body(self)
      latch.countDown()
    }
    latch.wait()
  }

  func connectionCount() -> Int {
    let count = Count()
    sync { count.value = $0.transport.connectionCount }
    return count.value
  }

  private final class Count: @unchecked Sendable { var value = 0 }  // read after the loop's thread was waited for
}

@Test(arguments: 0...3) func `a drain says once that the last connection is gone, also where none has spoken`(count: Int) throws {
  let path = "/tmp/apus-drain-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
  defer { unlink(path) }
  let host = try Host(path: path)
  let thread = try OwnThread(name: "test") { host.loop.run() }
  let peers = try (0..<count).map { _ in try Socket.connect(to: .unix(path: path)).release() }
  defer { for peer in peers { close(peer) } }
  while host.connectionCount() < count {}
  host.sync { host in host.transport.drain(grace: .seconds(100)) { host.emptyCount += 1 } }
  #expect(host.connectionCount() == 0)
  host.sync { $0.transport.closeAll() }
  host.loop.stop()
  thread.join()
  #expect(host.emptyCount == 1)
}
