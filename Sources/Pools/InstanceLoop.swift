internal import Backends
internal import Batching
internal import Inference
internal import Synchronization
internal import Threads

/// The life of one instance: take a batch, run it, answer it, until the pool is drained. Belongs to its thread, or while
/// that sleeps to an event loop that borrowed it.
final class InstanceLoop {
  let pool: ModelPool
  /// Which of the pool's instances it is, from 0: for the backend, and for messages.
  let index: Int
  let instance: any ModelInstance
  let interruption: (any Interruption)?
  let runner: BatchRunner
  /// Whether somebody may look at its runs from outside.
  let isWatched: Bool
  @exclusivity(unchecked) var batch = FormedBatch()
  @exclusivity(unchecked) var requests: UnsafeMutableBufferPointer<RequestPointer>
  @exclusivity(unchecked) var mailboxes = MailboxSet()

  // Guarded by the pool's lock.
  /// Where its thread sleeps, so that a wake-up reaches the one it is meant for.
  let condition: Condition
  @exclusivity(unchecked) var isSignalled = false
  /// An event loop runs it while its thread sleeps.
  @exclusivity(unchecked) var isBorrowed = false
  /// It has a batch in hand that a borrower left to its thread.
  @exclusivity(unchecked) var hasFormedBatch = false
  /// It has a batch that is not answered yet, as far as it has said.
  @exclusivity(unchecked) var isBusy = false
  /// It takes nothing new, and ends.
  @exclusivity(unchecked) var isLeaving = false
  /// It takes nothing new until it passes its readiness probe again.
  @exclusivity(unchecked) var isOutOfRotation = false
  /// Its requests were taken from it during a run: it owns nothing any more.
  @exclusivity(unchecked) var isAbandoned = false
  @exclusivity(unchecked) var liveness: ProbeState?
  @exclusivity(unchecked) var readiness: ProbeState?
  @exclusivity(unchecked) var runCount: UInt64 = 0
  /// What it runs now.
  @exclusivity(unchecked) var current = Run()

  init(pool: ModelPool, index: Int, instance: any ModelInstance, condition: Condition) {
    self.pool = pool
    self.index = index
    self.instance = instance
    self.condition = condition
    interruption = instance.interruption
    runner = BatchRunner(validator: pool.validator, copiesInputs: pool.limits.liveness != nil)
    isWatched = interruption != nil || pool.limits.liveness != nil || pool.limits.readiness != nil
    requests = .allocate(capacity: 64)
  }

  deinit { requests.deallocate() }

  func run() {
    while takeBatch() {
      answerRemoved()
      guard !batch.tokens.isEmpty else { continue }
      gatherRequests()
      guard runEqualShapes() else { return }
    }
  }

  // MARK: - Taking

  /// Waits until there is something to run or to answer; false: the pool is drained, or this instance should go.
  private func takeBatch() -> Bool {
    let (lock, state) = (pool.lock, pool.state)
    lock.lock()
    defer { lock.unlock() }
    while true {
      if isBorrowed {
        condition.wait(lock)
        state.pointee.noteAwake(self)
        continue
      }
      if isAbandoned { return false }
      if hasFormedBatch {
        hasFormedBatch = false
        wakeNext()
        return true
      }
      let isEnding = state.pointee.phase == .draining || state.pointee.phase == .failed
      if isLeaving, !isEnding {
        wakeNext()  // a wake-up that came to this one is another's now
        return false
      }
      if isOutOfRotation, !isEnding {
        isBusy = false
        wakeNext()
        condition.wait(lock)
        state.pointee.noteAwake(self)
        continue
      }
      switch form(at: pool.clock.now(), isEnding: isEnding) {
      case .batch:
        wakeNext()
        return true
      case .nothing(.idle) where isEnding: return false
      case .nothing(.wait(let until)) where state.pointee.leader == nil:
        state.pointee.leader = .passUnretained(self)
        state.pointee.leaderUntil = until
        condition.wait(lock, until: until)
      case .nothing:
        state.pointee.idle.append(.passUnretained(self))
        condition.wait(lock)
      }
      state.pointee.noteAwake(self)
    }
  }

  enum Formed {
    /// There are requests to run or to answer in `batch`.
    case batch
    case nothing(BatchVerdict)
  }

  /// Takes the next batch out of the queue into `batch`. With the lock held.
  func form(at now: Instant, isEnding: Bool) -> Formed {
    let state = pool.state
    let verdict = state.pointee.queue.form(at: now, flush: isEnding, isCancelled: isCancelled, into: &batch)
    isBusy = verdict == .send || !batch.removed.isEmpty
    guard isBusy else { return .nothing(verdict) }
    pool.running.add(batch.tokens.count + batch.removed.count, ordering: .relaxed)
    if verdict == .send { state.pointee.batchCauses[batch.cause, default: 0] += 1 }
    return .batch
  }

  /// Passes the wake-up on if something is left: one `wake()` sets as many instances to work as there is work for.
  private func wakeNext() {
    let state = pool.state
    guard state.pointee.queue.count > 0, state.pointee.leader == nil || state.pointee.queue.hasReadyBatch else { return }
    state.pointee.pickInstanceToWake()?.signal()
  }

  func gatherRequests() {
    if requests.count < batch.tokens.count {
      requests.deallocate()
      requests = .allocate(capacity: 2 * batch.tokens.count)
    }
    for position in 0..<batch.tokens.count {
      requests.initializeElement(at: position, to: RequestPointer(bitPattern: batch.tokens[position])!)
    }
  }

  /// Runs the batch; in several parts if two shapes happen to have the same key.
  ///
  /// - Returns: Whether the instance goes on; if not, the rest of the batch is another's, and it must end.
  func runEqualShapes() -> Bool {
    var start = 0
    let count = batch.tokens.count
    while start < count {
      var end = start + 1
      for position in end..<max(count, end) where pool.validator.haveEqualShapes(requests[start], requests[position]) {
        // Keeps the order on both sides: what stands between moves up by one.
        let request = requests[position]
        var hole = position
        while hole > end {
          requests[hole] = requests[hole - 1]
          hole -= 1
        }
        requests[end] = request
        end += 1
      }
      guard run(requests.baseAddress! + start, count: end - start) else { return false }
      start = end
    }
    return true
  }

  // MARK: - Answering

  /// Answers what left the queue without a run.
  func answerRemoved() {
    guard !batch.removed.isEmpty else { return }
    pool.answerRemoved(&batch, &mailboxes)
  }

  /// Answers requests that are complete; `running` is the caller's to count down, and the mailboxes' waking too.
  func postAll(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int) {
    pool.post(requests, count: count, into: &mailboxes)
  }
}

/// Whether the caller of a queued request has gone away.
func isCancelled(_ token: UInt) -> Bool {
  RequestPointer(bitPattern: token)!.pointee.cancelled.load(ordering: .relaxed)
}
