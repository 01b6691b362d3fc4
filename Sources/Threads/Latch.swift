/// Lets threads wait until others have counted it down to zero. For start-up and shutdown, not for requests.
package final class Latch: @unchecked Sendable {  // guarded by the lock
  private let lock = Lock()
  private let condition = Condition()
  private var remaining: Int

  package init(count: Int) { remaining = count }

  deinit {
    condition.deallocate()
    lock.deallocate()
  }

  package func countDown() {
    lock.withLock {
      remaining -= 1
      if remaining <= 0 { condition.broadcast() }
    }
  }

  package func wait() {
    lock.withLock {
      while remaining > 0 { condition.wait(lock) }
    }
  }
}
