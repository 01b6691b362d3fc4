/// A walk along one line in the order in which its requests would leave: lane by lane in turn, each caller in its share.
///
/// Reused from walk to walk, so that its arrays grow once.
struct LineWalk: Sendable {
  struct Cursor: Sendable {
    var flow: Int32
    var slot: Int32
    /// Rows that the flow has been given on this walk.
    var given: UInt64 = 0
  }

  var cursors: [Cursor] = []
  var current = -1
  /// Where the walk is in a plain queue.
  var next: Int32 = -1
  /// The requests of the batch that is being formed.
  var picked: [Int32] = []
}

extension BatchQueue {
  mutating func beginWalk(along line: Int32) {
    if isPlain {
      walk.next = lines[Int(line)].live.first
      return
    }
    walk.cursors.removeAll(keepingCapacity: true)
    walk.picked.removeAll(keepingCapacity: true)
    walk.current = -1
    var lane = lines[Int(line)].firstLane
    while lane >= 0 {
      if !lanes[Int(lane)].live.isEmpty {
        walk.cursors.append(.init(flow: lanes[Int(lane)].flow, slot: lanes[Int(lane)].live.first))
      }
      lane = lanes[Int(lane)].next
    }
  }

  /// The next slot of the walk, or -1. Slots already given out may have been removed; no others.
  ///
  /// - Parameter rows: What the slot given out before takes from its caller's share; 0 if it does not run.
  mutating func nextInWalk(charging rows: Int) -> Int32 {
    if isPlain {
      let slot = walk.next
      if slot >= 0 { walk.next = byLine.slot(after: slot) }
      return slot
    }
    return nextInTurn(charging: rows)
  }

  private mutating func nextInTurn(charging rows: Int) -> Int32 {
    if walk.current >= 0 {
      walk.cursors[walk.current].given &+= UInt64(rows)
      if walk.cursors[walk.current].slot < 0 {
        walk.cursors.swapAt(walk.current, walk.cursors.count - 1)
        walk.cursors.removeLast()
      }
    }
    guard !walk.cursors.isEmpty else { return -1 }
    var best = 0
    for index in 1..<max(walk.cursors.count, 1) {
      let (one, other) = (walk.cursors[index], walk.cursors[best])
      if flows.goesBefore(one.flow, extra: one.given, other.flow, extra: other.given) { best = index }
    }
    walk.current = best
    let slot = walk.cursors[best].slot
    walk.cursors[best].slot = byLane.slot(after: slot)
    return slot
  }
}
