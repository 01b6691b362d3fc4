package import Inference

/// Requests of one deployment waiting for an instance, and the rule for which of them leave together.
///
/// The rule is that of Triton's dynamic batcher: requests join, in order and unsplit, until the batch is full; a
/// batch of a preferred size leaves at once; any other waits until its oldest request has waited `maxQueueDelay`. One
/// thing differs. Triton's single line breaks a batch wherever the next request has another shape; here each shape
/// has a line of its own, and the line whose first request is the oldest of all goes first, so mixed shapes cost
/// neither batches nor fairness.
///
/// ```
/// shape A   a1 ─ a4 ─ a5        within a line the order is kept: a4 never runs before a1
/// shape B   b2                  by age over all lines: a1 b2 c3 a4 a5
/// shape C   c3 ─ c6 …           timed-out requests (`.delay`) have a second list in their line, served when
///                               nothing else waits, or to fill a batch
/// ```
///
/// Requests are tokens. Those cancelled or past their time are found where a batch forms (or, while an instance waits
/// for company, when the time comes) and given out as removals; nothing else removes a request. There is no clock and
/// no lock inside. A request costs constant time, or logarithmic in the queue's length if it can time out while
/// `maxQueueDelay` is over zero.
package struct BatchQueue: Sendable {
  package let policy: BatchPolicy
  package private(set) var count = 0

  var entries: [Entry] = []
  var lines: [Line] = []
  // One slot an entry: by age over all lines, and within its line.
  var byAge = Links()
  var byLine = Links()
  var live = Ends()
  var delayed = Ends()
  // One slot a line: those that need not wait for their delay, in the order in which they got there.
  var readyLinks = Links()
  var ready = Ends()
  var timeouts = TimeoutHeap()

  private var freeEntries: [Int32] = []
  private var freeLines: [Int32] = []
  private var lineByKey: [UInt64: Int32] = [:]
  private var latestLine: Int32 = -1

  struct Entry: Sendable {
    var token: UInt = 0
    var rows = 0
    var enqueued = Instant.never
    var timeout = Instant.never
    var deadline = Instant.never
    var line: Int32 = -1
    var isDelayed = false
    /// Grows whenever the slot is vacated.
    var generation: UInt32 = 0
  }

  /// The waiting requests of one shape.
  struct Line: Sendable {
    var key: UInt64
    var live = Ends()
    var delayed = Ends()
    var liveRows = 0
    var liveCount = 0
    var isReady = false
    var isEmpty: Bool { live.isEmpty && delayed.isEmpty }
  }

  package init(policy: BatchPolicy) {
    precondition(
      policy.maxBatchRows >= 1 && !policy.preferredRows.isEmpty, "A batch holds at least one row. This is a bug.")
    self.policy = policy
  }

  var largestPreferred: Int { policy.preferredRows[policy.preferredRows.count - 1] }
  var waitsForCompany: Bool { policy.maxQueueDelayNanoseconds > 0 }

  /// Whether some batch could leave without waiting for its delay.
  package var hasReadyBatch: Bool { count > 0 && (!waitsForCompany || !ready.isEmpty || live.isEmpty) }

  /// Adds a request at the back of its line, or answers false if the queue is full.
  ///
  /// - Parameters:
  ///   - token: What comes back when it leaves.
  ///   - rows: Its length along axis 0, in `1...maxBatchRows`.
  ///   - shapeKey: Only equal ones share a batch.
  ///   - now: When it arrived. Its place is behind all that were added before, whatever their times.
  ///   - timeout: When it has waited too long; see `BatchPolicy.timeout(enteringAt:requested:)`.
  ///   - deadline: When its caller stops waiting.
  package mutating func append(
    _ token: UInt, rows: Int, shapeKey: UInt64, at now: Instant, timeout: Instant = .never, deadline: Instant = .never
  ) -> Bool {
    precondition(rows >= 1 && rows <= policy.maxBatchRows, "\(rows) rows fit in no batch. This is a bug.")
    guard count < policy.maxQueuedRequests else { return false }
    let line = line(for: shapeKey)
    let slot = vacantSlot()
    entries[Int(slot)].token = token
    entries[Int(slot)].rows = rows
    entries[Int(slot)].enqueued = now
    entries[Int(slot)].timeout = timeout
    entries[Int(slot)].deadline = deadline
    entries[Int(slot)].line = line
    entries[Int(slot)].isDelayed = false
    byAge.append(slot, to: &live)
    byLine.append(slot, to: &lines[Int(line)].live)
    lines[Int(line)].liveRows += rows
    lines[Int(line)].liveCount += 1
    count += 1
    if waitsForCompany {
      if isFull(line) || policy.preferredRows.contains(lines[Int(line)].liveRows) { markReady(line) }
      schedule(slot, at: min(timeout, deadline))
    }
    return true
  }

  // MARK: - Slots

  private mutating func vacantSlot() -> Int32 {
    if let slot = freeEntries.popLast() { return slot }
    entries.append(Entry())
    byAge.addSlot()
    byLine.addSlot()
    return Int32(entries.count - 1)
  }

  private mutating func line(for key: UInt64) -> Int32 {
    if latestLine >= 0, lines[Int(latestLine)].key == key { return latestLine }
    let found: Int32
    if let known = lineByKey[key] {
      found = known
    } else {
      if let vacant = freeLines.popLast() {
        lines[Int(vacant)] = Line(key: key)
        found = vacant
      } else {
        lines.append(Line(key: key))
        readyLinks.addSlot()
        found = Int32(lines.count - 1)
      }
      lineByKey[key] = found
    }
    let previous = latestLine
    latestLine = found
    if previous >= 0 { removeLineIfEmpty(previous) }
    return found
  }

  /// Forgets a line that nobody waits in. The latest is kept, so that traffic of one shape makes its line once.
  mutating func removeLineIfEmpty(_ line: Int32) {
    guard lines[Int(line)].isEmpty, line != latestLine else { return }
    lineByKey[lines[Int(line)].key] = nil
    freeLines.append(line)
  }

  // MARK: - Moves

  /// Takes an entry out of the queue and answers what it was.
  mutating func remove(_ slot: Int32) -> Entry {
    let entry = entries[Int(slot)]
    unlink(slot, entry)
    entries[Int(slot)].line = -1
    entries[Int(slot)].generation &+= 1
    freeEntries.append(slot)
    count -= 1
    return entry
  }

  /// Empties the queue.
  ///
  /// - Returns: The tokens of all that waited, oldest first, those that timed out last.
  package mutating func removeAll() -> [UInt] {
    var tokens: [UInt] = []
    tokens.reserveCapacity(count)
    while count > 0 {
      let entry = remove(live.isEmpty ? delayed.first : live.first)
      tokens.append(entry.token)
      unmarkReady(entry.line)
      removeLineIfEmpty(entry.line)
    }
    return tokens
  }

  /// Puts a timed-out entry behind everything that has not timed out.
  mutating func delay(_ slot: Int32) {
    let entry = entries[Int(slot)]
    unlink(slot, entry)
    entries[Int(slot)].isDelayed = true
    entries[Int(slot)].timeout = .never
    byAge.append(slot, to: &delayed)
    byLine.append(slot, to: &lines[Int(entry.line)].delayed)
    if waitsForCompany { schedule(slot, at: entry.deadline) }
  }

  private mutating func unlink(_ slot: Int32, _ entry: Entry) {
    let line = Int(entry.line)
    if entry.isDelayed {
      byAge.remove(slot, from: &delayed)
      byLine.remove(slot, from: &lines[line].delayed)
    } else {
      byAge.remove(slot, from: &live)
      byLine.remove(slot, from: &lines[line].live)
      lines[line].liveRows -= entry.rows
      lines[line].liveCount -= 1
    }
  }

  /// Whether a line holds the largest preferred size, or as many requests as may leave together.
  func isFull(_ line: Int32) -> Bool {
    lines[Int(line)].liveRows >= largestPreferred || lines[Int(line)].liveCount >= policy.maxBatchRequests ?? .max
  }

  mutating func markReady(_ line: Int32) {
    guard !lines[Int(line)].isReady else { return }
    lines[Int(line)].isReady = true
    readyLinks.append(line, to: &ready)
  }

  mutating func unmarkReady(_ line: Int32) {
    guard lines[Int(line)].isReady else { return }
    lines[Int(line)].isReady = false
    readyLinks.remove(line, from: &ready)
  }

  // MARK: - Timeouts

  private mutating func schedule(_ slot: Int32, at instant: Instant) {
    guard instant != .never else { return }
    if timeouts.count > 2 * count + 64 {
      let entries = entries
      timeouts.compact { entries[Int($0.slot)].generation == $0.generation }
    }
    timeouts.insert(.init(instant: instant, slot: slot, generation: entries[Int(slot)].generation))
  }
}
