package import Inference

extension BatchQueue {
  /// Looks for a batch that may leave now, takes it out, and with it those it met whose time is over.
  ///
  /// - Parameters:
  ///   - now: The time, never earlier than at an earlier call.
  ///   - flush: Nobody will come any more: don't wait for company.
  ///   - isCancelled: Whether the caller of this token has gone away. Asked once for each request met.
  ///   - batch: Emptied, then filled. Its `removed` counts whatever the verdict.
  package mutating func form(
    at now: Instant, flush: Bool = false, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) -> BatchVerdict {
    batch.clear()
    if waitsForCompany { removeTimedOut(at: now, into: &batch) }
    // Each round sends, removes an entry, takes a line's readiness away or ends.
    while count > 0 {
      guard let choice = chooseLine(at: now, flush: flush) else {
        return .wait(until: waitEnd())
      }
      if fill(from: choice.line, isDue: choice.isDue, at: now, isCancelled: isCancelled, into: &batch) { return .send }
    }
    return .idle
  }

  /// The line to serve next, or nil if all should wait: that of the next in the order, if it need not wait; else overdue
  /// before ready, so that no line starves. Changes nothing: see `hasReadyBatch`.
  private mutating func chooseLine(at now: Instant, flush: Bool) -> (line: Int32, isDue: Bool)? {
    guard !live.isEmpty else { return (entries[Int(delayed.first)].line, true) }
    let next = isPlain ? live.first : flows[flows.first].live.first
    guard waitsForCompany, !flush else { return (entries[Int(next)].line, flush) }
    if !isPlain {
      if isOverdue(next, at: now) { return (entries[Int(next)].line, true) }
      if lines[Int(entries[Int(next)].line)].isReady { return (entries[Int(next)].line, false) }
    }
    if isOverdue(live.first, at: now) { return (entries[Int(live.first)].line, true) }
    return ready.isEmpty ? nil : (ready.first, false)
  }

  private func isOverdue(_ slot: Int32, at now: Instant) -> Bool {
    now >= entries[Int(slot)].enqueued.advanced(byNanoseconds: policy.maxQueueDelayNanoseconds)
  }

  private func waitEnd() -> Instant {
    let due = entries[Int(live.first)].enqueued.advanced(byNanoseconds: policy.maxQueueDelayNanoseconds)
    return min(due, timeouts.earliest?.instant ?? .never)
  }

  /// Fills the batch from one line, or answers false if that line turns out to have nothing to send yet.
  private mutating func fill(
    from line: Int32, isDue: Bool, at now: Instant, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) -> Bool {
    let prefix = countPrefix(of: line, isDue: isDue, at: now, isCancelled: isCancelled, into: &batch)
    if let cause = prefix.cause {
      batch.cause = cause
      takePrefix(of: line, prefix.requests, into: &batch)
    }
    if hasRoomForDelayed(line, prefix.cause) {
      if batch.tokens.isEmpty { batch.cause = .free }
      fillFromDelayed(line, at: now, isCancelled: isCancelled, into: &batch)
    }
    if waitsForCompany { refreshReadiness(of: line) }
    removeLineIfEmpty(line)
    return !batch.tokens.isEmpty
  }

  /// Timed-out requests go when nothing else waits, or in a batch that leaves unfilled and keeps no live one out.
  private func hasRoomForDelayed(_ line: Int32, _ cause: FormedBatch.Cause?) -> Bool {
    guard lines[Int(line)].liveCount == 0 else { return false }
    return switch cause {
    case nil: live.isEmpty
    case .free, .delay: policy.joinsRequests
    case .full, .preferred: false
    }
  }

  /// How much of a line would leave now, and why; `cause` nil: it should wait.
  private struct Prefix {
    var requests = 0
    var cause: FormedBatch.Cause?
  }

  /// Walks the front of a line, takes out who is cancelled or out of time, and measures the batch that would leave.
  private mutating func countPrefix(
    of line: Int32, isDue: Bool, at now: Instant, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) -> Prefix {
    let largest = largestPreferred
    var rows = 0
    var requests = 0
    var best = Prefix()  // the largest preferred size met, or all before the one that passed the largest
    var isFull = false
    var charge = 0
    beginWalk(along: line)
    while true {
      let current = nextInWalk(charging: charge)
      guard current >= 0 else { break }
      charge = 0
      if retire(current, at: now, isCancelled: isCancelled, into: &batch) { continue }
      charge = entries[Int(current)].rows
      let next = rows + charge
      if rows > 0, next > largest, best.requests == 0 { best = Prefix(requests: requests, cause: .full) }
      guard next <= policy.joinedRows || requests == 0 else {
        isFull = true
        break
      }
      rows = next
      requests += 1
      if !isPlain { walk.picked.append(current) }
      if policy.preferredRows.contains(rows) {
        best = Prefix(requests: requests, cause: rows == largest ? .full : .preferred)
      }
      if !policy.joinsRequests || rows >= policy.joinedRows || requests == policy.maxBatchRequests {
        isFull = true
        break
      }
      if rows >= largest, best.requests > 0, !isDue { break }
    }
    guard requests > 0 else { return Prefix() }
    if !policy.joinsRequests { return Prefix(requests: 1, cause: .free) }
    if best.requests > 0, !isDue { return best }
    if isFull || rows >= largest { return Prefix(requests: requests, cause: .full) }
    if !waitsForCompany { return Prefix(requests: requests, cause: .free) }
    return isDue ? Prefix(requests: requests, cause: .delay) : Prefix()
  }

