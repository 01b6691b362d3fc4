internal import Synchronization

/// How many requests of one endpoint have been split and sampled so far: counters that all event loops share, and that a
/// newer table takes over from an older one.
///
/// `@unchecked Sendable`: the memory holds atomics, and is freed with the object.
package final class EndpointTurns: @unchecked Sendable {
  /// Two cache lines each, so that neither a neighbour nor the adjacent-line prefetch takes the line away.
  private static let spacing = 128
  private let memory: UnsafeMutableRawPointer
  let split: UnsafeMutablePointer<Atomic<UInt64>>
  let mirror: UnsafeMutablePointer<Atomic<UInt64>>

  init() {
    memory = .allocate(byteCount: 2 * Self.spacing, alignment: Self.spacing)
    split = memory.initializeMemory(as: Atomic<UInt64>.self, to: Atomic(0))
    mirror = (memory + Self.spacing).initializeMemory(as: Atomic<UInt64>.self, to: Atomic(0))
  }

  deinit { memory.deallocate() }

  /// Whether the next of these requests is in a sample of `percent`.
  ///
  /// Of every hundred from the first exactly `percent` are, spread evenly. Each hundred begins at another place, so that
  /// a sample of half does not always meet the same deployment of two that take turns.
  static func isSampled(_ turn: UInt64, percent: Int) -> Bool {
    let place = (turn % 100 &+ turn / 100) % 100
    return (place &* UInt64(percent)) % 100 &+ UInt64(percent) >= 100
  }
}

extension UnsafeMutableRawPointer {
  fileprivate func initializeMemory<Value: ~Copyable>(
    as type: Value.Type, to value: consuming Value
  ) -> UnsafeMutablePointer<Value> {
    let pointer = bindMemory(to: type, capacity: 1)
    pointer.initialize(to: value)
    return pointer
  }
}
