internal import Synchronization

/// A clock that stands still until it is set: milliseconds since 1970.
package final class StoreClock: Sendable {
  private let milliseconds: Atomic<Int64>

  package init(_ milliseconds: Int64 = 1_000) { self.milliseconds = Atomic(milliseconds) }

  package var now: Int64 { milliseconds.load(ordering: .relaxed) }
  package func set(_ value: Int64) { milliseconds.store(value, ordering: .relaxed) }
}