  private mutating func fillFromDelayed(
    _ line: Int32, at now: Instant, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) {
    var slot = lines[Int(line)].delayed.first
    while slot >= 0 {
      let current = slot
      slot = byLine.slot(after: current)
      if retire(current, at: now, isCancelled: isCancelled, into: &batch) { continue }
      guard batch.rows + entries[Int(current)].rows <= policy.maxBatchRows,
        batch.tokens.count < policy.maxBatchRequests ?? .max
      else { return }
      take(current, into: &batch)
      if !policy.joinsRequests { return }
    }
  }

  /// Takes what the walk has measured, from the callers' shares.
  private mutating func takePrefix(of line: Int32, _ count: Int, into batch: inout FormedBatch) {
    guard isPlain else {
      for position in 0..<count {
        let slot = walk.picked[position]
        flows.charge(entries[Int(slot)].flow, rows: entries[Int(slot)].rows, last: entries[Int(slot)].rows)
        take(slot, into: &batch)
      }
      return
    }
    var before = 0
    for _ in 0..<count {
      before = batch.rows
      take(lines[Int(line)].live.first, into: &batch)
    }
    flows.charge(plainFlow, rows: batch.rows, last: batch.rows - before)
  }

  private mutating func take(_ slot: Int32, into batch: inout FormedBatch) {
    let entry = remove(slot)
    batch.tokens.append(entry.token)
    batch.rows += entry.rows
  }

  // MARK: - Leaving without running

  /// Takes an entry out of its line if it should not run, or not now.
  private mutating func retire(
    _ slot: Int32, at now: Instant, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) -> Bool {
    if isCancelled(entries[Int(slot)].token) {
      drop(slot, .cancelled, into: &batch)
      return true
    }
    return retireIfTimedOut(slot, at: now, into: &batch)
  }

  private mutating func retireIfTimedOut(_ slot: Int32, at now: Instant, into batch: inout FormedBatch) -> Bool {
    if entries[Int(slot)].deadline.nanoseconds <= now.nanoseconds {
      drop(slot, .deadline, into: &batch)
      return true
    }
    guard entries[Int(slot)].timeout.nanoseconds <= now.nanoseconds else { return false }
    switch policy.timeoutAction(ofLevel: entries[Int(slot)].level) {
    case .reject: drop(slot, .timeout, into: &batch)
    case .delay: delay(slot)
    }
    return true
  }

  private mutating func drop(_ slot: Int32, _ reason: FormedBatch.Removal.Reason, into batch: inout FormedBatch) {
    let entry = remove(slot)
    batch.removed.append(.init(token: entry.token, reason: reason, enqueued: entry.enqueued))
  }

  /// Takes out what has waited too long without an instance that looks, from the oldest to the first that may wait on.
  ///
  /// For queues in which all wait equally long; one that may not, behind one that may, is found later.
  ///
  /// - Parameters:
  ///   - looksAtAll: Whether to go on past those that may wait on: for a queue that no instance looks at.
  ///   - batch: Its `removed` is emptied, then filled.
  /// - Returns: When to look again.
  package mutating func removeOverdue(
    at now: Instant, looksAtAll: Bool = false, isCancelled: (UInt) -> Bool, into batch: inout FormedBatch
  ) -> Instant {
    batch.clear()
    var next = Instant.never
    var slot = live.first
    while slot >= 0 {
      let current = slot
      let line = entries[Int(current)].line
      slot = byAge.slot(after: current)
      guard retire(current, at: now, isCancelled: isCancelled, into: &batch) else {
        next = min(next, entries[Int(current)].timeout, entries[Int(current)].deadline)
        if looksAtAll { continue }
        return next
      }
      if waitsForCompany { refreshReadiness(of: line) }
      removeLineIfEmpty(line)
    }
    return next
  }

  mutating func removeTimedOut(at now: Instant, into batch: inout FormedBatch) {
    while let earliest = timeouts.earliest {
      let slot = earliest.slot
      let isCurrent = entries[Int(slot)].generation == earliest.generation
      guard !isCurrent || earliest.instant <= now else { return }
      timeouts.removeEarliest()
      guard isCurrent else { continue }
      let line = entries[Int(slot)].line
      _ = retireIfTimedOut(slot, at: now, into: &batch)
      if waitsForCompany { refreshReadiness(of: line) }
      removeLineIfEmpty(line)
    }
  }

  /// Counts the front of a line again after some of it left. A line that holds the largest preferred size is ready
  /// whatever its sums are, so the walk is shorter than one batch.
  mutating func refreshReadiness(of line: Int32) {
    var isReady = isFull(line)
    if !isReady, policy.preferredRows.count > 1 {
      var rows = 0
      var charge = 0
      beginWalk(along: line)
      while !isReady {
        let slot = nextInWalk(charging: charge)
        guard slot >= 0 else { break }
        charge = entries[Int(slot)].rows
        rows += charge
        isReady = policy.preferredRows.contains(rows)
      }
    }
    if isReady { markReady(line) } else { unmarkReady(line) }
  }
}
