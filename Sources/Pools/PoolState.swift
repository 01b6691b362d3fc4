internal import Backends
internal import Batching
internal import Inference
internal import Synchronization

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

  // Starting and ending.
  var starting = 0
  var startFailure: (index: Int, error: InferenceError)?
  var drainCompletions: [@Sendable () -> Void] = []

  /// Instances without work. The last to stop is the first to be woken: its caches are warm.
  var idle: [Int] = []
  /// The instance that waits for a batch to fill up, or -1. One is enough.
  var leader = -1
  var leaderUntil = Instant.never
  var isSignalled: [Bool]
  /// Instances woken that have not looked at the queue yet. They will see whatever is in it by then.
  var wakesUnderWay = 0

  /// Instances that an event loop runs while their threads sleep.
  var isBorrowed: [Bool]
  /// Instances with a batch in hand that a borrower left to their threads.
  var hasFormedBatch: [Bool]
  /// Each instance's loop, while it lives.
  var loops: [Unmanaged<InstanceLoop>?]

  /// What each instance runs now.
  var runs: [Run]
  /// When the watcher looks at the runs again.
  var watcherUntil = Instant.never
  var isWatcherStopped = false

  init(queue: BatchQueue, instanceCount: Int) {
    self.queue = queue
    isSignalled = Array(repeating: false, count: instanceCount)
    isBorrowed = Array(repeating: false, count: instanceCount)
    hasFormedBatch = Array(repeating: false, count: instanceCount)
    loops = Array(repeating: nil, count: instanceCount)
    runs = Array(repeating: Run(), count: instanceCount)
    idle.reserveCapacity(instanceCount)
  }

  /// Whether the queue needs an instance to look at it, and one could.
  ///
  /// - Parameter timeout: When the latest request times out: its leader may have to look sooner.
  func needsWake(timeout: Instant) -> Bool {
    guard wakesUnderWay == 0 else { return false }
    return leader >= 0 ? queue.hasReadyBatch || timeout < leaderUntil : !idle.isEmpty
  }

  /// Picks the instance to wake, to be signalled by the caller. Nil if one is on its way or none is free.
  mutating func pickInstanceToWake() -> Int? {
    guard wakesUnderWay == 0, let index = leader >= 0 ? leader : idle.popLast() else { return nil }
    isSignalled[index] = true
    wakesUnderWay += 1
    return index
  }

  /// Counts an instance that has the lock again as awake.
  mutating func noteAwake(_ index: Int) {
    if leader == index { leader = -1 }
    if isSignalled[index] {
      isSignalled[index] = false
      wakesUnderWay -= 1
    } else if let place = idle.lastIndex(of: index) {
      idle.remove(at: place)
    }
  }
}

/// A batch that an instance runs now, for those who may have to stop it.
struct Run {
  /// Nil: none, or one that cannot be stopped.
  var requests: UnsafeMutablePointer<RequestPointer>?
  var count = 0
  /// All requests before it are cancelled or past their deadline: neither is ever taken back.
  var firstWanted = 0
  var interruption: (any Interruption)?

  /// Stops the run if nobody waits for any of its answers.
  ///
  /// - Returns: When to look again.
  mutating func interruptIfUnwanted(at now: Instant) -> Instant {
    guard let requests else { return .never }
    while firstWanted < count {
      let request = requests[firstWanted]
      guard request.pointee.cancelled.load(ordering: .relaxed) || request.pointee.deadline <= now else {
        return request.pointee.deadline
      }
      firstWanted += 1
    }
    interruption?.interrupt()
    self.requests = nil
    return .never
  }
}
