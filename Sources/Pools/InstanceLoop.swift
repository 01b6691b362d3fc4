internal import Backends
internal import Batching
internal import Inference
internal import Synchronization
internal import Threads

/// The life of one instance: take a batch, run it, answer it, until the pool is drained. Belongs to its thread, or while
/// that sleeps to an event loop that borrowed it.
final class InstanceLoop {
  let pool: ModelPool
  let index: Int
  let instance: any ModelInstance
  let interruption: (any Interruption)?
  let runner: BatchRunner
  @exclusivity(unchecked) var batch = FormedBatch()
  @exclusivity(unchecked) var requests: UnsafeMutableBufferPointer<RequestPointer>
  @exclusivity(unchecked) var mailboxes = MailboxSet()

  init(pool: ModelPool, index: Int, instance: any ModelInstance) {
    self.pool = pool
    self.index = index
    self.instance = instance
    interruption = instance.interruption
    runner = BatchRunner(validator: pool.validator)
    requests = .allocate(capacity: 64)
  }

  deinit { requests.deallocate() }

  /// Runs one row of zeros, so that the first request finds memory and kernels in place.
  func warmUp() {
    runner.gatherZeros()
    do {
      try runner.run(instance, wanted: .max)
      runner.releaseOutputs()
    } catch {
      pool.log("model '\(pool.name)' version \(pool.version), instance \(index): warm-up failed: \(error.message)")
    }
  }

  func run() {
    while takeBatch() {
      answerRemoved()
      guard !batch.tokens.isEmpty else { continue }
      gatherRequests()
      runEqualShapes()
    }
  }

  // MARK: - Taking

  /// Waits until there is something to run or to answer; false: the pool is drained.
  private func takeBatch() -> Bool {
    let (lock, state) = (pool.lock, pool.state)
    lock.lock()
    defer { lock.unlock() }
    while true {
      if state.pointee.isBorrowed[index] {
        pool.instanceConditions[index].wait(lock)
        state.pointee.noteAwake(index)
        continue
      }
      if state.pointee.hasFormedBatch[index] {
        state.pointee.hasFormedBatch[index] = false
        wakeNext()
        return true
      }
      let isEnding = state.pointee.phase == .draining || state.pointee.phase == .failed
      switch form(at: pool.clock.now(), isEnding: isEnding) {
      case .batch:
        wakeNext()
        return true
      case .nothing(.idle) where isEnding: return false
      case .nothing(.wait(let until)) where state.pointee.leader < 0:
        state.pointee.leader = index
        state.pointee.leaderUntil = until
        pool.instanceConditions[index].wait(lock, until: until)
      case .nothing:
        state.pointee.idle.append(index)
        pool.instanceConditions[index].wait(lock)
      }
      state.pointee.noteAwake(index)
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
    guard verdict == .send || !batch.removed.isEmpty else { return .nothing(verdict) }
    pool.running.add(batch.tokens.count + batch.removed.count, ordering: .relaxed)
    if verdict == .send { state.pointee.batchCauses[batch.cause, default: 0] += 1 }
    return .batch
  }

  /// Passes the wake-up on if something is left: one `wake()` sets as many instances to work as there is work for.
  private func wakeNext() {
    let state = pool.state
    guard state.pointee.queue.count > 0, state.pointee.leader < 0 || state.pointee.queue.hasReadyBatch,
      let next = state.pointee.pickInstanceToWake()
    else { return }
    pool.instanceConditions[next].signal()
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
  func runEqualShapes() {
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
      run(requests.baseAddress! + start, count: end - start)
      start = end
    }
  }

  // MARK: - Answering without a run

  func answerRemoved() {
    guard !batch.removed.isEmpty else { return }
    let now = pool.clock.now()
    for removal in batch.removed {
      let request = RequestPointer(bitPattern: removal.token)!
      request.pointee.failure = failure(of: removal, at: now)
      var delta = StatisticsDelta()
      delta.addFailure(request, ended: now)
      pool.statisticsRecorder.addFailures(delta.fail, removal.reason == .timeout ? .rejected : .cancelled)
      post(request)
    }
    batch.removed.removeAll(keepingCapacity: true)  // a borrower may leave the rest of the batch to another
    mailboxes.wakeAll()
  }

  private func failure(of removal: FormedBatch.Removal, at now: Instant) -> InferenceError {
    let microseconds = now.nanoseconds(since: removal.enqueued) / 1000
    return switch removal.reason {
    case .cancelled: .cancelled("cancelled after \(microseconds) µs in the queue")
    case .deadline: .deadlineExceeded("the deadline passed after \(microseconds) µs in the queue")
    case .timeout:
      InferenceError(
        pool.limits.queueTimeoutCode, "Request timeout expired: \(microseconds) µs in the queue")
    }
  }

  // MARK: - Posting

  private func post(_ request: RequestPointer) {
    pool.running.subtract(1, ordering: .relaxed)
    var request = request
    withUnsafeMutablePointer(to: &request) { postAll($0, count: 1) }
  }

  /// Answers requests that are complete; `running` is the caller's to count down, and the mailboxes' waking too.
  func postAll(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int) {
    if let order = pool.replyOrder {
      order.finish(requests, count: count, into: &mailboxes)
    } else {
      for position in 0..<count { mailboxes.post(requests[position]) }
    }
  }
}

/// Whether the caller of a queued request has gone away.
private func isCancelled(_ token: UInt) -> Bool {
  RequestPointer(bitPattern: token)!.pointee.cancelled.load(ordering: .relaxed)
}

extension ModelPool {
  /// What the thread of an instance does. The instance is made and freed on it.
  func runInstance(_ index: Int) {
    let loop: InstanceLoop
    do throws(InferenceError) {
      loop = InstanceLoop(pool: self, index: index, instance: try model.makeInstance(index: index))
    } catch {
      reportStarted(index, failure: error)
      return
    }
    if warmsUp { loop.warmUp() }
    lock.withLock {
      state.pointee.runs[index].interruption = loop.interruption
      state.pointee.loops[index] = .passUnretained(loop)
    }
    reportStarted(index, failure: nil)
    loop.run()
    lock.withLock {
      state.pointee.runs[index].interruption = nil
      state.pointee.loops[index] = nil
    }
  }
}
