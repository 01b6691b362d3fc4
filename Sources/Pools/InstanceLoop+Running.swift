internal import Backends
internal import Inference
internal import Synchronization
internal import Threads

extension InstanceLoop {
  /// Runs requests of equal shapes as one batch and answers each.
  ///
  /// If the model fails on several, each is run once more alone, so that one caller's values fail nobody else. Whether
  /// together or alone, a request's outputs are the same, and its failure is its own.
  func run(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int) {
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
    if let failure = execute(requests, count: count, wanted: wanted, now: times.inputsReady) {
      noteFailedCost(requests, count: count, since: times.start)
      handle(failure, requests, count: count)
      return
    }
    times.outputsReady = pool.clock.now()
    do {
      try runner.scatter(requests, count: count, rows: rows, wanted: wanted)
      runner.releaseOutputs()
    } catch {
      runner.releaseOutputs()
      noteFailedCost(requests, count: count, since: times.start)
      fail(requests, count: count, error)
      return
    }
    times.end = pool.clock.now()
    let nanoseconds = times.end.nanoseconds(since: times.start)
    if pool.runsInline { noteCost(requests, count: count, nanoseconds) }
    pool.noteServiceTime(nanoseconds / UInt64(count))
    complete(requests, count: count, rows: rows, times)
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

  /// The run itself, with the requests in view of those who may stop it. Nil: it succeeded.
  private func execute(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, wanted: UInt64, now: Instant
  ) -> InferenceError? {
    if let interruption { show(requests, count: count, to: interruption, now: now) }
    defer { if interruption != nil { pool.lock.withLock { current.requests = nil } } }
    do {
      try runner.run(instance, wanted: wanted)
      return nil
    } catch {
      return error
    }
  }

  /// The reset and the view are one step under the lock: an interruption can't reach the run before or after this one.
  private func show(
    _ requests: UnsafeMutablePointer<RequestPointer>, count: Int, to interruption: any Interruption, now: Instant
  ) {
    pool.lock.withLock {
      interruption.reset()
      current = Run(requests: requests, count: count)
      pool.watchNoLaterThan(current.interruptIfUnwanted(interruption, at: now))
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

  private func handle(_ failure: InferenceError, _ requests: UnsafeMutablePointer<RequestPointer>, count: Int) {
    let now = pool.clock.now()
    let isWorthARetry = failure.code == .invalidArgument || failure.code == .internal
    for position in 0..<count {
      if let own = unwanted(requests[position], at: now) {
        fail(requests + position, count: 1, own, .cancelled)
      } else if count > 1, isWorthARetry {
        run(requests + position, count: 1)
      } else {
        fail(requests + position, count: 1, failure)
      }
    }
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
