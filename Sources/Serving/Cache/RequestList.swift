internal import Inference

/// Requests in the order in which they were added, linked through `next`. Whoever holds the list holds them.
struct RequestList {
  private var first: RequestPointer?
  private var last: RequestPointer?
  private(set) var count = 0

  var isEmpty: Bool { first == nil }

  mutating func append(_ request: RequestPointer) {
    request.pointee.next = nil
    if let last { last.pointee.next = request } else { first = request }
    last = request
    count += 1
  }

  mutating func append(contentsOf other: RequestList) {
    var other = other
    while let request = other.popFirst() { append(request) }
  }

  mutating func popFirst() -> RequestPointer? {
    guard let request = first else { return nil }
    first = request.pointee.next
    if first == nil { last = nil }
    request.pointee.next = nil
    count -= 1
    return request
  }

  /// Empties the list and returns what was in it.
  mutating func take() -> RequestList {
    let taken = self
    self = RequestList()
    return taken
  }
}

/// Answers on their way to mailboxes that may be any thread's. Each is woken once for answers that come one after another.
///
/// Holds a reference to the last one: as soon as an answer is posted, its receiver may take it and be gone, mailbox and
/// all. Ends with `wake()`.
struct OutgoingReplies {
  private var mailbox: Unmanaged<ReplyMailbox>?

  mutating func post(_ request: RequestPointer) {
    let receiver = request.pointee.replyTo
    if mailbox?.toOpaque() != receiver.toOpaque() {
      wake()
      mailbox = receiver.retain()
    }
    receiver._withUnsafeGuaranteedRef { $0.post(request) }
  }

  mutating func wake() {
    guard let woken = mailbox else { return }
    mailbox = nil
    woken._withUnsafeGuaranteedRef { $0.wake() }
    woken.release()
  }
}
