import Control
import Dispatch
import ScriptedBackend
import Synchronization

/// A value that one other thread will use, by agreement.
struct UncheckedBox<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

/// Runs `body` on a thread that may block.
func startThread(_ body: @escaping @Sendable () -> Void) {
  DispatchQueue(label: "test").async(execute: body)
}

/// Waits for `body`, which blocks, without blocking a thread of Swift concurrency.
func awaitOffPool(_ body: @escaping @Sendable () -> Void) async {
  await withCheckedContinuation { continuation in
    startThread {
      body()
      continuation.resume()
    }
  }
}

/// Notices that the lifecycle has changed.
final class ChangeCount: Sendable {
  private let signal = Signal()

  init(_ lifecycle: ModelLifecycle) {
    let signal = signal
    _ = lifecycle.observe { signal.raise() }
  }

  /// Blocks until `isTrue`, which is asked after each change.
  func awaitChange(until isTrue: @escaping () -> Bool) { signal.wait(until: isTrue) }
}
