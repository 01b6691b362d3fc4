internal import Glibc
package import Inference

/// A mutex at a fixed address, for conditions to wait with. Freed by `deallocate()`.
///
/// Over pthreads rather than `Synchronization.Mutex`, which ThreadSanitizer does not see.
package struct Lock: @unchecked Sendable {  // a pointer to a mutex
  fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  package func deallocate() {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  package func lock() { pthread_mutex_lock(mutex) }
  package func unlock() { pthread_mutex_unlock(mutex) }

  package func withLock<Result>(_ body: () -> Result) -> Result {
    lock()
    defer { unlock() }
    return body()
  }
}

/// Where threads sleep until something changes. Wake-ups may come for nothing: look again after each.
package struct Condition: @unchecked Sendable {  // a pointer to a condition variable
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  package init() {
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)  // the clock of `Instant`
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  package func deallocate() {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  package func signal() { pthread_cond_signal(condition) }
  package func broadcast() { pthread_cond_broadcast(condition) }

  /// Gives the lock up until a signal or the instant, whichever is first; has it again on return.
  package func wait(_ lock: Lock, until instant: Instant = .never) {
    guard instant != .never else {
      pthread_cond_wait(condition, lock.mutex)
      return
    }
    var time = timespec(
      tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
    pthread_cond_timedwait(condition, lock.mutex, &time)
  }
}

/// A value that is looked at and changed by one thread at a time.
package final class Locked<Value>: @unchecked Sendable {  // the value is only reached with the lock
  private let lock = Lock()
  private var value: Value

  package init(_ value: sending Value) { self.value = value }

  deinit { lock.deallocate() }

  /// - Parameter body: Short, and takes no other lock. What follows from the change is done after it.
  package func withLock<Result, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    lock.lock()
    defer { lock.unlock() }
    return try body(&value)
  }
}
