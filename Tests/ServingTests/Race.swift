import Dispatch
import Glibc
import Inference
import Serving
import Synchronization

/// A value that one other thread uses, by agreement.
struct UncheckedBox<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

/// A thread that does the same over and over until it says that it has seen what it was to see.
final class Race: Sendable {
  private let decided = Atomic<Bool>(false)
  private let noted = Mutex<[InferenceError]>([])
  private let queue = DispatchQueue(label: "race")

  var isDecided: Bool { decided.load(ordering: .acquiring) }
  var failures: [InferenceError] { noted.withLock { $0 } }

  func note(_ failure: InferenceError) { noted.withLock { $0.append(failure) } }

  /// - Returns: Whether it was accepted.
  func note(_ submission: ServingDoor.Submission) -> Bool {
    guard case .refused(let error) = submission else { return true }
    note(error)
    return false
  }

  /// - Parameter turn: Answers true when the race is decided.
  func start(_ turn: @escaping @Sendable () -> Bool) {
    queue.async { [self] in
      while !turn() && failures.isEmpty {}
      decided.store(true, ordering: .releasing)
    }
  }

  /// Returns when the thread is done.
  func end() async {
    await withCheckedContinuation { continuation in queue.async { continuation.resume() } }
  }
}

/// Gives another thread a chance. For loops that wait for what another thread does.
func sched_yield_once() { sched_yield() }
