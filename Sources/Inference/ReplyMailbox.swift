internal import Glibc
internal import Synchronization

/// Where completed requests wait for the thread that took them in: many senders, one receiver, no lock.
///
/// A sender posts any number of requests and then wakes the receiver once; the receiver sees the descriptor readable
/// and takes all of them, oldest first.
///
/// ```
/// instance A ─post, post─┐                        wake: one write, unless one is pending already
/// instance B ─post───────┴▶ head ▶ r3 ▶ r2 ▶ r1  ───────────────▶ receiver: take() → r1, r2, r3
/// ```
package final class ReplyMailbox: Sendable {
  private let head = Atomic<UInt>(0)  // the newest request's address; linked through `next`
  private let isSignalled = Atomic<Bool>(false)
  private let wakeDescriptor: Int32

  /// - Parameter wakeDescriptor: An eventfd that the receiver waits on. Owned by the receiver, and open for as long as
  ///   a request that names this mailbox is on its way.
  package init(wakeDescriptor: Int32) { self.wakeDescriptor = wakeDescriptor }

  /// Adds a completed request. Any thread; never blocks. Does not wake the receiver.
  package func post(_ request: RequestPointer) {
    var expected = head.load(ordering: .relaxed)
    while true {
      request.pointee.next = RequestPointer(bitPattern: expected)
      let (exchanged, original) = head.weakCompareExchange(
        expected: expected, desired: UInt(bitPattern: request), successOrdering: .releasing,
        failureOrdering: .relaxed)
      if exchanged { return }
      expected = original
    }
  }

  /// Makes the descriptor readable, unless a wake-up is pending already.
  package func wake() {
    guard !isSignalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var one: UInt64 = 1
    // Fails only when the counter is full (EAGAIN), and then the descriptor is readable anyway.
    _ = Glibc.write(wakeDescriptor, &one, 8)
  }

  /// Announces that the receiver will `take` without being woken. Receiver's thread.
  package func expectTake() { isSignalled.store(true, ordering: .relaxed) }

  /// All requests posted so far as a list through `next`, oldest first. The receiver calls it after it has read the
  /// descriptor.
  package func take() -> RequestPointer? {
    _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
    var newest = RequestPointer(bitPattern: head.exchange(0, ordering: .acquiringAndReleasing))
    var oldest: RequestPointer?
    while let request = newest {
      newest = request.pointee.next
      request.pointee.next = oldest
      oldest = request
    }
    return oldest
  }
}
