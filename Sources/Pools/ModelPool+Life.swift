internal import Batching
package import Inference
internal import Synchronization
internal import Threads

extension ModelPool {
  /// Makes the instances, each on its own thread, and begins to serve. Blocks until all are made (and warm).
  ///
  /// - Throws: What the first instance to fail threw, be it at warming up; the others are gone by then and the pool cannot be
  ///   started again.
  package func start() throws(InferenceError) {
    let launch = lock.withLock {
      precondition(state.pointee.phase == .made, "A pool is started once. This is a bug.")
      state.pointee.phase = .starting
      state.pointee.lastUsed = clock.now()
      state.pointee.want(instanceCount, limits)
      return state.pointee.reserve(instanceCount)
    }
    begin(launch)
    lock.lock()
    awaitEnd(of: launch)
    let failure = launch.failure?.error
    state.pointee.phase = failure == nil ? .serving : .failed
    if failure != nil { endAll() }
    let needsWatcher = sweepsQueue || reload != nil || state.pointee.canInterrupt
    lock.unlock()
    if let failure { throw failure }
    guard needsWatcher else { return }
    do throws(InferenceError) {
      watcher = try OwnThread(name: "\(name)/watch") { [self] in watch() }
    } catch {
      log("model '\(name)': runs past their deadline go on to their end: \(error.message)")
    }
  }

  /// Takes nothing new, answers everything that was accepted, ends the threads, then calls `completion`, on a thread of
  /// its own. At once if the pool is drained already or was never started.
  package func drain(_ completion: @escaping @Sendable () -> Void) {
    lock.lock()
    switch state.pointee.phase {
    case .made, .failed, .drained:
      state.pointee.phase = .drained
      lock.unlock()
      completion()
    case .draining:
      state.pointee.drainCompletions.append(completion)
      lock.unlock()
    case .starting, .serving:
      precondition(state.pointee.phase == .serving, "A pool that is starting can't be drained. This is a bug.")
      state.pointee.phase = .draining
      state.pointee.drainCompletions.append(completion)
      lock.unlock()
      finishOnOwnThread()
    }
  }

  package func drain() async {
    await withCheckedContinuation { continuation in drain { continuation.resume() } }
  }

  /// Waiting takes as long as the running batches do, so it has a thread; the caller's if the system gives none.
  private func finishOnOwnThread() {
    do throws(InferenceError) {
      try OwnThread(name: "\(name)/drain") { [self] in finish() }.detach()
    } catch {
      finish()
    }
  }

  private func finish() {
    lock.lock()
    while true {
      endAll()
      if state.pointee.isSuspended, state.pointee.queue.count > 0, !state.pointee.isResizing {
        wakeSuspended()
        lock.lock()
      } else if state.pointee.isResizing {
        changeCondition.wait(lock)
      } else {
        break
      }
    }
    lock.unlock()
    lock.withLock {
      state.pointee.isWatcherStopped = true
      watcherCondition.signal()
    }
    watcher?.join()
    watcher = nil
    let completions = lock.withLock {
      state.pointee.phase = .drained
      defer { state.pointee.drainCompletions = [] }
      return state.pointee.drainCompletions
    }
    for completion in completions { completion() }
  }

  /// Waits until every instance has ended. With the lock held.
  private func endAll() {
    for loop in state.pointee.instances { loop._withUnsafeGuaranteedRef { $0.condition.signal() } }
    while state.pointee.living > 0 { changeCondition.wait(lock) }
  }

  // MARK: - Runs that nobody waits for

  /// Looks at the runs whenever a deadline in one of them passes. One thread for the pool; it is woken only for a
  /// deadline earlier than the one it sleeps to, so steady traffic costs it one look a deadline's length.
  private func watch() {
    var overdue = FormedBatch()
    var mailboxes = MailboxSet()
    lock.lock()
    while !state.pointee.isWatcherStopped {
      watchRuns(at: clock.now())
      if sweepsQueue || state.pointee.isSuspended { watchNoLaterThan(sweep(into: &overdue)) }
      guard overdue.removed.isEmpty else {
        lock.unlock()
        answerRemoved(&overdue, &mailboxes)
        lock.lock()
        continue
      }
      watcherCondition.wait(lock, until: state.pointee.watcherUntil)
      state.pointee.watcherUntil = .never
    }
    lock.unlock()
  }

  /// Takes out of the queue what has waited too long, though no instance has time to look. With the lock held.
  private func sweep(into overdue: inout FormedBatch) -> Instant {
    let now = clock.now()
    let isSuspended = state.pointee.isSuspended
    let next =
      policy.levels.isEmpty || isSuspended
      ? state.pointee.queue.removeOverdue(at: now, looksAtAll: isSuspended, isCancelled: isCancelled, into: &overdue)
      : state.pointee.queue.sweepTimeouts(at: now, into: &overdue)
    running.add(overdue.removed.count, ordering: .relaxed)
    return next
  }

  /// Stops the unwanted runs and makes sure that the watcher looks again in time. With the lock held.
  func watchRuns(at now: Instant) {
    var next = Instant.never
    for loop in state.pointee.instances {
      loop._withUnsafeGuaranteedRef {
        if let interruption = $0.interruption { next = min(next, $0.current.interruptIfUnwanted(interruption, at: now)) }
      }
    }
    watchNoLaterThan(next)
  }

  func watchNoLaterThan(_ instant: Instant) {
    guard instant < state.pointee.watcherUntil else { return }
    state.pointee.watcherUntil = instant
    watcherCondition.signal()
  }
}
