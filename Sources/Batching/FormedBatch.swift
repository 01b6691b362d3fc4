package import Inference

/// What one look at the queue brought out: the batch, if one leaves, and the requests that leave without running.
///
/// Reused from look to look, so that its arrays grow once.
package struct FormedBatch: Sendable {
  /// Why a batch left when it did; a person who wonders about small batches reads these.
  package enum Cause: Hashable, Sendable, CaseIterable {
    /// It reached the largest preferred size, or the next request did not fit.
    case full
    /// It reached a smaller preferred size.
    case preferred
    /// Its oldest request had waited `maxQueueDelay`.
    case delay
    /// The instance was free, and the policy does not wait.
    case free
  }

  /// A request that will not run.
  package struct Removal: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
      /// Its caller went away.
      case cancelled
      /// Its caller's deadline has passed.
      case deadline
      /// It waited longer than the queue's policy allows.
      case timeout
    }
    package var token: UInt
    package var reason: Reason
    package var enqueued: Instant
  }

  package var tokens: [UInt] = []
  package var rows = 0
  package var cause = Cause.free
  package var removed: [Removal] = []

  package init() {}

  mutating func clear() {
    tokens.removeAll(keepingCapacity: true)
    removed.removeAll(keepingCapacity: true)
    rows = 0
  }
}

/// What the instance that looked should do next.
package enum BatchVerdict: Hashable, Sendable {
  /// Run the batch.
  case send
  /// Look again at this instant, or when `append` says so.
  case wait(until: Instant)
  /// Nothing is waiting.
  case idle
}
