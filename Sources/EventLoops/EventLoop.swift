internal import CLinux
internal import Glibc
package import Inference
internal import Threads

/// Something that waits for its descriptor to become readable or writable.
package protocol EventSource: AnyObject {
  /// Called on the loop's thread. May deregister itself or others.
  func handle(_ events: Readiness)
}

/// What a descriptor is ready for, or waits for.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }
  package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// The peer is gone, or there is an error to read.
  package static let closed = Readiness(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue | EPOLLRDHUP.rawValue)
  package static let readableOrClosed = readable.union(closed)
  package static let anything = readableOrClosed.union(writable)
}

/// One thread and one epoll: sockets, timers, and jobs from other threads.
///
/// A turn is: wait, handle what is ready, fire timers, run jobs, then the end-of-turn work, which is where output is
/// written and other threads are woken once for everything the turn produced.
///
/// Everything but `execute`, `stop` and `mailboxDescriptor` belongs to the loop's own thread.
package final class EventLoop: @unchecked Sendable {  // jobs are guarded; the rest is the loop's thread's alone
  package let index: Int
  /// The time at which this turn began handling events.
  package var now: Instant { turnStart.pointee }
  package let timers: TimerWheel

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  private let turnStart: UnsafeMutablePointer<Instant>
  private let poller: Int32
  private let wakeDescriptor: Int32
  @exclusivity(unchecked) private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  @exclusivity(unchecked) private var endOfTurn: [() -> Void] = []
  private let jobs = Locked(Jobs())
  @exclusivity(unchecked) private var isStopping = false
  @exclusivity(unchecked) private var wantsAnotherTurn = false

  private struct Slot {
    var source: (any EventSource)?
    var descriptor: Int32 = -1
    var generation: UInt32 = 0
  }

  private struct Jobs {
    var queue: [@Sendable () -> Void] = []
    var isSignalled = false
    var hasEnded = false
  }

  /// Names a registered descriptor.
  package struct Registration: Sendable, Equatable {
    fileprivate let slot: UInt32
    fileprivate let generation: UInt32
    fileprivate var tag: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
  }

  private static let wakeTag = UInt64.max

  package init(index: Int) throws(SystemError) {
    self.index = index
    let poller = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard poller >= 0 else { throw .last("epoll_create1") }
    let wake = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard wake >= 0 else {
      let error = SystemError.last("eventfd")
      close(poller)
      throw error
    }
    self.poller = poller
    wakeDescriptor = wake
    turnStart = .allocate(capacity: 1)
    turnStart.initialize(to: .now())
    timers = TimerWheel(now: turnStart.pointee)
    var event = linux_epoll_event(EPOLLIN.rawValue, Self.wakeTag)
    epoll_ctl(poller, EPOLL_CTL_ADD, wake, &event)
  }

  deinit {
    close(wakeDescriptor)
    close(poller)
    turnStart.deallocate()
  }

  // MARK: Descriptors

  /// Watches `descriptor`, level-triggered. The loop keeps `source` until it is deregistered.
  package func register(
    _ descriptor: Int32, for interest: Readiness, _ source: any EventSource
  ) throws(SystemError) -> Registration {
    let index: Int
    if let free = freeSlots.popLast() {
      index = free
    } else {
      index = slots.count
      slots.append(Slot())
    }
    slots[index].source = source
    slots[index].descriptor = descriptor
    slots[index].generation &+= 1
    let registration = Registration(slot: UInt32(index), generation: slots[index].generation)
    var event = linux_epoll_event(interest.rawValue, registration.tag)
    guard epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
      let error = SystemError.last("epoll_ctl", "add descriptor \(descriptor)")
      slots[index].source = nil
      freeSlots.append(index)
      throw error
    }
    return registration
  }

  package func setInterest(_ interest: Readiness, of registration: Registration) {
    let slot = slots[Int(registration.slot)]
    guard slot.generation == registration.generation, slot.source != nil else { return }
    var event = linux_epoll_event(interest.rawValue, registration.tag)
    epoll_ctl(poller, EPOLL_CTL_MOD, slot.descriptor, &event)
  }

  /// Stops watching. Events of this turn that were not handled yet are dropped. Does not close the descriptor.
  package func deregister(_ registration: Registration) {
    let index = Int(registration.slot)
    guard slots[index].generation == registration.generation, slots[index].source != nil else { return }
    epoll_ctl(poller, EPOLL_CTL_DEL, slots[index].descriptor, nil)
    slots[index].source = nil
    slots[index].descriptor = -1
    freeSlots.append(index)
  }

  // MARK: Jobs and turns

  /// Runs `job` on the loop's thread, in the order of calls; drops it once `run` has ended. Any thread.
  package func execute(_ job: @escaping @Sendable () -> Void) {
    let mustWake = jobs.withLock { jobs in
      if jobs.hasEnded { return false }
      jobs.queue.append(job)
      defer { jobs.isSignalled = true }
      return !jobs.isSignalled
    }
    if mustWake {
      var one: UInt64 = 1
      _ = write(wakeDescriptor, &one, 8)
    }
  }

  /// Adds work that is done once at the end of every turn, in the order of adding.
  package func atEndOfTurn(_ work: @escaping () -> Void) { endOfTurn.append(work) }

  /// Has the next turn begin without a wait. For end-of-turn work that made more of it for those before it in the order.
  package func turnAgain() { wantsAnotherTurn = true }

  /// Leaves `run` after the present turn. Any thread.
  package func stop() { execute { self.isStopping = true } }

  /// Runs until `stop`. The calling thread becomes the loop's thread.
  package func run() {
    // Few, so that what one turn takes in, runs and answers stays in the caches.
    let capacity: Int32 = 32
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Int(capacity))
    defer { events.deallocate() }
    while !isStopping {
      let count = epoll_wait(poller, events, capacity, wantsAnotherTurn ? 0 : waitMilliseconds())
      turnStart.pointee = .now()
      for index in 0..<Int(max(count, 0)) {
        let tag = linux_epoll_tag(events + index)
        if tag == Self.wakeTag {
          runJobs()
        } else {
          dispatch(tag, Readiness(rawValue: events[index].events))
        }
      }
      // One at a time: what fires may arm timers itself, so nothing may hold the wheel meanwhile.
      while let timer = timers.takeDue(now: now) { timer.pointee.fire(timer.pointee.context) }
      wantsAnotherTurn = false
      for work in endOfTurn { work() }
    }
    // What these hold, holds the loop.
    endOfTurn = []
    dropJobs()
  }

  /// Now and from now on.
  private func dropJobs() {
    // Let go outside the lock: what goes with them may say so to the loop.
    _ = jobs.withLock { jobs in
      jobs.hasEnded = true
      return jobs.queue.take()
    }
  }

  private func dispatch(_ tag: UInt64, _ readiness: Readiness) {
    let index = Int(UInt32(truncatingIfNeeded: tag))
    let generation = UInt32(truncatingIfNeeded: tag >> 32)
    guard slots[index].generation == generation, let source = slots[index].source else { return }
    source.handle(readiness)
  }

  private func runJobs() {
    var count: UInt64 = 0
    _ = read(wakeDescriptor, &count, 8)
    let queue = jobs.withLock { jobs in
      jobs.isSignalled = false
      return jobs.queue.take()
    }
    for job in queue { job() }
  }

  /// Rounded up, so that a timer's tick has come when the wait ends.
  private func waitMilliseconds() -> Int32 {
    guard let expiry = timers.nextExpiry() else { return -1 }
    let nanoseconds = expiry.nanoseconds(since: Instant.now())
    return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
  }
}

extension Array {
  /// Empties the array and returns what was in it.
  fileprivate mutating func take() -> [Element] {
    let taken = self
    self = []
    return taken
  }
}
