package import Inference

/// Requests of one deployment waiting for an instance, and the rule for which of them leave together.
///
/// The rule is that of Triton's dynamic batcher: requests join, in order and unsplit, until the batch is full; a
/// batch of a preferred size leaves at once; any other waits until its oldest request has waited `maxQueueDelay`. One
/// thing differs. Triton's single line breaks a batch wherever the next request has another shape; here each shape
/// has a line of its own, and the line whose first request is next of all goes first, so mixed shapes cost neither
/// batches nor fairness.
///
/// **Order.** The more urgent priority first. Within it each caller in its turn, so that each gets its share of the rows
/// (see `Flows`). Of one caller, who stops waiting first; who has no deadline counts as if it had one `patience` from now,
/// so that nobody is overtaken for ever. Where there is one priority and one caller, and deadlines come in order, that is
/// the order of arrival.
///
/// ```
///             caller 7   caller 9
/// shape A     a1 a4 a5   a6          a line a shape, in it a lane a caller: a batch is filled from one line, lane by
/// shape B     b2                     lane in turn; the flow of caller 7 goes over all lines: a1 b2 a4 a5
/// shape C                c3          timed-out requests (`.delay`) have a second list in their line, served when
///                                    nothing else waits, or to fill a batch
/// ```
///
/// As long as all that wait are of one caller and priority and came in the order of their deadlines, the queue is *plain*:
/// it keeps a list a line and no lanes. The first request that is out of this order has them made, and the next that finds
/// nobody waiting makes the queue plain again.
///
/// **Full.** A newcomer takes the place of the last in the order where that has a lower priority, or belongs to a caller
/// that has more than twice as many waiting; else it is refused. Where priorities have limits of their own, a newcomer whose
/// priority is full takes only the place of one of the same priority, by the second rule.
///
/// Requests are tokens. Those cancelled or past their time are found where a batch forms (or, while an instance waits
/// for company, when the time comes) and given out as removals. There is no clock and no lock inside. A request costs
/// constant time; logarithmic in the queue's length if it overtakes many, or can time out while `maxQueueDelay` is over
/// zero; and, unless the queue is plain, a step for each other caller that waits.
package struct BatchQueue: Sendable {
  /// The deadline of a request that has none, from its arrival on, as far as the order goes; and of one with a later one.
  package static let patience = Duration.seconds(10)

  package internal(set) var policy: BatchPolicy
  package private(set) var count = 0
  /// How many of each level wait, where levels have policies of their own; else empty.
  private var levelCounts: [Int]

  var entries: [Entry] = []
  var lines: [Line] = []
  var lanes: [Lane] = []
  var flows: Flows
  // One slot an entry: by arrival over all lines; in its line, if it is delayed or the queue is plain; else in its flow and
  // in its lane.
  var byAge = Links()
  var byFlow = SortedLinks()
  var byLane = SortedLinks()
  var byLine = Links()
  var live = Ends()
  var delayed = Ends()
  // One slot a line: those that need not wait for their delay, in the order in which they got there.
  var readyLinks = Links()
  var ready = Ends()
  var timeouts = TimeoutHeap()
  var walk = LineWalk()
  private(set) var isPlain = true
  /// The flow of all that wait while the queue is plain.
  private(set) var plainFlow: Int32 = -1
  /// The greatest key of those that wait, or greater.
  private var lastKey: UInt64 = 0
  private let patienceNanoseconds = patience.wholeNanoseconds

  private var freeEntries: [Int32] = []
  private var freeLines: [Int32] = []
  private var freeLanes: [Int32] = []
  private var lineByKey: [UInt64: Int32] = [:]
  private var latestLine: Int32 = -1
  private var latestArrival: UInt64 = 0

  struct Entry: Sendable {
    var token: UInt
    var rows: Int
    var enqueued: Instant
    var timeout: Instant
    var deadline: Instant
    var line: Int32
    var lane: Int32 = -1
    var flow: Int32 = -1
    /// Its place in its flow: the instant at which it stops waiting, as far as the order goes.
    var key: UInt64
    var isDelayed = false
    var level: UInt8 = 0
    /// Grows whenever the slot is vacated.
    var generation: UInt32 = 0
  }

  /// The waiting requests of one shape.
  struct Line: Sendable {
    var key: UInt64
    /// Those that have not timed out, while the queue is plain. Otherwise they are in its lanes.
    var live = Ends()
    var firstLane: Int32 = -1
    var latestLane: Int32 = -1
    var delayed = Ends()
    var liveRows = 0
    var liveCount = 0
    var isReady = false
    var isEmpty: Bool { liveCount == 0 && delayed.isEmpty }
  }

  /// The waiting requests of one shape and one caller of one priority.
  struct Lane: Sendable {
    var flow: Int32
    /// The next of the same line; -1: none.
    var next: Int32
    var live = SortedEnds()
  }

  /// What became of a request that was appended.
  package enum Admission: Hashable, Sendable {
    case queued
    /// It is in the queue, and this one, which had waited, is not.
    case displaced(UInt)
    case full
  }

  package init(policy: BatchPolicy) {
    precondition(
      policy.maxBatchRows >= 1 && !policy.preferredRows.isEmpty, "A batch holds at least one row. This is a bug.")
    self.policy = policy
    levelCounts = Array(repeating: 0, count: policy.levels.count)
    flows = Flows(levelCount: policy.priorityLevels)
  }

  var largestPreferred: Int { policy.preferredRows[policy.preferredRows.count - 1] }
  var waitsForCompany: Bool { policy.maxQueueDelayNanoseconds > 0 }
  /// Whether each that waits has its instant in `timeouts`: for an instance that waits for company, and for `sweepTimeouts`.
  var keepsTimeouts: Bool { waitsForCompany || !levelCounts.isEmpty }

  /// Whether some batch could leave without waiting for its delay. Changes nothing: to be lent the queue for a look, the
  /// compiler would copy all of it.
  package var hasReadyBatch: Bool {
    mutating get { count > 0 && (!waitsForCompany || !ready.isEmpty || live.isEmpty) }
  }

  /// How many of a level wait, if those are all that may; nil: there is room, or the level has no limit of its own. Changes
  /// nothing: see `hasReadyBatch`.
  package mutating func countIfFull(level: UInt8) -> Int? {
    guard !levelCounts.isEmpty else { return nil }
    let count = levelCounts[Int(level)]
    return count >= policy.levels[Int(level)].maxQueuedRequests ? count : nil
  }

  /// Adds a request at its place in the order.
  ///
  /// - Parameters:
  ///   - token: What comes back when it leaves.
  ///   - rows: Its length along axis 0, in `1...maxBatchRows`.
  ///   - shapeKey: Only equal ones share a batch.
  ///   - now: When it arrived. Its place is behind all that were added before and are its equals, whatever their times.
  ///   - timeout: When it has waited too long; see `BatchPolicy.timeout(enteringAt:requested:)`.
  ///   - deadline: When its caller stops waiting.
  ///   - priority: 1 the most urgent; 0: the policy's default.
  ///   - caller: Whose share it takes from.
  ///   - limit: Most requests waiting, where that is less than the policy's.
  package mutating func append(
    _ token: UInt, rows: Int, shapeKey: UInt64, at now: Instant, timeout: Instant = .never, deadline: Instant = .never,
    priority: UInt8 = 0, caller: UInt64 = 0, limit: Int = .max
  ) -> Admission {
    precondition(rows >= 1 && rows <= policy.maxBatchRows, "\(rows) rows fit in no batch. This is a bug.")
    let level = policy.level(of: priority)
    let flow = flows.flow(Flows.Key(level: level, caller: caller))
    var admission = Admission.queued
    let isLevelFull = countIfFull(level: level) != nil
    if isLevelFull || count >= min(limit, policy.maxQueuedRequests) {
      if isPlain, flow == plainFlow || live.isEmpty { return .full }
      makeOrdered()
      guard let displaced = makeRoom(for: flow, sameLevel: isLevelFull) else { return .full }
      admission = .displaced(displaced)
    }
    let line = line(for: shapeKey)
    let key = key(at: now, deadline, flow)
    let slot = vacantSlot()
    entries[Int(slot)] = Entry(
      token: token, rows: rows, enqueued: now, timeout: timeout, deadline: deadline, line: line, key: key, level: level,
      generation: entries[Int(slot)].generation)
    byAge.append(slot, to: &live)
    var isLast = true
    if isPlain { byLine.append(slot, to: &lines[Int(line)].live) } else { isLast = insert(slot, line, flow) }
    lines[Int(line)].liveRows += rows
    lines[Int(line)].liveCount += 1
    count += 1
    if waitsForCompany {
      noteArrival(in: line, isLast: isLast)
      schedule(slot, at: min(timeout, deadline))
    }
    if !levelCounts.isEmpty {
      levelCounts[Int(level)] += 1
      if !waitsForCompany { schedule(slot, at: min(timeout, deadline)) }
    }
    return admission
  }

  /// The key of a newcomer; with it the queue has become plain or stopped being so, if it had to.
  private mutating func key(at now: Instant, _ deadline: Instant, _ flow: Int32) -> UInt64 {
    if now.nanoseconds > latestArrival { latestArrival = now.nanoseconds }
    var key = latestArrival &+ patienceNanoseconds
    if deadline.nanoseconds < key { key = deadline.nanoseconds }
    if live.isEmpty {
      isPlain = true
      plainFlow = flow
      flows.begin(flow)
      lastKey = key
      return key
    }
    if key < lastKey, lastKey - key <= policy.deadlineGrainNanoseconds { key = lastKey }
    if isPlain, flow != plainFlow || key < lastKey { makeOrdered() }
    if key > lastKey { lastKey = key }
    return key
  }

  /// Gives all that wait their lanes. It costs a step for each, but each is met once: it came while the queue was plain.
  private mutating func makeOrdered() {
    guard isPlain else { return }
    isPlain = false
    var slot = live.first
    while slot >= 0 {
      lines[Int(entries[Int(slot)].line)].live = Ends()
      _ = insert(slot, entries[Int(slot)].line, plainFlow)
      slot = byAge.slot(after: slot)
    }
  }

  /// Puts an entry in its flow and its lane.
  ///
  /// - Returns: Whether it is the last of its lane.
  private mutating func insert(_ slot: Int32, _ line: Int32, _ flow: Int32) -> Bool {
    let lane = lane(of: line, flow)
    let key = entries[Int(slot)].key
    entries[Int(slot)].lane = lane
    entries[Int(slot)].flow = flow
    flows.noteArrival(flow)
    byFlow.insert(slot, key: key, into: &flows[flow].live)
    return byLane.insert(slot, key: key, into: &lanes[Int(lane)].live)
  }

  /// A line whose sums reach a preferred size is ready. Where the newcomer is not the last they have changed throughout.
  private mutating func noteArrival(in line: Int32, isLast: Bool) {
    if isFull(line) || policy.preferredRows.contains(lines[Int(line)].liveRows) {
      markReady(line)
    } else if !isPlain, !isLast || lanes[Int(lines[Int(line)].firstLane)].next >= 0, !lines[Int(line)].isReady {
      refreshReadiness(of: line)
    }
  }

  private mutating func makeRoom(for flow: Int32, sameLevel: Bool) -> UInt? {
    guard let longest = sameLevel ? flows.flowToCut(besides: flow) : flows.flowToCut(for: flow) else { return nil }
    let entry = remove(flows[longest].live.last)
    if waitsForCompany { refreshReadiness(of: entry.line) }
    removeLineIfEmpty(entry.line)
    return entry.token
  }

  // MARK: - Slots

  private mutating func vacantSlot() -> Int32 {
    if let slot = freeEntries.popLast() { return slot }
    entries.append(
      Entry(token: 0, rows: 0, enqueued: .never, timeout: .never, deadline: .never, line: -1, key: 0))
    byAge.addSlot()
    byFlow.addSlot()
    byLane.addSlot()
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

  private mutating func lane(of line: Int32, _ flow: Int32) -> Int32 {
    let latest = lines[Int(line)].latestLane
    if latest >= 0, lanes[Int(latest)].flow == flow { return latest }
    var found = lines[Int(line)].firstLane
    while found >= 0, lanes[Int(found)].flow != flow { found = lanes[Int(found)].next }
    if found < 0 {
      let lane = Lane(flow: flow, next: lines[Int(line)].firstLane)
      if let vacant = freeLanes.popLast() {
        lanes[Int(vacant)] = lane
        found = vacant
      } else {
        lanes.append(lane)
        found = Int32(lanes.count - 1)
      }
      lines[Int(line)].firstLane = found
    }
    lines[Int(line)].latestLane = found
    return found
  }

  /// Forgets a line that nobody waits in, and of any other its empty lanes. The latest line and lane are kept, so that
  /// traffic of one shape and one caller makes them once.
  mutating func removeLineIfEmpty(_ line: Int32) {
    let isUnused = lines[Int(line)].isEmpty && line != latestLine
    if lines[Int(line)].firstLane != lines[Int(line)].latestLane || isUnused {
      removeEmptyLanes(of: line, keepsLatest: !isUnused)
    }
    guard isUnused else { return }
    lineByKey[lines[Int(line)].key] = nil
    freeLines.append(line)
  }

  private mutating func removeEmptyLanes(of line: Int32, keepsLatest: Bool) {
    var lane = lines[Int(line)].firstLane
    var previous: Int32 = -1
    while lane >= 0 {
      let next = lanes[Int(lane)].next
      if lanes[Int(lane)].live.isEmpty, !keepsLatest || lane != lines[Int(line)].latestLane {
        if previous >= 0 { lanes[Int(previous)].next = next } else { lines[Int(line)].firstLane = next }
        freeLanes.append(lane)
      } else {
        previous = lane
      }
      lane = next
    }
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
    if !levelCounts.isEmpty { levelCounts[Int(entry.level)] -= 1 }
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
    if keepsTimeouts { schedule(slot, at: entry.deadline) }
  }

  private mutating func unlink(_ slot: Int32, _ entry: Entry) {
    let line = Int(entry.line)
    if entry.isDelayed {
      byAge.remove(slot, from: &delayed)
      byLine.remove(slot, from: &lines[line].delayed)
    } else {
      byAge.remove(slot, from: &live)
      if isPlain {
        byLine.remove(slot, from: &lines[line].live)
      } else {
        byFlow.remove(slot, from: &flows[entry.flow].live)
        byLane.remove(slot, from: &lanes[Int(entry.lane)].live)
        flows.noteDeparture(entry.flow)
      }
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

  /// Takes out who has waited too long, though no instance has time to look: for a queue whose levels have policies of their
  /// own, in which some may wait longer than others that came after them.
  ///
  /// - Parameter batch: Its `removed` is emptied, then filled.
  /// - Returns: When to look again.
  package mutating func sweepTimeouts(at now: Instant, into batch: inout FormedBatch) -> Instant {
    batch.clear()
    removeTimedOut(at: now, into: &batch)
    return timeouts.earliest?.instant ?? .never
  }

  private mutating func schedule(_ slot: Int32, at instant: Instant) {
    guard instant != .never else { return }
    if timeouts.count > 2 * count + 64 {
      let entries = entries
      timeouts.compact { entries[Int($0.slot)].generation == $0.generation }
    }
    timeouts.insert(.init(instant: instant, slot: slot, generation: entries[Int(slot)].generation))
  }
}
