internal import Backends
internal import Batching
internal import Inference
internal import Synchronization
internal import Threads

extension InstanceLoop {
  /// Runs requests of equal shapes as one batch and answers each.
  ///
  /// If the model fails on several, each is run once more alone, so that one caller's values fail nobody else. Whether
  /// together or alone, a request's outputs are the same, and its failure is its own.
  ///
  /// - Returns: Whether the instance goes on; if not, whatever it had not answered was taken from it.
  func run(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int) -> Bool {
    var rows = 0
    var wanted: UInt64 = 0
    for position in 0..<count {
      rows += requests[position].pointee.rows
      wanted |= requests[position].pointee.wantedOutputs
    }
    var times = RunTimes()
    times.start = pool.clock.now()
    runner.gather(requests, count: count, rows: rows)
    times.inputsReady = pool.clock.now()
    switch execute(requests, count: count, wanted: wanted, now: times.inputsReady) {
    case .succeeded: break
    case .failed(let failure):
      noteFailedCost(requests, count: count, since: times.start)
      return handle(failure, requests, count: count)
    case .taken: return false
    }
    times.outputsReady = pool.clock.now()
    do {
      try runner.scatter(requests, count: count, rows: rows, wanted: wanted)
      runner.releaseOutputs()
    } catch {
      runner.releaseOutputs()
      noteFailedCost(requests, count: count, since: times.start)
      fail(requests, count: count, error)
      return true
    }
    times.end = pool.clock.now()
    let nanoseconds = times.end.nanoseconds(since: times.start)
    if pool.runsInline { noteCost(requests, count: count, nanoseconds) }
    pool.noteServiceTime(nanoseconds / UInt64(count))
    complete(requests, count: count, rows: rows, times)
    return true
  }

  private func noteCost(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, _ nanoseconds: UInt64) {
    var byteCount = 0
    for position in 0..<count { byteCount += requests[position].pointee.inputByteCount }
    pool.noteCost(byteCount, nanoseconds)
  }

  /// A run that failed says that such batches may take long, but not that they are quick.
  private func noteFailedCost(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, since start: Instant) {
    guard pool.runsInline else { return }
    let nanoseconds = pool.clock.now().nanoseconds(since: start)
    if nanoseconds > pool.inlineLimitNanoseconds { noteCost(requests, count: count, nanoseconds) }
  }

  private enum Outcome {
    case succeeded
    case failed(InferenceError)
    /// A probe found the run stuck: the requests are no longer this instance's, and may be gone.
    case taken
  }

  /// The run itself, with the requests in view of those who may stop it or take them.
  private func execute(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, wanted: UInt64, now: Instant
  ) -> Outcome {
    if isWatched { show(requests, count: count, now: now) }
    var failure: InferenceError?
    do {
      try runner.run(instance, wanted: wanted)
    } catch {
      failure = error
    }
    if isWatched, !takeBack() {
      runner.releaseOutputs()
      return .taken
    }
    return failure.map { .failed($0) } ?? .succeeded
  }

  /// The reset and the view are one step under the lock: an interruption can't reach the run before or after this one.
  private func show(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, now: Instant) {
    let owed = self.requests.baseAddress! + batch.tokens.count - requests
    pool.lock.withLock {
      current = Run(requests: requests, count: count, owed: owed, since: now)
      runCount &+= 1
      guard let interruption else { return }
      interruption.reset()
      pool.watchNoLaterThan(current.interruptIfUnwanted(interruption, at: now))
    }
  }

  /// Ends the view; false: the requests were taken meanwhile.
  private func takeBack() -> Bool {
    pool.lock.withLock {
      current.requests = nil
      return !isAbandoned
    }
  }

  // MARK: - Success

  private func complete(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, rows: Int, _ times: RunTimes
  ) {
    var delta = StatisticsDelta()
    for position in 0..<count {
      let request = requests[position]
      if request.pointee.failure == nil {
        request.pointee.answeredVersion = pool.versionBytes
        request.pointee.answeredBy = Unmanaged.passRetained(pool as AnyObject)
        delta.addSuccess(request, started: times.start, ended: times.end)
      } else {
        delta.addFailure(request, ended: times.end)
      }
    }
    pool.statisticsRecorder.addRun(delta, times, batchRows: rows, epochMilliseconds: pool.clock.epochMilliseconds())
    answer(requests, count: count)
  }

  private func answer(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int) {
    pool.running.subtract(count, ordering: .relaxed)
    postAll(requests, count: count)
    mailboxes.wakeAll()
  }

  // MARK: - Failure

  /// - Returns: Whether the instance goes on.
  private func handle(_ failure: InferenceError, _ requests: UnsafeMutablePointer<RequestPointer>, count: Int) -> Bool {
    let now = pool.clock.now()
    let isWorthARetry = failure.code == .invalidArgument || failure.code == .internal
    for position in 0..<count {
      if let own = unwanted(requests[position], at: now) {
        fail(requests + position, count: 1, own, .cancelled)
      } else if count > 1, isWorthARetry {
        guard run(requests + position, count: 1) else { return false }
      } else {
        fail(requests + position, count: 1, failure)
      }
    }
    return true
  }

  /// Why nobody waits for this request any more, if that is so.
  private func unwanted(_ request: RequestPointer, at now: Instant) -> InferenceError? {
    if request.pointee.cancelled.load(ordering: .relaxed) { return .cancelled("cancelled while the model ran") }
    if request.pointee.deadline <= now { return .deadlineExceeded("the deadline passed while the model ran") }
    return nil
  }

  private func fail(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, _ failure: InferenceError,
    _ reason: FailureReason = .backend
  ) {
    let now = pool.clock.now()
    var delta = StatisticsDelta()
    for position in 0..<count {
      requests[position].pointee.failure = failure
      delta.addFailure(requests[position], ended: now)
    }
    pool.statisticsRecorder.addFailures(delta.fail, reason)
    answer(requests, count: count)
  }
}
