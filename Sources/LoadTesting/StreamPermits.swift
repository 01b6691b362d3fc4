/// Which connection the next call goes on: a permit for each stream that may be open, handed out in turn.
///
/// A permit is in the ring, with a call, or put aside while its connection takes none.
struct StreamPermits {
  private let ring: UnsafeMutablePointer<Int32>
  private let capacity: Int
  private var head = 0
  private(set) var count = 0
  /// Of each connection, how many are put aside.
  private let aside: UnsafeMutablePointer<Int32>
  private let connections: Int

  init(connections: Int, each: Int) {
    capacity = connections * each
    self.connections = connections
    ring = .allocate(capacity: max(capacity, 1))
    aside = .allocate(capacity: max(connections, 1))
    aside.initialize(repeating: 0, count: connections)
    // In turn, so that few calls are spread over all connections.
    for _ in 0..<each { for connection in 0..<connections { give(Int32(connection)) } }
  }

  func deallocate() {
    ring.deallocate()
    aside.deallocate()
  }

  /// Nil if none is left.
  @inline(__always)
  mutating func take() -> Int32? {
    guard count > 0 else { return nil }
    let connection = ring[head]
    head = head + 1 == capacity ? 0 : head + 1
    count -= 1
    return connection
  }

  @inline(__always)
  mutating func give(_ connection: Int32) {
    var tail = head + count
    if tail >= capacity { tail -= capacity }
    ring[tail] = connection
    count += 1
  }

  /// Keeps a permit that was taken until `giveBack`.
  mutating func putAside(_ connection: Int32) { aside[Int(connection)] += 1 }

  /// The connection takes calls again.
  mutating func giveBack(_ connection: Int32) {
    for _ in 0..<aside[Int(connection)] { give(connection) }
    aside[Int(connection)] = 0
  }
}
