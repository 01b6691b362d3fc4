package import Backends
internal import Batching
package import Inference
internal import Threads

/// A pool without instances and without its model's weights, for deployments that are rarely called.
///
/// ```
/// serving ──suspend: instances end, model freed──▶ suspended ──a request: reload, make the instances──▶ serving
///                                                     ▲                         │ fails: those who wait are told
///                                                     └─────────────────────────┘
/// ```
///
/// Requests that come meanwhile wait in the queue, within its limits, their timeouts and their deadlines.
extension ModelPool {
  /// Ends the instances and frees the model. Blocks until they have ended; the next request brings them back.
  ///
  /// - Returns: False, and nothing is changed, if the pool has requests, is suspended already, is changing, does not serve,
  ///   or was made without `reload`.
  package func suspend() -> Bool {
    lock.lock()
    guard reload != nil, state.pointee.phase == .serving, !state.pointee.isSuspended, !state.pointee.isResizing,
      state.pointee.queue.count == 0, !state.pointee.isAnyBusy
    else {
      lock.unlock()
      return false
    }
    state.pointee.isSuspended = true
    state.pointee.isResizing = true
    state.pointee.dismiss(state.pointee.staying)
    while state.pointee.living > 0 { changeCondition.wait(lock) }
    var released = model
    model = nil
    lock.unlock()
    let usage = released?.memoryUsage ?? []
    released = nil
    lock.lock()
    state.pointee.memoryBefore = usage
    state.pointee.isResizing = false
    changeCondition.broadcast()
    wakeSuspended()  // for who came meanwhile
    return true
  }

  package var isSuspended: Bool { lock.withLock { state.pointee.isSuspended } }

  /// When the latest request came, or the pool was started: who was used least recently goes first.
  package var lastUsed: Instant { lock.withLock { state.pointee.lastUsed } }

  /// What the model holds, or held before it was suspended: what a reload needs.
  package var memoryUsageWhenLoaded: [MemoryUsage] {
    lock.lock()
    let (loaded, before) = (model, state.pointee.memoryBefore)
    lock.unlock()
    return loaded?.memoryUsage ?? before
  }

  /// Has the model loaded again if anybody waits for it. With the lock held, which it gives up.
  func wakeSuspended() {
    guard state.pointee.isSuspended, !state.pointee.isResizing, state.pointee.queue.count > 0 else { return lock.unlock() }
    state.pointee.isResizing = true
    state.pointee.living += 1  // a drain waits for it
    lock.unlock()
    do throws(InferenceError) {
      try OwnThread(name: "\(name)/load") { [self] in resume() }.detach()
    } catch {
      endResume(failure: error)
    }
  }

  private func resume() {
    do throws(InferenceError) {
      let loaded = try loadAgain()
      let launch = lock.withLock {
        model = loaded
        return state.pointee.reserve(state.pointee.wanted)
      }
      begin(launch)
      lock.lock()
      awaitEnd(of: launch)
      let failure = launch.made == 0 ? launch.failure?.error : nil
      if failure != nil { model = nil }  // `loaded` holds it until the lock is free
      lock.unlock()
      endResume(failure: failure)
    } catch {
      endResume(failure: error)
    }
  }

  private func loadAgain() throws(InferenceError) -> any LoadedModel {
    guard let reload else { throw .internal("a pool without reload is suspended. This is a bug.") }
    let loaded = try reload()
    guard loaded.signature == signature else {
      throw .failedPrecondition("model '\(name)' version \(version): its inputs or outputs have changed since it was loaded")
    }
    return loaded
  }

  /// - Parameter failure: Why the pool is suspended still. Whoever waits is told that it is; the reason, which is not theirs
  ///   to mend and may name files of the server, goes to the log.
  private func endResume(failure: InferenceError?) {
    lock.lock()
    var told: [(RequestPointer, InferenceError)] = []
    if failure != nil { told = takeQueue(failure: notLoadedAgain) } else { state.pointee.isSuspended = false }
    state.pointee.isResizing = false
    state.pointee.living -= 1
    changeCondition.broadcast()
    lock.unlock()
    if let failure { log("model '\(name)' version \(version): not loaded again: \(failure.message)") }
    failTaken(told)
  }

  private var notLoadedAgain: InferenceError {
    .unavailable("model '\(name)' version \(version) has left memory and can't be loaded again; the deployment's log says why")
  }
}

extension PoolState {
  var isAnyBusy: Bool {
    for loop in instances where loop._withUnsafeGuaranteedRef({ $0.isBusy }) { return true }
    return false
  }
}
