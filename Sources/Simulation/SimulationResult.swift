/// What became of the requests of a simulation.
package struct SimulationResult: Sendable {
  /// Of those that were answered in time, in nanoseconds, from arrival to answer; ascending once the simulation is over.
  package internal(set) var latencies: [UInt64] = []
  /// Left the queue because their time was over, or were answered after it.
  package internal(set) var late = 0
  /// Found the queue full, or had to make room.
  package internal(set) var refused = 0
  package internal(set) var batches = 0
  package internal(set) var rows = 0
  /// Most requests that waited in one server.
  package internal(set) var mostWaiting = 0
  /// From the first instant to the last event.
  package internal(set) var nanoseconds: UInt64 = 0
  /// Work of all instances together.
  package internal(set) var busyNanoseconds = 0.0
  private let instances: Int

  init(instances: Int) { self.instances = instances }

  mutating func settle() { latencies.sort() }

  package var answered: Int { latencies.count }
  package var requests: Int { answered + late + refused }
  /// Answered in time a second.
  package var goodput: Double { nanoseconds > 0 ? Double(answered) * 1e9 / Double(nanoseconds) : 0 }
  package var averageBatch: Double { batches > 0 ? Double(rows) / Double(batches) : 0 }
  /// Share of the time in which an instance works, on average over all of them.
  package var utilisation: Double {
    nanoseconds > 0 ? min(busyNanoseconds / (Double(nanoseconds) * Double(instances)), 1) : 0
  }

  /// The latency, in nanoseconds, that so many percent of all answers keep; nil without an answer.
  package func latency(percentile: Double) -> UInt64? {
    guard !latencies.isEmpty else { return nil }
    let rank = (percentile / 100 * Double(latencies.count)).rounded(.up)
    return latencies[min(max(Int(rank), 1), latencies.count) - 1]
  }

  package var meanNanoseconds: Double? {
    latencies.isEmpty ? nil : latencies.reduce(0) { $0 + Double($1) } / Double(latencies.count)
  }
}
