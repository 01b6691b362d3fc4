internal import Backends
internal import Batching
package import Inference
internal import Synchronization
internal import Threads

/// What an instance does, as seen from outside.
package struct InstanceState: Hashable, Sendable {
  package enum Activity: Hashable, Sendable {
    /// It waits for work, or is on its way to it.
    case ready
    case running(since: Instant)
    /// In rotation no more: a probe failed. It may run still.
    case stuck(since: Instant?)
  }
  package var number: Int
  package var activity: Activity

  package init(number: Int, activity: Activity) {
    self.number = number
    self.activity = activity
  }
}

/// Stuck instances: found, taken out of rotation, replaced.
///
/// Who owns the requests of a run is decided under the pool's lock, once. The instance shows what it owes before the run
/// and takes it back after it; a probe that comes first takes it for good, and then the instance owns nothing: whatever
/// its run still brings is thrown away, and its thread ends.
///
/// ```
/// instance   show(requests) ─────────── run ─ ─ ─ ─ ─ ─ ─ ─ ─ (wakes up at last) ─▶ taken: end
/// probe                        fail: take, interrupt ─▶ answer them, make another instance
/// ```
///
/// A run that may outlive its requests must not read their memory: with liveness on, a batch of one is copied like any
/// other (see `BatchRunner.gather`). An instance that an event loop borrowed is taken in the same way; the loop itself is
/// held up until the run ends.
extension ModelPool {
  /// Most threads that may be stuck for good. Past it no instance takes a stuck one's place until one of them ends.
  package static let abandonedLimit = 16

  /// Looks at every instance whose probe is due. Called every second or so, until the pool is drained: it is what frees
  /// a drain of an instance that is stuck.
  package func probe(at now: Instant) {
    var restarted: [(index: Int, since: Instant)] = []
    var owed: [(request: RequestPointer, cause: Int)] = []
    lock.lock()
    guard state.pointee.phase == .serving || state.pointee.phase == .draining else { return lock.unlock() }
    for loop in state.pointee.instances {
      loop._withUnsafeGuaranteedRef { loop in
        let since = loop.current.requests == nil ? nil : loop.current.since
        switch loop.readiness?.look(at: now, runningSince: since, run: loop.runCount) {
        case .fail: loop.isOutOfRotation = true
        case .recover:
          loop.isOutOfRotation = false
          loop.condition.signal()
        case .some(.none), nil: break
        }
        guard let since, loop.liveness?.look(at: now, runningSince: since, run: loop.runCount) == .fail else { return }
        for position in 0..<loop.current.owed { owed.append((loop.current.requests![position], restarted.count)) }
        restarted.append((loop.index, since))
        abandon(loop)
      }
    }
    let launch = state.pointee.reserve(missingInstances)
    let orphans = takeOrphans()
    lock.unlock()
    begin(launch)
    for (index, since) in restarted { log("model '\(name)' version \(version): \(restartMessage(index, since, now))") }
    failTaken(
      owed.map {
        let (index, since) = restarted[$0.cause]
        return ($0.request, .internal(restartMessage(index, since, now)))
      })
    failTaken(orphans)
  }

  /// What each instance does now.
  package var instanceStates: [InstanceState] {
    lock.withLock {
      state.pointee.instances.map { loop in
        loop._withUnsafeGuaranteedRef {
          let since = $0.current.requests == nil ? nil : $0.current.since
          let activity: InstanceState.Activity =
            if $0.isOutOfRotation { .stuck(since: since) } else { since.map { .running(since: $0) } ?? .ready }
          return InstanceState(number: $0.index, activity: activity)
        }
      }.sorted { $0.number < $1.number }
    }
  }

  /// Leaves an instance to its stuck run. Its requests are the caller's now. With the lock held.
  private func abandon(_ loop: InstanceLoop) {
    loop.isAbandoned = true
    loop.current.requests = nil
    loop.interruption?.interrupt()
    state.pointee.removeInstance(loop)
    state.pointee.numbers.remove(loop.index)
    state.pointee.living -= 1
    state.pointee.abandoned += 1
    changeCondition.broadcast()
  }

  /// How many instances should be made to have as many as wanted. With the lock held.
  private var missingInstances: Int {
    guard state.pointee.abandoned < ModelPool.abandonedLimit, !state.pointee.isResizing, !state.pointee.isSuspended else {
      return 0
    }
    if state.pointee.phase == .serving {
      return max(state.pointee.wanted - state.pointee.staying - state.pointee.starting, 0)
    }
    return state.pointee.isDeserted && state.pointee.queue.count > 0 ? 1 : 0
  }

  private func restartMessage(_ index: Int, _ since: Instant, _ now: Instant) -> String {
    let seconds = now.nanoseconds(since: since) / 1_000_000_000
    return "instance \(index) was restarted after \(seconds) s in one run; "
      + "its liveness probe allows \((limits.liveness?.timeout ?? .zero).wholeNanoseconds / 1_000_000) ms"
  }

  // MARK: - Requests that nobody is left to run

  /// Empties the queue if there is no instance and none is being made. What it gives out counts as running until
  /// `failTaken`. With the lock held.
  func takeOrphans() -> [(RequestPointer, InferenceError)] {
    guard state.pointee.queue.count > 0, state.pointee.isDeserted, !state.pointee.isSuspended else { return [] }
    return takeQueue(failure: noInstance)
  }

  /// Empties the queue. With the lock held.
  func takeQueue(failure: InferenceError) -> [(RequestPointer, InferenceError)] {
    let tokens = state.pointee.queue.removeAll()
    running.add(tokens.count, ordering: .relaxed)
    return tokens.map { (RequestPointer(bitPattern: $0)!, failure) }
  }

  var noInstance: InferenceError {
    .unavailable("model '\(name)' has no instance: those it had are stuck, and no other could be made")
  }

  /// Answers requests that were taken from the queue or from an instance.
  func failTaken(_ taken: [(request: RequestPointer, failure: InferenceError)]) {
    guard !taken.isEmpty else { return }
    var mailboxes = MailboxSet()
    let now = clock.now()
    running.subtract(taken.count, ordering: .relaxed)
    for (request, failure) in taken { fail(request, failure, .backend, at: now, into: &mailboxes) }
    mailboxes.wakeAll()
  }
}
