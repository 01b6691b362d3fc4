internal import CLinux
internal import EventLoops
internal import Glibc
internal import Synchronization

/// Something to do on a client's event loop. Linked in place while it waits, so it waits in one mailbox, once.
class LoopTask {
  fileprivate var nextInMailbox: UInt = 0

  /// The loop's thread.
  func run(on loop: ClientLoop) { preconditionFailure("a loop task does nothing. This is a bug.") }

  /// The loop has ended, so it will not run. Any thread.
  func refuse() {}
}

/// Where user tasks leave work for an event loop: many senders, one receiver, no lock, and one wake-up for all that
/// came since the last.
///
/// ```
/// task A ─post─┐                            written once, while it is not signalled
/// task B ─post─┴▶ head ▶ t2 ▶ t1 ▶ …  ───▶ eventfd ───▶ loop: take() runs t1, t2, …
/// ```
final class LoopMailbox: @unchecked Sendable {  // atomics, and a descriptor that is open as long as this
  private let head = Atomic<UInt>(0)  // the newest task's address, linked to older ones
  private let isSignalled = Atomic<Bool>(false)
  let descriptor: Int32

  init() throws(SystemError) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { throw .last("eventfd") }
  }

  deinit {
    Glibc.close(descriptor)
  }

  /// Any thread; never blocks. Refuses the task if the mailbox is closed.
  func post(_ task: LoopTask) {
    let address = UInt(bitPattern: Unmanaged.passRetained(task).toOpaque())  // released by `take`
    var expected = head.load(ordering: .relaxed)
    while true {
      if expected == Self.closed {
        Self.task(address).release()
        return task.refuse()
      }
      task.nextInMailbox = expected
      let (exchanged, original) = head.weakCompareExchange(
        expected: expected, desired: address, successOrdering: .releasing, failureOrdering: .relaxed)
      if exchanged { break }
      expected = original
    }
    wake()
  }

  func wake() {
    guard !isSignalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var one: UInt64 = 1
    // Fails only when the counter is full, and then the descriptor is readable anyway.
    _ = write(descriptor, &one, 8)
  }

  /// The descriptor was readable: later posts signal again.
  func acknowledge() {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
  }

  /// Hands out all that was posted so far, oldest first. The receiver's thread.
  func take(_ body: (LoopTask) -> Void) {
    guard head.load(ordering: .relaxed) != 0 else { return }
    empty(leaving: 0, body)
  }

  /// Refuses what is there, and everything from now on. The receiver's thread, when it has ended.
  func close() { empty(leaving: Self.closed) { $0.refuse() } }

  private static let closed = UInt(1)  // no object's address

  private func empty(leaving mark: UInt, _ body: (LoopTask) -> Void) {
    var newest = head.exchange(mark, ordering: .acquiring)
    var oldest: UInt = 0
    while newest != 0 {
      let task = Self.task(newest).takeUnretainedValue()
      (newest, task.nextInMailbox, oldest) = (task.nextInMailbox, oldest, newest)
    }
    while oldest != 0 {
      let task = Self.task(oldest).takeRetainedValue()
      oldest = task.nextInMailbox
      body(task)
    }
  }

  private static func task(_ address: UInt) -> Unmanaged<LoopTask> {
    guard let pointer = UnsafeRawPointer(bitPattern: address) else {
      preconditionFailure("the mailbox holds no address. This is a bug.")
    }
    return .fromOpaque(pointer)
  }
}
