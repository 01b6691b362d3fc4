internal import Batching
internal import Inference
internal import Synchronization

/// Answers that no run gave.
extension ModelPool {
  /// Answers what left the queue without a run; it counts as running until then.
  func answerRemoved(_ batch: inout FormedBatch, _ mailboxes: inout MailboxSet) {
    let now = clock.now()
    running.subtract(batch.removed.count, ordering: .relaxed)
    for removal in batch.removed {
      let reason = removal.reason == .timeout ? FailureReason.rejected : .cancelled
      fail(RequestPointer(bitPattern: removal.token)!, failure(of: removal, at: now), reason, at: now, into: &mailboxes)
    }
    batch.removed.removeAll(keepingCapacity: true)  // a borrower may leave the rest of the batch to another
    mailboxes.wakeAll()
  }

  /// Completes one request with a failure. `running` is the caller's to count down, and the mailboxes' waking too.
  func fail(
    _ request: RequestPointer, _ failure: InferenceError, _ reason: FailureReason, at now: Instant,
    into mailboxes: inout MailboxSet
  ) {
    request.pointee.failure = failure
    var delta = StatisticsDelta()
    delta.addFailure(request, ended: now)
    statisticsRecorder.addFailures(delta.fail, reason)
    var request = request
    withUnsafeMutablePointer(to: &request) { post($0, count: 1, into: &mailboxes) }
  }

  /// Lets requests go that are complete, each in its turn: the one way by which an answer leaves the pool.
  func post(_ requests: UnsafeMutablePointer<RequestPointer>, count: Int, into mailboxes: inout MailboxSet) {
    if let replyOrder {
      replyOrder.finish(requests, count: count, into: &mailboxes)
    } else {
      for position in 0..<count { mailboxes.post(requests[position]) }
    }
  }

  private func failure(of removal: FormedBatch.Removal, at now: Instant) -> InferenceError {
    let microseconds = now.nanoseconds(since: removal.enqueued) / 1000
    return switch removal.reason {
    case .cancelled: .cancelled("cancelled after \(microseconds) µs in the queue")
    case .deadline: .deadlineExceeded("the deadline passed after \(microseconds) µs in the queue")
    case .timeout:
      InferenceError(limits.queueTimeoutCode, "Request timeout expired: \(microseconds) µs in the queue")
    }
  }
}
