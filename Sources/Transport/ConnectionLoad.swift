internal import Synchronization

/// How many connections an event loop has, for those who give it more. Any thread.
package final class ConnectionLoad: Sendable {
  private let connections = Atomic<Int>(0)

  package var count: Int { connections.load(ordering: .relaxed) }

  func enter() { connections.add(1, ordering: .relaxed) }

  func leave() { connections.subtract(1, ordering: .relaxed) }

  /// Enters the one of `loads` with the fewest connections; of equals the one at `preferred`.
  ///
  /// - Returns: Its index.
  static func enterLightest(of loads: [ConnectionLoad], preferring preferred: Int) -> Int {
    while true {
      var lightest = preferred
      var fewest = loads[preferred].count
      for index in loads.indices where loads[index].count < fewest {
        lightest = index
        fewest = loads[index].count
      }
      // Another listener may have given it one meanwhile: then it may not be the lightest any more.
      let isUnchanged = loads[lightest].connections.compareExchange(
        expected: fewest, desired: fewest + 1, ordering: .relaxed)
      if isUnchanged.exchanged { return lightest }
    }
  }
}
