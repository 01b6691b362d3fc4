/// How calls are spread over ready connections.
public enum BalancingPolicy: Sendable, Hashable {
  /// Each in turn: even where every call costs the same.
  case roundRobin
  /// To the connection with the fewest calls on it: gives slow servers less.
  case leastOutstanding
}

/// Picks among connections by their positions in a list; holds only whose turn it is.
package struct Balancer: Sendable {
  package let policy: BalancingPolicy
  private var next = 0

  package init(_ policy: BalancingPolicy) { self.policy = policy }

  /// - Parameters:
  ///   - count: Length of the list.
  ///   - load: Calls on the connection at a position; nil if it takes none now.
  /// - Returns: A position, or nil if none takes a call.
  @inline(__always)
  package mutating func pick(count: Int, load: (Int) -> Int?) -> Int? {
    guard count > 0 else { return nil }
    var best: Int?
    var bestLoad = Int.max
    var position = next < count ? next : 0
    for _ in 0..<count {
      if let load = load(position), load < bestLoad {
        best = position
        bestLoad = load
        if policy == .roundRobin { break }
      }
      position += 1
      if position == count { position = 0 }
    }
    // Equal loads take turns too: the one after the chosen is looked at first.
    if let best { next = best + 1 }
    return best
  }
}
