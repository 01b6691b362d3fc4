internal import Batching
package import Inference
internal import Synchronization
internal import Threads

/// Running cheap batches on the event loop that brought them.
///
/// To hand a batch to an instance's thread and back takes two wake-ups and two switches between threads: more than a
/// small model's run. So at the end of its turn the loop borrows an instance whose thread sleeps, and runs what waits
/// itself, as long as batches of that size are known to be quick. Everything else goes to the instance's thread.
///
/// ```
/// end of turn ─▶ an instance sleeps? ─no─▶ its thread comes to the queue when it is done
///                    │yes: borrow it, form a batch
///                    ├─ known to be quick ─▶ run here, form the next; give the instance back
///                    └─ not known ─────────▶ its own thread wakes up and runs the formed batch
/// ```
///
/// What is known: the most input bytes of a batch that ran within the limit, less than the fewest of one that did not.
/// A model's cost grows with its input, so one number says it, and one run that took long unseasonably costs one hand-over.
extension ModelPool {
  /// Serves what waits: here where that is cheap, else by waking an instance. Called in place of `wake()`.
  ///
  /// - Parameter until: No batch is begun here after it.
  package func work(until: Instant) {
    guard runsInline else { return wake() }
    lock.lock()
    guard state.pointee.queue.count > 0, state.pointee.leader == nil, let loop = state.pointee.borrowInstance() else {
      lock.unlock()
      return wake()
    }
    lock.unlock()
    let wasGivenBack = loop._withUnsafeGuaranteedRef { $0.work(until: until) }
    if !wasGivenBack { return }
    lock.lock()
    state.pointee.giveBack(loop)
    let next = state.pointee.queue.count > 0 ? state.pointee.pickInstanceToWake() : nil
    lock.unlock()
    next?.signal()
  }

  /// Learns from one run that took `nanoseconds` for `byteCount` bytes of input.
  func noteCost(_ byteCount: Int, _ nanoseconds: UInt64) {
    let known = quickBytes.load(ordering: .relaxed)
    if nanoseconds > inlineLimitNanoseconds {
      if byteCount <= known { quickBytes.store(byteCount - 1, ordering: .relaxed) }
    } else if byteCount > known {
      quickBytes.store(byteCount, ordering: .relaxed)
    }
  }
}

extension InstanceLoop {
  /// Runs batches on a thread that borrowed this instance, until nothing waits, a batch is not known to be quick, or the
  /// time is over.
  ///
  /// - Returns: Whether the instance is the borrower's to give back; if not, its own thread goes on with it.
  func work(until: Instant) -> Bool {
    let lock = pool.lock
    while true {
      lock.lock()
      let now = pool.clock.now()
      guard now < until, case .batch = form(at: now, isEnding: false) else {
        lock.unlock()
        return true
      }
      lock.unlock()
      answerRemoved()
      guard !batch.tokens.isEmpty else { continue }
      gatherRequests()
      guard inputBytes <= pool.quickBytes.load(ordering: .relaxed) else {
        lock.lock()
        isBorrowed = false
        hasFormedBatch = true
        condition.signal()  // with the lock: after it, the thread may be gone and this loop with it
        lock.unlock()
        return false
      }
      guard runEqualShapes() else {
        lock.lock()
        isBorrowed = false
        condition.signal()  // its thread wakes up to end
        lock.unlock()
        return false
      }
    }
  }

  private var inputBytes: Int {
    var total = 0
    for position in 0..<batch.tokens.count { total += requests[position].pointee.inputByteCount }
    return total
  }
}

extension InferenceRequest {
  var inputByteCount: Int {
    var total = 0
    for index in 0..<inputs.count { total += inputs[index].bytes.count }
    return total
  }
}

extension PoolState {
  /// Takes an instance whose thread sleeps; the thread leaves it alone until it is given back.
  mutating func borrowInstance() -> Unmanaged<InstanceLoop>? {
    guard phase == .serving, let loop = idle.popLast() else { return nil }
    loop._withUnsafeGuaranteedRef { $0.isBorrowed = true }
    return loop
  }

  /// Lets the instance's thread have it back; the thread wakes up if it has an end to come to.
  mutating func giveBack(_ loop: Unmanaged<InstanceLoop>) {
    let isEnding = phase != .serving
    let isIdle = loop._withUnsafeGuaranteedRef {
      $0.isBorrowed = false
      if isEnding || $0.isLeaving { $0.condition.signal() }
      return !$0.isLeaving
    }
    if isIdle { idle.append(loop) }
  }
}
