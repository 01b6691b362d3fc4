internal import Backends
internal import Batching
internal import Inference
internal import Synchronization
internal import Threads

/// What the threads of a pool share, all of it guarded by the pool's lock.
///
/// Not copyable, so that a look through the pool's pointer can't retain every array in it: that was a third of
/// `submit`.
struct PoolState: ~Copyable {
  enum Phase { case made, starting, serving, failed, draining, drained }

  var phase = Phase.made
  var queue: BatchQueue
  var nextTicket: UInt64 = 0
  var batchCauses: [FormedBatch.Cause: UInt64] = [:]
  /// Most requests in the pool, waiting and running.
  var maxInFlight = Int.max

  /// Instances that are made and have not ended: each belongs to its thread, which takes it out before it frees it.
  var instances: [Unmanaged<InstanceLoop>] = []
  /// How many instances there should be.
  var wanted = 0
  /// Threads that make an instance now.
  var starting = 0
  /// Threads of instances that a drain waits for.
  var living = 0
  /// Threads that were left to a stuck run.
  var abandoned = 0
  /// Numbers of the instances that live or are being made.
  var numbers: Set<Int> = []
  /// Whether the model is freed, or about to be, and not yet back.
  var isSuspended = false
  /// What the model held when it was suspended last.
  var memoryBefore: [MemoryUsage] = []
  /// When the latest request came.
  var lastUsed = Instant(nanoseconds: 0)
  /// Whether somebody changes the number of instances; one at a time.
  var isResizing = false
  var drainCompletions: [@Sendable () -> Void] = []

  /// Instances without work. The last to stop is the first to be woken: its caches are warm.
  var idle: [Unmanaged<InstanceLoop>] = []
  /// The instance that waits for a batch to fill up. One is enough.
  var leader: Unmanaged<InstanceLoop>?
  var leaderUntil = Instant.never
  /// Instances woken that have not looked at the queue yet. They will see whatever is in it by then.
  var wakesUnderWay = 0

  /// Every condition that an instance waited on, and those that none waits on now. They live as long as the pool: who
  /// wakes an instance signals after the lock, and by then it may have ended.
  var conditions: [Condition] = []
  var freeConditions: [Condition] = []

  var utilisation = UtilisationMeter()
  /// When the watcher looks at the runs again.
  var watcherUntil = Instant.never
  var isWatcherStopped = false

  init(queue: BatchQueue) { self.queue = queue }

  mutating func vacantCondition() -> Condition {
    if let condition = freeConditions.popLast() { return condition }
    let condition = Condition()
    conditions.append(condition)
    return condition
  }

  /// Whether the queue needs an instance to look at it, and one could.
  ///
  /// - Parameter timeout: When the latest request times out: its leader may have to look sooner.
  mutating func needsWake(timeout: Instant) -> Bool {
    guard wakesUnderWay == 0 else { return false }
    return leader != nil ? queue.hasReadyBatch || timeout < leaderUntil : !idle.isEmpty
  }

  /// Picks the instance to wake; the caller signals. Nil if one is on its way or none is free.
  mutating func pickInstanceToWake() -> Condition? {
    guard wakesUnderWay == 0, let loop = leader ?? idle.popLast() else { return nil }
    wakesUnderWay += 1
    return loop._withUnsafeGuaranteedRef {
      $0.isSignalled = true
      return $0.condition
    }
  }

  /// Counts an instance that has the lock again as awake.
  mutating func noteAwake(_ loop: InstanceLoop) {
    if isLeader(loop) { leader = nil }
    if loop.isSignalled {
      loop.isSignalled = false
      wakesUnderWay -= 1
    } else {
      removeFromIdle(loop)
    }
  }

  func isLeader(_ loop: InstanceLoop) -> Bool { leader?.toOpaque() == Unmanaged.passUnretained(loop).toOpaque() }

  mutating func removeFromIdle(_ loop: InstanceLoop) {
    let address = Unmanaged.passUnretained(loop).toOpaque()
    if let place = idle.lastIndex(where: { $0.toOpaque() == address }) { idle.remove(at: place) }
  }

  mutating func removeInstance(_ loop: InstanceLoop) {
    let address = Unmanaged.passUnretained(loop).toOpaque()
    instances.removeAll { $0.toOpaque() == address }
  }

  func countInstances() -> PoolLoad.Instances {
    var count = PoolLoad.Instances(wanted: wanted, abandoned: abandoned)
    for loop in instances {
      guard !loop._withUnsafeGuaranteedRef({ $0.isLeaving || $0.isOutOfRotation }) else { continue }
      count.ready += 1
      if loop._withUnsafeGuaranteedRef({ $0.isBusy }) { count.busy += 1 }
    }
    return count
  }

  /// Whether there is no instance, and none is being made.
  var isDeserted: Bool { instances.isEmpty && starting == 0 }

  /// Instances that are made and will stay.
  var staying: Int {
    var count = 0
    for loop in instances where !loop._withUnsafeGuaranteedRef({ $0.isLeaving }) { count += 1 }
    return count
  }
}

/// A batch that an instance runs now, for those who may have to stop it.
struct Run {
  /// Nil: none.
  var requests: UnsafeMutablePointer<RequestPointer>?
  /// So many of them run.
  var count = 0
  /// So many, from the first on, are unanswered still: those that run, and the rest of the batch.
  var owed = 0
  var since = Instant.never
  /// All requests before it are cancelled or past their deadline: neither is ever taken back.
  var firstWanted = 0
  var isInterrupted = false

  /// Stops the run if nobody waits for any of its answers.
  ///
  /// - Returns: When to look again.
  mutating func interruptIfUnwanted(_ interruption: any Interruption, at now: Instant) -> Instant {
    guard let requests, !isInterrupted else { return .never }
    while firstWanted < count {
      let request = requests[firstWanted]
      guard request.pointee.cancelled.load(ordering: .relaxed) || request.pointee.deadline <= now else {
        return request.pointee.deadline
      }
      firstWanted += 1
    }
    interruption.interrupt()
    isInterrupted = true
    return .never
  }
}
