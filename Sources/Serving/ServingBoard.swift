internal import Synchronization
internal import Threads

/// The place where the control plane puts the current snapshot and every door finds it.
///
/// Reading costs one atomic load while nothing changes; the lock is taken once a door and change.
package final class ServingBoard: Sendable {
  private let current = Locked(ServingSnapshot.empty)
  private let changes = Atomic<UInt64>(0)

  package init() {}

  /// Makes `snapshot` what is served. Whoever asks after it returns sees it, or a later one.
  package func publish(_ snapshot: ServingSnapshot) {
    current.withLock { current in
      current = snapshot
      _ = changes.wrappingAdd(1, ordering: .releasing)
    }
  }

  /// Grows with each `publish`.
  package var generation: UInt64 { changes.load(ordering: .acquiring) }

  package func read() -> (snapshot: ServingSnapshot, generation: UInt64) {
    current.withLock { ($0, changes.load(ordering: .acquiring)) }
  }
}
