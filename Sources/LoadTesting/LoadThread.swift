internal import EventLoops
internal import Inference
internal import Threads

/// A thread with its event loop and its part of a load test.
final class LoadThread: @unchecked Sendable {  // `loop` is used on its own thread alone
  private let loop: LoadLoop
  private let eventLoop: EventLoop
  private let thread: OwnThread
  private let isClosed = Locked(false)

  /// - Throws: `InferenceError` if the system gives no thread.
  init(_ loop: LoadLoop) throws(InferenceError) {
    self.loop = loop
    eventLoop = loop.eventLoop
    let box = LoopBox(loop: loop)
    thread = try OwnThread(name: "load \(loop.part.index)") { box.loop.run() }
  }

  /// Runs `work` on the thread, in the order of calls.
  func execute(_ work: @escaping @Sendable (LoadLoop) -> Void) {
    let box = LoopBox(loop: loop)
    eventLoop.execute { work(box.loop) }
  }

  /// Closes the connections and ends the thread. Once or more often.
  func close() {
    let mustClose = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard mustClose else { return }
    execute { $0.close() }
    thread.join()
  }
}

private struct LoopBox: @unchecked Sendable {  // opened on the loop's thread alone
  let loop: LoadLoop
}

/// A wish to stop, which a sleeper hears of at once.
final class Interruption: @unchecked Sendable {  // guarded by the lock
  private let lock = Lock()
  private let condition = Condition()
  private var raised = false

  deinit {
    condition.deallocate()
    lock.deallocate()
  }

  var isRaised: Bool { lock.withLock { raised } }

  func raise() {
    lock.withLock {
      raised = true
      condition.broadcast()
    }
  }

  /// Sleeps until the instant, or until it is raised.
  func wait(until instant: Instant) {
    lock.withLock {
      while !raised, Instant.now() < instant { condition.wait(lock, until: instant) }
    }
  }
}

/// Counts threads down to zero, and waits for it no longer than it may.
final class Monitor: @unchecked Sendable {  // guarded by the lock
  private let lock = Lock()
  private let condition = Condition()
  private var remaining: Int

  init(count: Int) { remaining = count }

  deinit {
    condition.deallocate()
    lock.deallocate()
  }

  func countDown() {
    lock.withLock {
      remaining -= 1
      condition.broadcast()
    }
  }

  /// Whether zero was reached by `instant`. An interruption, which is looked for every 50 ms, ends the wait too.
  func wait(until instant: Instant, or interruption: Interruption?) -> Bool {
    while true {
      let now = Instant.now()
      let isDone = lock.withLock {
        if remaining > 0 { condition.wait(lock, until: min(instant, now.advanced(byNanoseconds: 50_000_000))) }
        return remaining <= 0
      }
      if isDone { return true }
      if Instant.now() >= instant || interruption?.isRaised == true { return false }
    }
  }
}
