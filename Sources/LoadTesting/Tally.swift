/// What one thread counted in one window. Recycled; recording allocates nothing.
package struct Tally: Sendable {
  /// gRPC's status codes are 0 to 16. Source: gRPC, "Status codes and their use in gRPC".
  package static let statusCount = 17
  static let resourceExhausted = 8

  /// Of calls that were answered OK.
  package var latency = LatencyHistogram()
  /// Of calls that were refused with RESOURCE_EXHAUSTED: how soon a caller learns that there is no room.
  package var refusalLatency = LatencyHistogram()
  /// From when a call was due to when it was handed to the connection.
  package var sendLag = LatencyHistogram()
  /// Of each target, if there are several.
  package var targets: [LatencyHistogram]
  package var statuses = [UInt64](repeating: 0, count: Tally.statusCount)
  package var sent: UInt64 = 0
  /// Arrivals that found no connection; they count as UNAVAILABLE too.
  package var notSent: UInt64 = 0
  /// Calls that were due and had to wait for a free stream.
  package var waitedForStream: UInt64 = 0
  /// Messages without gRPC's prefix.
  package var bytesSent: UInt64 = 0
  package var bytesReceived: UInt64 = 0
  package var checked: UInt64 = 0
  package var mismatched: UInt64 = 0
  package var connectionsLost: UInt64 = 0
  /// CPU time of the thread.
  package var cpuNanoseconds: UInt64 = 0

  package init(targetCount: Int) {
    targets = targetCount > 1 ? Array(repeating: LatencyHistogram(), count: targetCount) : []
  }

  package var answered: UInt64 { statuses[0] }
  package var failed: UInt64 { statuses.reduce(0, +) - statuses[0] }

  /// Leaves out the calls that this side gave up.
  mutating func forgetCancelled() {
    let cancelled = statuses[1]
    statuses[1] = 0
    notSent -= Swift.min(notSent, cancelled)
  }

  /// Adds what another thread, or another window, counted.
  package mutating func add(_ other: Tally) {
    latency.add(other.latency)
    refusalLatency.add(other.refusalLatency)
    sendLag.add(other.sendLag)
    for index in targets.indices { targets[index].add(other.targets[index]) }
    for index in statuses.indices { statuses[index] += other.statuses[index] }
    sent += other.sent
    notSent += other.notSent
    waitedForStream += other.waitedForStream
    bytesSent += other.bytesSent
    bytesReceived += other.bytesReceived
    checked += other.checked
    mismatched += other.mismatched
    connectionsLost += other.connectionsLost
    cpuNanoseconds += other.cpuNanoseconds
  }

  package mutating func reset() {
    latency.reset()
    refusalLatency.reset()
    sendLag.reset()
    for index in targets.indices { targets[index].reset() }
    for index in statuses.indices { statuses[index] = 0 }
    (sent, notSent, waitedForStream, bytesSent, bytesReceived) = (0, 0, 0, 0, 0)
    (checked, mismatched, connectionsLost, cpuNanoseconds) = (0, 0, 0, 0)
  }
}
