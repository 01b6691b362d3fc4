internal import Backends
package import Inference
internal import Synchronization
internal import Threads

/// Instances that are being made together, and how that went. Guarded by the pool's lock.
final class Launch: @unchecked Sendable {
  let numbers: [Int]
  var remaining: Int
  /// That of the lowest number that failed.
  var failure: (index: Int, error: InferenceError)?
  var made = 0

  init(numbers: [Int]) {
    self.numbers = numbers
    remaining = numbers.count
  }
}

extension ModelPool {
  // MARK: - More and fewer

  /// Changes the number of instances while the pool serves. Blocks until the new ones are made (and warm), but not until
  /// those that go have ended: each finishes the batch in hand.
  ///
  /// No request is lost or waits for it: new instances take work when they are ready, and what an instance that goes
  /// leaves behind in the queue is the others'. Of two calls at once the second waits for the first.
  ///
  /// - Throws: `.invalidArgument` for a number outside 1 to `maxInstances`, inclusive; `.failedPrecondition` if the pool
  ///   does not serve; or what the first instance to fail threw, and then the pool has as many instances as before.
  package func resize(to count: Int) throws(InferenceError) {
    guard (1...maxInstances).contains(count) else {
      throw .invalidArgument("instances: expected 1 to \(maxInstances), got \(count)")
    }
    lock.lock()
    while state.pointee.isResizing { changeCondition.wait(lock) }
    guard state.pointee.phase == .serving else {
      lock.unlock()
      throw .failedPrecondition("instances can be added only to a pool that serves; this one is draining")
    }
    guard !state.pointee.isSuspended else {
      state.pointee.want(count, limits)  // so many will be made when the model is back
      return lock.unlock()
    }
    state.pointee.isResizing = true
    let before = state.pointee.wanted
    state.pointee.want(count, limits)
    let surplus = state.pointee.staying + state.pointee.starting - count
    if surplus > 0 { state.pointee.dismiss(surplus) }
    let launch = state.pointee.reserve(max(-surplus, 0))
    lock.unlock()
    begin(launch)
    lock.lock()
    awaitEnd(of: launch)
    if launch.failure != nil {
      state.pointee.want(before, limits)
      state.pointee.dismiss(state.pointee.staying - before)
    }
    state.pointee.isResizing = false
    changeCondition.broadcast()
    lock.unlock()
    if let failure = launch.failure { throw failure.error }
  }

  // MARK: - Making

  /// Starts the threads of instances that were reserved. Without the lock.
  func begin(_ launch: Launch) {
    for number in launch.numbers {
      do throws(InferenceError) {
        try OwnThread(name: "\(name)/\(number)") { [self] in runInstance(number, launch) }.detach()
      } catch {
        lock.lock()
        note(error, number, launch)
        noteEnded(number)
        let orphans = takeOrphans()
        lock.unlock()
        failTaken(orphans)
      }
    }
  }

  /// With the lock held, which it gives up meanwhile.
  func awaitEnd(of launch: Launch) {
    while launch.remaining > 0 { changeCondition.wait(lock) }
  }

  /// What the thread of an instance does. The instance is made and freed on it.
  private func runInstance(_ number: Int, _ launch: Launch) {
    let wasAbandoned = makeAndRun(number, launch)
    lock.lock()
    if wasAbandoned { state.pointee.abandoned -= 1 } else { noteEnded(number) }
    let orphans = takeOrphans()
    lock.unlock()
    failTaken(orphans)
  }

  /// - Returns: Whether the instance was abandoned meanwhile.
  private func makeAndRun(_ number: Int, _ launch: Launch) -> Bool {
    let instance: any ModelInstance
    do throws(InferenceError) {
      guard let model = lock.withLock({ model }) else { throw .unavailable("the model is suspended") }
      instance = try model.makeInstance(index: number)
    } catch {
      lock.lock()
      note(error, number, launch)
      lock.unlock()
      return false
    }
    let condition = lock.withLock { state.pointee.vacantCondition() }
    let loop = InstanceLoop(pool: self, index: number, instance: instance, condition: condition)
    do throws(InferenceError) {
      try loop.warmUp()
    } catch {
      lock.lock()
      state.pointee.freeConditions.append(condition)
      note(error, number, launch)
      lock.unlock()
      return false
    }
    lock.lock()
    state.pointee.instances.append(.passUnretained(loop))
    let now = clock.now()
    loop.liveness = limits.liveness.map { ProbeState($0, at: now) }
    loop.readiness = limits.readiness.map { ProbeState($0, at: now) }
    note(nil, number, launch)
    lock.unlock()
    loop.run()
    lock.lock()
    state.pointee.removeInstance(loop)
    state.pointee.freeConditions.append(condition)
    let wasAbandoned = loop.isAbandoned
    lock.unlock()
    return wasAbandoned
  }

  /// Counts an instance as made, or as one that can't be. With the lock held.
  private func note(_ failure: InferenceError?, _ number: Int, _ launch: Launch) {
    if let failure { log("model '\(name)' version \(version), instance \(number): not made: \(failure.message)") }
    if failure == nil { launch.made += 1 }
    if let failure, number < launch.failure?.index ?? .max { launch.failure = (number, failure) }
    launch.remaining -= 1
    state.pointee.starting -= 1
    changeCondition.broadcast()
  }

  /// With the lock held.
  private func noteEnded(_ number: Int) {
    state.pointee.numbers.remove(number)
    state.pointee.living -= 1
    changeCondition.broadcast()
  }

  // MARK: - What a request takes

  /// Learns from a run how long an instance works on one request: an average in which each run counts for an eighth.
  func noteServiceTime(_ nanoseconds: UInt64) {
    let known = requestNanoseconds.load(ordering: .relaxed)
    requestNanoseconds.store(known == 0 ? nanoseconds : known - known / 8 + nanoseconds / 8, ordering: .relaxed)
  }
}

extension PoolState {
  /// Sets how many instances there should be, and with it how many requests may be in the pool.
  mutating func want(_ count: Int, _ limits: PoolLimits) {
    wanted = count
    guard let each = limits.requestsPerInstance else { return }
    let (limit, overflow) = (2 * count).multipliedReportingOverflow(by: max(each, 1))
    maxInFlight = overflow ? .max : limit
  }

  /// Gives so many new instances their numbers, the lowest that are free. Their threads count as living from here on.
  mutating func reserve(_ count: Int) -> Launch {
    var free: [Int] = []
    var number = 0
    while free.count < count {
      if numbers.insert(number).inserted { free.append(number) }
      number += 1
    }
    starting += count
    living += count
    return Launch(numbers: free)
  }

  /// Sends the instances with the highest numbers away.
  mutating func dismiss(_ count: Int) {
    let staying = instances.filter { loop in !loop._withUnsafeGuaranteedRef { $0.isLeaving } }
    let highest = staying.sorted { left, right in
      left._withUnsafeGuaranteedRef { $0.index } > right._withUnsafeGuaranteedRef { $0.index }
    }
    for loop in highest.prefix(max(count, 0)) {
      loop._withUnsafeGuaranteedRef {
        $0.isLeaving = true
        removeFromIdle($0)
        $0.condition.signal()
      }
    }
  }

  var canInterrupt: Bool {
    for loop in instances where loop._withUnsafeGuaranteedRef({ $0.interruption != nil }) { return true }
    return false
  }
}
