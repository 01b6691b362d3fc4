internal import Backends
package import Inference
internal import Synchronization
internal import Threads

extension ModelPool {
  /// Makes the instances, each on its own thread, and begins to serve. Blocks until all are made (and warm).
  ///
  /// - Throws: What the first instance to fail threw; the others are gone by then and the pool cannot be started again.
  package func start() throws(InferenceError) {
    lock.withLock {
      precondition(state.pointee.phase == .made, "A pool is started once. This is a bug.")
      state.pointee.phase = .starting
      state.pointee.starting = instanceCount
    }
    for index in 0..<instanceCount {
      do throws(InferenceError) {
        threads.append(
          try OwnThread(name: "\(name)/\(index)") { [self] in runInstance(index) })
      } catch {
        reportStarted(index, failure: error)
      }
    }
    lock.lock()
    while state.pointee.starting > 0 { startCondition.wait(lock) }
    let failure = state.pointee.startFailure?.error
    state.pointee.phase = failure == nil ? .serving : .failed
    let needsWatcher = state.pointee.runs.contains { $0.interruption != nil }
    if failure != nil { signalAll() }
    lock.unlock()
    if let failure {
      joinThreads()
      throw failure
    }
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
      signalAll()
      lock.unlock()
      finishOnOwnThread()
    }
  }

  package func drain() async {
    await withCheckedContinuation { continuation in drain { continuation.resume() } }
  }

  /// Joining blocks for as long as the running batches take, so it has a thread; the caller's if the system gives none.
  private func finishOnOwnThread() {
    do throws(InferenceError) {
      try OwnThread(name: "\(name)/drain") { [self] in finish() }.detach()
    } catch {
      finish()
    }
  }

  private func finish() {
    joinThreads()
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

  private func joinThreads() {
    for thread in threads { thread.join() }
    threads = []
  }

  private func signalAll() {
    for condition in instanceConditions { condition.signal() }
  }

  /// Called by every instance once it is ready, or is not going to be.
  func reportStarted(_ index: Int, failure: InferenceError?) {
    lock.withLock {
      if let failure, index < state.pointee.startFailure?.index ?? .max {
        state.pointee.startFailure = (index, failure)
      }
      state.pointee.starting -= 1
      startCondition.signal()
    }
  }

  // MARK: - Runs that nobody waits for

  /// Looks at the runs whenever a deadline in one of them passes. One thread for the pool; it is woken only for a
  /// deadline earlier than the one it sleeps to, so steady traffic costs it one look a deadline's length.
  private func watch() {
    lock.lock()
    while !state.pointee.isWatcherStopped {
      watchRuns(at: clock.now())
      watcherCondition.wait(lock, until: state.pointee.watcherUntil)
      state.pointee.watcherUntil = .never
    }
    lock.unlock()
  }

  /// Stops the unwanted runs and makes sure that the watcher looks again in time. With the lock held.
  func watchRuns(at now: Instant) {
    var next = Instant.never
    for index in 0..<instanceCount { next = min(next, state.pointee.runs[index].interruptIfUnwanted(at: now)) }
    watchNoLaterThan(next)
  }

  func watchNoLaterThan(_ instant: Instant) {
    guard instant < state.pointee.watcherUntil else { return }
    state.pointee.watcherUntil = instant
    watcherCondition.signal()
  }
}
