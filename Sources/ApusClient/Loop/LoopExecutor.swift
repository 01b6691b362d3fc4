internal import Glibc
internal import Synchronization
internal import Threads

/// Runs Swift tasks on one of a client's event loops, between the sockets' events: a call from such a task changes no
/// thread, which is most of what a small call costs.
///
/// ```swift
/// try await withTaskExecutorPreference(client.executors[0]) {
///   try await withThrowingTaskGroup { group in … client.infer(request) … }
/// }
/// ```
/// For short work that waits for nothing but calls: while a task computes, the loop's connections wait. Once the client
/// is closed its tasks run on the global executor.
public final class LoopExecutor: TaskExecutor {
  private let mailbox: LoopMailbox
  /// Of the loop's thread; 0 before it runs and after it has ended.
  private let thread = Atomic<UInt>(0)
  private let arrivals = Locked(Arrivals())
  private let local: LocalJobs

  private struct Arrivals {
    var jobs: [UnownedJob] = []
    var hasEnded = false
  }

  /// Jobs that the loop's thread enqueued itself. `@unchecked`: no other thread touches it.
  private final class LocalJobs: @unchecked Sendable {
    var jobs: [UnownedJob] = []
    var next = 0
  }

  init(mailbox: LoopMailbox) {
    self.mailbox = mailbox
    local = LocalJobs()
  }

  var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }

  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    if isCurrent {
      local.jobs.append(job)
      return
    }
    let isTaken = arrivals.withLock { arrivals in
      if arrivals.hasEnded { return false }
      arrivals.jobs.append(job)
      return true
    }
    if isTaken { mailbox.wake() } else { Self.runElsewhere(job) }
  }

  // MARK: The loop's thread

  func begin() { thread.store(UInt(pthread_self()), ordering: .relaxed) }

  /// Runs what is there, and what that enqueues, up to a number. False if there is more.
  func runJobs(atMost limit: Int = 4096) -> Bool {
    for job in arrivals.withLock({ arrivals in
      let jobs = arrivals.jobs
      arrivals.jobs.removeAll()
      return jobs
    }) { local.jobs.append(job) }
    var count = 0
    while local.next < local.jobs.count, count < limit {
      local.next += 1
      local.jobs[local.next - 1].runSynchronously(on: asUnownedTaskExecutor())
      count += 1
    }
    if local.next == local.jobs.count {
      local.jobs.removeAll(keepingCapacity: true)
      local.next = 0
      return true
    }
    return false
  }

  var hasJobs: Bool { local.next < local.jobs.count }

  /// No loop runs jobs any more.
  func end() {
    thread.store(0, ordering: .relaxed)
    let waiting = arrivals.withLock { arrivals in
      arrivals.hasEnded = true
      let jobs = arrivals.jobs
      arrivals.jobs = []
      return jobs
    }
    for job in local.jobs[local.next...] + waiting { Self.runElsewhere(job) }
    local.jobs = []
    local.next = 0
  }

  private static func runElsewhere(_ job: UnownedJob) { globalConcurrentExecutor.enqueue(ExecutorJob(job)) }
}
