import Routing
import Testing

/// The largest distance of any one's turns from its exact share, in hundredths of a turn times the total weight: over
/// every window of the repeated sequence if `anyWindow`, else over those that begin at the first turn.
private func worst(_ weights: [Int], anyWindow: Bool) -> (distance: Int, total: Int) {
  let turns = TrafficSequence(weights: weights).turns
  let total = weights.reduce(0, +)
  var worst = 0
  for start in anyWindow ? Array(turns.indices) : [0] {
    var taken = weights.map { _ in 0 }
    for length in 1...turns.count {
      taken[turns[(start + length - 1) % turns.count]] += 1
      for index in weights.indices { worst = max(worst, abs(taken[index] * total - weights[index] * length)) }
    }
  }
  return (worst, total)
}

/// All 101 of them, and every window in each.
@Test func `of two deployments each has its exact share of any window, to within one`() {
  for percent in 0...100 {
    let (distance, total) = worst([percent, 100 - percent], anyWindow: true)
    #expect(distance <= total, "\(percent) : \(100 - percent)")
  }
}

/// All splits of three in steps of a percent, whole hundreds only; and every window of some.
@Test func `of three deployments each has its exact share from the first turn on, to within one`() {
  for first in stride(from: 1, through: 98, by: 1) {
    for second in stride(from: 1, through: 99 - first, by: 3) {
      let (distance, total) = worst([first, second, 100 - first - second], anyWindow: false)
      #expect(distance < total, "\(first) : \(second) : \(100 - first - second)")
    }
  }
  for weights in [[50, 30, 20], [98, 1, 1], [34, 33, 33], [90, 9, 1], [61, 37, 2]] {
    let (distance, total) = worst(weights, anyWindow: true)
    #expect(distance < 2 * total, "\(weights)")
  }
}

@Test func `many deployments share as evenly`() {
  for weights in [Array(repeating: 5, count: 20), [81] + Array(repeating: 1, count: 19), [40, 20, 10, 10, 5, 5, 5, 3, 1, 1]] {
    #expect(worst(weights, anyWindow: false).distance < 100)
    #expect(worst(weights, anyWindow: true).distance < 200)
  }
}

@Test func `a sequence is no longer than it must be`() {
  #expect(TrafficSequence(weights: [50, 50]).turns.count == 2)
  #expect(TrafficSequence(weights: [0, 70, 30]).turns.count == 10)
  #expect(TrafficSequence(weights: [99, 1]).turns.count == 100)
  #expect(TrafficSequence(weights: [0, 100]).turns == [1])
  #expect(TrafficSequence(weights: [0, 0]).turns == [])
  #expect(TrafficSequence(weights: []).turns == [])
}
