package import EventLoops
internal import HTTP2

/// What the connections of one event loop share: buffers, recycled streams, limits, and the list of those with something
/// to write.
package final class TransportLoop {
  package let loop: EventLoop
  package let limits: ServerLimits
  package let memory: MemoryBudget
  let times: SharedTimes

  let output = OutputBuffer()
  let input: UnsafeMutableRawBufferPointer
  let streams = StreamStore()
  private var connections: [ObjectIdentifier: Connection] = [:]
  @exclusivity(unchecked) private var dirty: [Connection] = []
  private var onEmpty: (() -> Void)?
  /// Connections of this loop and those that are on their way to it.
  package let load = ConnectionLoad()
  private var isDraining = false

  package init(loop: EventLoop, limits: ServerLimits, memory: MemoryBudget) {
    self.loop = loop
    self.limits = limits
    times = SharedTimes(limits.times)
    self.memory = memory
    input = .allocate(byteCount: 256 * 1024, alignment: 16)
  }

  deinit { input.deallocate() }

  package var connectionCount: Int { connections.count }

  /// Writes what the turn produced, one write a connection. Part of the end of the loop's turn.
  package func flush() {
    let count = dirty.count
    for index in 0..<count { dirty[index].flush() }
    if dirty.count == count {
      dirty.removeAll(keepingCapacity: true)
    } else {
      // They have more, and are next when what came in meanwhile has been looked at.
      dirty.removeFirst(count)
      loop.turnAgain()
    }
  }

  func markDirty(_ connection: Connection) { dirty.append(connection) }

  var mayAccept: Bool { connections.count < limits.maxConnectionsPerLoop && !isDraining }

  func add(_ connection: Connection) { connections[ObjectIdentifier(connection)] = connection }

  func remove(_ connection: Connection) {
    connections[ObjectIdentifier(connection)] = nil
    load.leave()
    if connections.isEmpty, let onEmpty {
      self.onEmpty = nil
      onEmpty()
    }
  }

  /// Asks every peer to go away and lets running calls finish; `onEmpty` is called when the last connection is gone.
  ///
  /// - Parameter grace: After it, connections are closed under the calls that still run.
  package func drain(grace: Duration, onEmpty: @escaping () -> Void) {
    isDraining = true
    // Those without a session close at once. `onEmpty` is set after them, so that it is called once.
    for connection in connections.values { connection.drain(grace: grace) }
    if connections.isEmpty { onEmpty() } else { self.onEmpty = onEmpty }
  }

  /// Closes what is left.
  package func closeAll() {
    for connection in connections.values { connection.close() }
  }
}
