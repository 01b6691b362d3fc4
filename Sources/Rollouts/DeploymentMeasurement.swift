/// What one deployment did since the last measurement.
///
/// Only what a deployment is to blame for is a failure: not a caller's bad input, cancellation or missing credentials.
package struct DeploymentMeasurement: Hashable, Sendable, Codable {
  /// Answered, failures included.
  package var requests: UInt64
  package var failures: UInt64
  /// Of the requests that succeeded.
  package var latencies: LatencyCounts

  package init(requests: UInt64 = 0, failures: UInt64 = 0, latencies: LatencyCounts = LatencyCounts()) {
    self.requests = requests
    self.failures = min(failures, requests)
    self.latencies = latencies
  }

  package mutating func add(_ other: DeploymentMeasurement) {
    requests += other.requests
    failures += other.failures
    latencies.add(other.latencies)
  }

  var errorRate: Double { requests == 0 ? 0 : Double(failures) / Double(requests) }
}

/// How many answers of the mirror were compared since the last measurement, and how many of those differed.
package struct MirrorMeasurement: Hashable, Sendable, Codable {
  package var compared: UInt64
  package var mismatched: UInt64

  package init(compared: UInt64 = 0, mismatched: UInt64 = 0) {
    self.compared = compared
    self.mismatched = min(mismatched, compared)
  }

  mutating func add(_ other: MirrorMeasurement) {
    compared += other.compared
    mismatched += other.mismatched
  }
}
