/// An order of turns in which each of several takes its share, spread as evenly as can be.
///
/// After any number of turns from the first, everyone has had its exact share to within less than one turn; in any other
/// window, to within one where two share and two where more do. After `turns.count` turns, and so after 100, every share
/// is exact. Nothing is random: the same weights give the same order.
///
/// ```
/// 70 : 30  ▶  A B A A A B A A B A
/// ```
///
/// Source: R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980): of those that would be more
/// than 1/(2n-2) short, the one whose time runs out first.
package struct TrafficSequence: Hashable, Sendable {
  /// Whose turn it is, by index into the weights. Repeats for ever. Empty if no weight is positive.
  package let turns: [Int]

  /// - Parameter weights: 0 or more each. They are divided by what they have in common.
  package init(weights: [Int]) {
    let divisor = weights.reduce(0, TrafficSequence.greatestCommonDivisor)
    guard divisor > 0 else {
      turns = []
      return
    }
    let weights = weights.map { $0 / divisor }
    let total = weights.reduce(0, +)
    let scale = max(1, 2 * weights.count { $0 > 0 } - 2)
    var taken = weights.map { _ in 0 }
    var turns: [Int] = []
    turns.reserveCapacity(total)
    for turn in 1...total {
      var chosen = -1
      var chosenSlack = 0
      for index in weights.indices where weights[index] > 0 {
        // Everything in units of 1/(total * scale).
        let due = (weights[index] * turn - taken[index] * total) * scale
        guard due >= total || scale == 1 else { continue }
        let slack = total * (scale - 1) - due
        // slack / weight, compared without a division.
        if chosen < 0 || slack * weights[chosen] < chosenSlack * weights[index] {
          chosen = index
          chosenSlack = slack
        }
      }
      precondition(chosen >= 0, "Nobody may take turn \(turn) of \(weights). This is a bug.")
      taken[chosen] += 1
      turns.append(chosen)
    }
    self.turns = turns
  }

  private static func greatestCommonDivisor(_ left: Int, _ right: Int) -> Int {
    right == 0 ? left : greatestCommonDivisor(right, left % right)
  }
}
