internal import Glibc
package import Inference
internal import Pools
internal import Synchronization
internal import Threads

/// Copies of live requests on their way to shadow deployments, and the thread that sends them.
///
/// Nothing here can delay, fail or change a live answer: a door makes its copy after the live request is with its pool,
/// within this queue's own limits, and hands it over without a lock; all else happens on the mirror's thread. Under load
/// copies are the first to go. What is dropped is counted, by reason.
///
/// `@unchecked Sendable`: the mailboxes and counters are made for many threads; the rest is constant, or the mirror
/// thread's.
package final class MirrorQueue: @unchecked Sendable {
  package let limits: MirrorLimits

  private let observer: (any MirrorObserver)?
  private let clock: @Sendable () -> Instant
  private let timeoutNanoseconds: UInt64
  // A pipe does here what an eventfd does for a loop: readable after a wake-up.
  private let readEnd: Int32
  private let writeEnd: Int32
  let inbox: ReplyMailbox
  let replies: ReplyMailbox
  let notes: ReplyMailbox

  private let heldRequests = Atomic<Int>(0)
  private let heldBytes = Atomic<Int>(0)
  private let sent = Atomic<UInt64>(0)
  private let answered = Atomic<UInt64>(0)
  private let failed = Atomic<UInt64>(0)
  private let compared = Atomic<UInt64>(0)
  private let drops: UnsafeMutablePointer<Atomic<UInt64>>
  private let isStopping = Atomic<Bool>(false)
  private let thread = Locked<OwnThread?>(nil)

  /// - Parameters:
  ///   - observer: Gets the pairs of endpoints that compare.
  ///   - clock: Replaced in tests.
  /// - Throws: `.resourceExhausted` when the process is out of descriptors.
  package init(
    limits: MirrorLimits = MirrorLimits(), observer: (any MirrorObserver)? = nil,
    clock: @escaping @Sendable () -> Instant = { .now() }
  ) throws(InferenceError) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw .resourceExhausted("no descriptor left for mirrored requests: errno \(errno)")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    self.limits = limits
    self.observer = observer
    self.clock = clock
    timeoutNanoseconds = limits.timeout.wholeNanoseconds
    (readEnd, writeEnd) = (ends[0], ends[1])
    inbox = ReplyMailbox(wakeDescriptor: writeEnd)
    replies = ReplyMailbox(wakeDescriptor: writeEnd)
    notes = ReplyMailbox(wakeDescriptor: writeEnd)
    drops = .allocate(capacity: MirrorCounts.Drop.allCases.count)
    for index in MirrorCounts.Drop.allCases.indices { (drops + index).initialize(to: Atomic(0)) }
  }

  deinit {
    close(readEnd)
    close(writeEnd)
    drops.deallocate()
  }

  /// Starts the thread that sends copies. Until then they gather, within the limits.
  ///
  /// - Throws: `.resourceExhausted` if the system gives no thread.
  package func start() throws(InferenceError) {
    let started = try OwnThread(name: "mirror") { [self] in run() }
    thread.withLock { $0 = started }
  }

  /// Ends the thread. What a shadow has not answered by then stays in memory: a shadow may never answer, and would write
  /// to it later. Call it when the pools are drained, so that there is nothing of the kind.
  package func stop() {
    isStopping.store(true, ordering: .releasing)
    inbox.wake()
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }

  package var counts: MirrorCounts {
    var counts = MirrorCounts()
    counts.sent = sent.load(ordering: .relaxed)
    counts.answered = answered.load(ordering: .relaxed)
    counts.failed = failed.load(ordering: .relaxed)
    counts.compared = compared.load(ordering: .relaxed)
    for index in counts.drops.indices { counts.drops[index] = drops[index].load(ordering: .relaxed) }
    return counts
  }

  /// Copies in memory.
  package var requestsHeld: Int { heldRequests.load(ordering: .relaxed) }

  // MARK: - The door's side

  /// Has the mirror look at what was brought: at the end of a door's turn.
  func wake() { inbox.wake() }

  func noteDrop(_ drop: MirrorCounts.Drop) { drops[drop.rawValue].wrappingAdd(1, ordering: .relaxed) }

  /// Copies a request that its live pool has taken, if there is room, and puts the copy in the inbox. The door wakes the
  /// inbox at the end of its turn.
  ///
  /// - Returns: The copy, retained, where the live answer is to be brought to it.
  func copy(_ request: RequestPointer, from live: ServedTarget, for shadow: ServedTarget) -> Unmanaged<AnyObject>? {
    guard !isStopping.load(ordering: .relaxed) else {
      noteDrop(.draining)
      return nil
    }
    let bytes = MirrorCopy.bytes(of: request)
    guard heldRequests.wrappingAdd(1, ordering: .relaxed).oldValue < limits.maxRequests else {
      heldRequests.wrappingSubtract(1, ordering: .relaxed)
      noteDrop(.requestLimit)
      return nil
    }
    guard hold(bytes) else {
      heldRequests.wrappingSubtract(1, ordering: .relaxed)
      noteDrop(.byteLimit)
      return nil
    }
    let compares = observer != nil && live.endpoint?.comparesMirror == true
    let copy = MirrorCopy(
      of: request, from: live, for: shadow, heldBytes: bytes, mailboxes: (replies, notes), compares: compares)
    // Each of the two travels with a count of its own.
    copy.request.pointee.context = Unmanaged.passRetained(copy).toOpaque()
    copy.note?.pointee.context = Unmanaged.passRetained(copy).toOpaque()
    let ticket = compares ? Unmanaged<AnyObject>.passRetained(copy) : nil
    inbox.post(copy.request)
    return ticket
  }

  /// Brings the live answer of a request that was copied; without it, nothing is compared. Takes the ticket's count over.
  func bring(_ ticket: Unmanaged<AnyObject>, answerOf request: RequestPointer?) {
    let copy = Unmanaged<MirrorCopy>.fromOpaque(ticket.toOpaque()).takeRetainedValue()
    guard let note = copy.note else { return }
    note.pointee.failure = .cancelled("no live answer")
    if let request, request.pointee.failure == nil {
      let bytes = MirrorCopy.bytes(of: request.pointee.outputs)
      if hold(bytes) {
        copy.keepAnswer(of: request, bytes: bytes)
        note.pointee.failure = nil
      } else {
        noteDrop(.notCompared)
      }
    }
    notes.post(note)
  }

  private func hold(_ bytes: Int) -> Bool {
    guard heldBytes.wrappingAdd(bytes, ordering: .relaxed).oldValue <= limits.maxBytes - bytes else {
      heldBytes.wrappingSubtract(bytes, ordering: .relaxed)
      return false
    }
    return true
  }

  // MARK: - The mirror's thread

  private func run() {
    var signals: [UInt64] = Array(repeating: 0, count: 16)
    while true {
      // Each of the three mailboxes has at most one wake-up in the pipe.
      while read(readEnd, &signals, 8 * signals.count) < 0 && errno == EINTR {}
      // The inbox first: doors wake it for notes too, and its `take` is what lets them write to the pipe again.
      var toWake: [ModelPool] = []
      each(of: inbox) { copy in
        if send(copy) {
          let pool = copy.shadow.deployment.pool
          if !toWake.contains(where: { $0 === pool }) { toWake.append(pool) }
        } else {
          copy.isAnswered = true
          finishIfDone(copy)
        }
      }
      for pool in toWake { pool.wake() }
      each(of: notes) { copy in
        copy.isNoteThere = true
        finishIfDone(copy)
      }
      each(of: replies) { copy in
        answered(copy)
        finishIfDone(copy)
      }
      if isStopping.load(ordering: .acquiring) { break }
    }
    // Whoever still has a copy posts it here one day.
    if requestsHeld > 0 { _ = Unmanaged.passRetained(self) }
  }

  private func each(of mailbox: ReplyMailbox, _ body: (MirrorCopy) -> Void) {
    var next = mailbox.take()
    while let request = next {
      next = request.pointee.next
      guard let context = request.pointee.context else { continue }
      body(Unmanaged<MirrorCopy>.fromOpaque(context).takeUnretainedValue())
    }
  }

  /// Gives a copy to the shadow's pool. False: it was not taken, and the reason is counted.
  private func send(_ copy: MirrorCopy) -> Bool {
    let deployment = copy.shadow.deployment
    let request = copy.request
    guard !isStopping.load(ordering: .relaxed) else {
      noteDrop(.draining)
      return false
    }
    let pool = deployment.pool
    guard 2 * pool.load.queuedRequests <= pool.queueLimit else {
      noteDrop(.shadowBusy)
      return false
    }
    let now = clock()
    request.pointee.arrival = now
    let timeout = deployment.policy.requestTimeout
    request.pointee.deadline = now.advanced(
      byNanoseconds: timeout > .zero ? min(timeout.wholeNanoseconds, timeoutNanoseconds) : timeoutNanoseconds)
    do throws(InferenceError) {
      try deployment.validator.validate(request)
    } catch {
      // A shadow that does not take what the live deployment takes: just what a mirror is to find out.
      request.pointee.failure = error
      failed.wrappingAdd(1, ordering: .relaxed)
      deployment.policy.meter?.record(.invalid, nanoseconds: 0, traffic: .mirrored)
      return false
    }
    switch pool.submit(request, now: now) {
    case .accepted:
      sent.wrappingAdd(1, ordering: .relaxed)
      return true
    case .refused(let error):
      request.pointee.failure = error
      noteDrop(.refused)
      return false
    case .draining:
      request.pointee.failure = .unavailable("the shadow is being unloaded")
      noteDrop(.draining)
      return false
    }
  }

  private func answered(_ copy: MirrorCopy) {
    let stay = clock().nanoseconds(since: copy.request.pointee.arrival)
    let outcome = RequestOutcome(copy.request.pointee.failure)
    answered.wrappingAdd(1, ordering: .relaxed)
    if outcome != .succeeded { failed.wrappingAdd(1, ordering: .relaxed) }
    copy.shadow.deployment.policy.meter?.record(outcome, nanoseconds: stay, traffic: .mirrored)
    copy.isAnswered = true
  }

  /// Shows a copy whose two answers are there, and lets it go.
  private func finishIfDone(_ copy: MirrorCopy) {
    guard copy.isAnswered, copy.note == nil || copy.isNoteThere else { return }
    if let note = copy.note, note.pointee.failure == nil, let observer {
      let outputs = copy.request.pointee.outputs
      observer.observe(
        MirroredPair(
          endpoint: copy.live.deployment.name, requestID: copy.request.pointee.id,
          liveDeployment: copy.live.deployment.version,
          shadowDeployment: copy.shadow.deployment.version, live: UnsafeBufferPointer(note.pointee.outputs),
          shadow: copy.request.pointee.failure.map { .failure($0) } ?? .outputs(UnsafeBufferPointer(outputs))))
      compared.wrappingAdd(1, ordering: .relaxed)
    }
    heldBytes.wrappingSubtract(copy.heldBytes + copy.noteBytes, ordering: .relaxed)
    heldRequests.wrappingSubtract(1, ordering: .relaxed)
    if copy.note != nil { Unmanaged.passUnretained(copy).release() }
    Unmanaged.passUnretained(copy).release()
  }
}
