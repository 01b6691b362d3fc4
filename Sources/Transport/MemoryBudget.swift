internal import Synchronization

/// Bytes that clients make the server hold, against a limit. Shared by all event loops.
package final class MemoryBudget: Sendable {
  package let limitBytes: Int
  private let used = Atomic<Int>(0)

  package init(limitBytes: Int) { self.limitBytes = limitBytes }

  package var usedBytes: Int { used.load(ordering: .relaxed) }

  /// Takes `count` bytes if they fit; the caller gives them back with `release`.
  package func reserve(_ count: Int) -> Bool {
    let after = used.add(count, ordering: .relaxed).newValue
    if after <= limitBytes { return true }
    used.subtract(count, ordering: .relaxed)
    return false
  }

  /// Takes `count` bytes whether they fit or not: an answer that is there already. New requests are then refused.
  package func take(_ count: Int) { used.add(count, ordering: .relaxed) }

  package func release(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
