internal import Inference
internal import Synchronization
internal import Threads

/// Mailboxes with new answers, each to be woken once.
///
/// Holds a reference to each: as soon as an answer is posted its receiver may take it and be gone, mailbox and all.
struct MailboxSet {
  private var mailboxes: [Unmanaged<ReplyMailbox>] = []
  /// How far back a mailbox is looked for. Past it one may be woken twice, which is harmless.
  private static let searched = 8

  init() { mailboxes.reserveCapacity(64) }

  mutating func post(_ request: RequestPointer) {
    let mailbox = request.pointee.replyTo
    if !contains(mailbox) {
      _ = mailbox.retain()
      mailboxes.append(mailbox)
    }
    mailbox._withUnsafeGuaranteedRef { $0.post(request) }
  }

  mutating func wakeAll() {
    for mailbox in mailboxes {
      mailbox._withUnsafeGuaranteedRef { $0.wake() }
      mailbox.release()
    }
    mailboxes.removeAll(keepingCapacity: true)
  }

  private func contains(_ mailbox: Unmanaged<ReplyMailbox>) -> Bool {
    for known in mailboxes.suffix(Self.searched) where known.toOpaque() == mailbox.toOpaque() { return true }
    return false
  }
}

/// Holds answers back until all that were submitted earlier have left.
///
/// ```
/// tickets    4  5  6  7  8        5 is running still: 6 and 8 are done and wait
/// ring       –  ·  ■  ·  ■        5 done: 5 and 6 leave
/// ```
///
/// A request takes its place when the pool accepts it, and gives it up with its answer, whatever that is: so every answer of
/// the pool comes through here, and one that was never accepted has no place. Bounded by the requests in the pool: `submit`
/// accepts no more while so many answers are held back as may wait for an instance.
///
/// `@unchecked`: everything is guarded by `lock`, or atomic.
final class ReplyOrder: @unchecked Sendable {
  private let lock = Lock()
  private let held = Atomic<Int>(0)
  private var done: [UInt] = Array(repeating: 0, count: 256)  // a power of two; 0: not done
  private var first: UInt64 = 0

  deinit { lock.deallocate() }

  /// How many answers wait for an earlier one.
  var heldCount: Int { held.load(ordering: .relaxed) }

  /// Posts what may leave now that these are done. Answers of two instances can't overtake each other: the lock is
  /// held.
  func finish(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, into mailboxes: inout MailboxSet) {
    lock.lock()
    for index in 0..<count { insert(requests[index]) }
    let leaving = leavingCount
    // Before they leave: who has its answer may send its next.
    held.store(heldCount + count - leaving, ordering: .relaxed)
    for _ in 0..<leaving {
      let place = Int(first) & (done.count - 1)
      let request = RequestPointer(bitPattern: done[place])!
      done[place] = 0
      first += 1
      mailboxes.post(request)
    }
    lock.unlock()
  }

  /// How many from the first on are done.
  private var leavingCount: Int {
    var count = 0
    while count < done.count, done[(Int(first) + count) & (done.count - 1)] != 0 { count += 1 }
    return count
  }

  private func insert(_ request: RequestPointer) {
    let ticket = request.pointee.ticket
    while ticket - first >= UInt64(done.count) { grow() }
    done[Int(ticket) & (done.count - 1)] = UInt(bitPattern: request)
  }

  private func grow() {
    var larger = Array(repeating: UInt(0), count: 2 * done.count)
    for offset in 0..<done.count {
      let ticket = Int(first) + offset
      larger[ticket & (larger.count - 1)] = done[ticket & (done.count - 1)]
    }
    done = larger
  }
}
