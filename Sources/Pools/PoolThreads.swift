internal import Glibc
internal import Inference

extension PoolClock {
  /// `CLOCK_MONOTONIC` and `CLOCK_REALTIME`.
  package static let system = PoolClock(
    now: { Instant.now() },
    epochMilliseconds: {
      var time = timespec()
      clock_gettime(CLOCK_REALTIME, &time)
      return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    })
}

/// A mutex at a fixed address, for conditions to wait with. Freed by `deallocate()`.
struct PoolLock {
  fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>

  init() {
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  func deallocate() {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func lock() { pthread_mutex_lock(mutex) }
  func unlock() { pthread_mutex_unlock(mutex) }

  func withLock<Result>(_ body: () -> Result) -> Result {
    lock()
    defer { unlock() }
    return body()
  }
}

/// Where threads sleep until something changes. Wake-ups may come for nothing: look again after each.
struct PoolCondition {
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init() {
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)  // the clock of `Instant`
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  func deallocate() {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  func signal() { pthread_cond_signal(condition) }
  func broadcast() { pthread_cond_broadcast(condition) }

  /// Gives the lock up until a signal or the instant, whichever is first; has it again on return.
  func wait(_ lock: PoolLock, until instant: Instant = .never) {
    guard instant != .never else {
      pthread_cond_wait(condition, lock.mutex)
      return
    }
    var time = timespec(
      tv_sec: Int(instant.nanoseconds / 1_000_000_000), tv_nsec: Int(instant.nanoseconds % 1_000_000_000))
    pthread_cond_timedwait(condition, lock.mutex, &time)
  }
}

/// What a thread of a pool runs. Kept alive by the thread until it ends.
final class ThreadBody: Sendable {
  let name: String
  let run: @Sendable () -> Void

  init(name: String, run: @escaping @Sendable () -> Void) {
    self.name = name
    self.run = run
  }
}

/// A named thread of a pool.
struct PoolThread: @unchecked Sendable {  // a pthread_t is a number that any thread may join with
  private let thread: pthread_t

  /// - Parameter name: As `top -H` shows it; cut to 15 bytes.
  /// - Throws: `.resourceExhausted` if the system gives no thread.
  init(name: String, run: @escaping @Sendable () -> Void) throws(InferenceError) {
    let body = Unmanaged.passRetained(ThreadBody(name: name, run: run))
    var thread = pthread_t()
    let status = pthread_create(&thread, nil, runThreadBody, body.toOpaque())
    guard status == 0 else {
      body.release()
      throw .resourceExhausted("no thread for '\(name)': pthread_create answered \(status)")
    }
    self.thread = thread
  }

  func join() { pthread_join(thread, nil) }
  func detach() { pthread_detach(thread) }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  let body = Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue()
  nameThread(body.name)
  body.run()
  return nil
}

/// Names the calling thread. Swift's Glibc module hides `pthread_setname_np`, so this is the file behind it (proc(5),
/// `/proc/[pid]/comm`); where it can't be written the thread keeps the program's name.
private func nameThread(_ name: String) {
  let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard file >= 0 else { return }
  let bytes = Array(name.utf8.prefix(15))
  _ = write(file, bytes, bytes.count)
  close(file)
}
