/// The callers that wait, each with its share: who is next within a priority.
///
/// Start-time fair queueing, a row being the unit: each caller has a virtual time, which grows by the rows that it is
/// served, and the one whose time is least goes first. Who comes (back) starts with the least time of those who wait, so
/// that nobody saves up. Source: Goyal, Vin, Cheng, "Start-time Fair Queueing" (1996).
///
/// Of each priority so many callers are told apart; the rest are as one.
struct Flows: Sendable {
  /// Most callers told apart in one priority.
  static let trackedCallers = 64
  /// The caller that stands for those that are not told apart.
  static let others = UInt64.max

  /// The waiting requests of one caller in one priority.
  struct Flow: Sendable {
    var key: Key
    /// By deadline.
    var live = SortedEnds()
    var count = 0
    var virtualTime: UInt64 = 0
    /// Its place in `active`, or -1.
    var place = -1
  }

  struct Key: Hashable, Sendable {
    /// 0 is the most urgent.
    var level: UInt8
    var caller: UInt64
  }

  var flows: [Flow] = []
  /// Those in which somebody waits, in no order.
  private(set) var active: [Int32] = []
  private var known: [Key: Int32] = [:]
  /// For each priority, how many flows it has and the virtual time of the one served last.
  private var levels: [(count: Int, virtualTime: UInt64)]
  private var latest: Int32 = -1

  init(levelCount: Int) { levels = Array(repeating: (0, 0), count: max(levelCount, 1)) }

  subscript(flow: Int32) -> Flow {
    _read { yield flows[Int(flow)] }
    _modify { yield &flows[Int(flow)] }
  }

  /// The flow of a caller; that of the others if there are too many.
  mutating func flow(_ key: Key) -> Int32 {
    if latest >= 0, flows[Int(latest)].key == key { return latest }
    latest = known[key] ?? makeFlow(key)
    return latest
  }

  private mutating func makeFlow(_ key: Key) -> Int32 {
    let level = Int(key.level)
    if key.caller != Self.others, levels[level].count >= Self.trackedCallers {
      guard let spent = spentFlow(of: key.level) else { return flow(Key(level: key.level, caller: Self.others)) }
      known[flows[Int(spent)].key] = nil
      flows[Int(spent)] = Flow(key: key)
      known[key] = spent
      return spent
    }
    let flow = Int32(flows.count)
    flows.append(Flow(key: key))
    known[key] = flow
    levels[level].count += 1
    return flow
  }

  /// One in which nobody waits: the one that loses least by being forgotten.
  private func spentFlow(of level: UInt8) -> Int32? {
    var best: Int32?
    for flow in flows.indices where flows[flow].key.level == level && flows[flow].place < 0 {
      guard flows[flow].key.caller != Self.others else { continue }
      if flows[flow].virtualTime < best.map({ flows[Int($0)].virtualTime }) ?? .max { best = Int32(flow) }
    }
    return best
  }

  // MARK: - Who waits

  /// Counts one more that waits.
  mutating func noteArrival(_ flow: Int32) {
    flows[Int(flow)].count += 1
    guard flows[Int(flow)].place < 0 else { return }
    let level = flows[Int(flow)].key.level
    var least = UInt64.max
    for other in active where flows[Int(other)].key.level == level {
      least = min(least, flows[Int(other)].virtualTime)
    }
    if least == .max { least = levels[Int(level)].virtualTime }
    flows[Int(flow)].virtualTime = max(flows[Int(flow)].virtualTime, least)
    flows[Int(flow)].place = active.count
    active.append(flow)
  }

  /// Counts one less that waits.
  mutating func noteDeparture(_ flow: Int32) {
    flows[Int(flow)].count -= 1
    guard flows[Int(flow)].count == 0 else { return }
    let place = flows[Int(flow)].place
    active.swapAt(place, active.count - 1)
    active.removeLast()
    if place < active.count { flows[Int(active[place])].place = place }
    flows[Int(flow)].place = -1
  }

  /// Takes so many rows from a flow's share, the last request's among them.
  mutating func charge(_ flow: Int32, rows: Int, last: Int) {
    let level = Int(flows[Int(flow)].key.level)
    let end = flows[Int(flow)].virtualTime &+ UInt64(rows)
    levels[level].virtualTime = max(levels[level].virtualTime, end &- UInt64(last))
    flows[Int(flow)].virtualTime = end
  }

  /// Brings a flow up to its priority's time, when it is the only one in which somebody waits.
  mutating func begin(_ flow: Int32) {
    let level = Int(flows[Int(flow)].key.level)
    flows[Int(flow)].virtualTime = max(flows[Int(flow)].virtualTime, levels[level].virtualTime)
  }

  /// Whether one flow goes before another; `extra` is what either has been given in a batch that is being formed.
  func goesBefore(_ left: Int32, extra leftExtra: UInt64, _ right: Int32, extra rightExtra: UInt64) -> Bool {
    let (one, other) = (flows[Int(left)], flows[Int(right)])
    if one.key.level != other.key.level { return one.key.level < other.key.level }
    let (time, otherTime) = (one.virtualTime &+ leftExtra, other.virtualTime &+ rightExtra)
    return time != otherTime ? time < otherTime : left < right
  }

  /// The flow to serve next. Somebody waits.
  var first: Int32 {
    var best = active[0]
    for flow in active.dropFirst() where goesBefore(flow, extra: 0, best, extra: 0) { best = flow }
    return best
  }

  /// Whose youngest request should make room for one more of `newcomer`: the longest flow of the lowest priority, if that
  /// is lower than the newcomer's, or if it is the newcomer's and holds more than twice as many as the newcomer would.
  func flowToCut(for newcomer: Int32) -> Int32? {
    var longest: Int32?
    for flow in active {
      guard let best = longest else {
        longest = flow
        continue
      }
      let (one, other) = (flows[Int(flow)], flows[Int(best)])
      if (one.key.level, one.count) > (other.key.level, other.count) { longest = flow }
    }
    guard let longest else { return nil }
    let (own, other) = (flows[Int(newcomer)], flows[Int(longest)])
    if other.key.level > own.key.level { return longest }
    return other.key.level == own.key.level && other.count > 2 * (own.count + 1) ? longest : nil
  }

  /// The same where the newcomer's own priority is full: the longest flow of that priority, if it holds more than twice as
  /// many as the newcomer would.
  func flowToCut(besides newcomer: Int32) -> Int32? {
    let own = flows[Int(newcomer)]
    var longest: Int32?
    var most = 2 * (own.count + 1)
    for flow in active where flows[Int(flow)].key.level == own.key.level && flows[Int(flow)].count > most {
      longest = flow
      most = flows[Int(flow)].count
    }
    return longest
  }
}
