internal import Arrivals

/// How a simulated fleet deals requests to its servers.
package enum Balancing: String, Hashable, Sendable, CaseIterable {
  /// In turn.
  case roundRobin = "round-robin"
  /// By chance.
  case random
  /// The one of two random servers with fewer requests in hand. Source: Mitzenmacher, "The power of two choices" (2001).
  case twoChoices = "two-choices"
  /// The one with the fewest requests in hand.
  case leastOutstanding = "least-outstanding"
}

/// Deals requests to servers, and keeps count of what they have in hand.
struct Balancer {
  private let balancing: Balancing
  private let count: Int
  private var turn = 0
  private var outstanding: [Int32]
  /// A tournament: node `i` has the better of nodes `2i` and `2i + 1`; the leaves are the servers.
  private var winners: [Int32]
  private let leaves: Int

  init(_ balancing: Balancing, servers: Int) {
    self.balancing = balancing
    count = servers
    outstanding = Array(repeating: 0, count: servers)
    var leaves = 1
    while leaves < servers { leaves *= 2 }
    self.leaves = leaves
    winners = []
    guard balancing == .leastOutstanding else { return }
    winners = Array(repeating: -1, count: 2 * leaves)
    for server in 0..<servers { winners[leaves + server] = Int32(server) }
    for node in stride(from: leaves - 1, through: 1, by: -1) { winners[node] = better(winners[2 * node], winners[2 * node + 1]) }
  }

  mutating func choose(_ random: inout SeededRandom) -> Int {
    guard count > 1 else { return 0 }
    switch balancing {
    case .roundRobin:
      defer { turn = (turn + 1) % count }
      return turn
    case .random: return Int.random(in: 0..<count, using: &random)
    case .twoChoices:
      let one = Int.random(in: 0..<count, using: &random)
      let other = (one + 1 + Int.random(in: 0..<(count - 1), using: &random)) % count
      return outstanding[other] < outstanding[one] ? other : one
    case .leastOutstanding: return Int(winners[1])
    }
  }

  /// Counts requests that a server got (over zero) or got rid of.
  mutating func note(_ change: Int, at server: Int) {
    outstanding[server] += Int32(change)
    guard balancing == .leastOutstanding else { return }
    var node = (leaves + server) / 2
    while node >= 1 {
      winners[node] = better(winners[2 * node], winners[2 * node + 1])
      node /= 2
    }
  }

  private func better(_ one: Int32, _ other: Int32) -> Int32 {
    if one < 0 { return other }
    if other < 0 { return one }
    return outstanding[Int(other)] < outstanding[Int(one)] ? other : one
  }
}
