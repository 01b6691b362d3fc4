package import Foundation
package import LoadTesting

/// All that a load test has to say, for the forms that it is written in.
package struct LoadReport: Sendable {
  package struct Target: Sendable {
    package var name: String
    package var method: String
    package var weight: Double
    /// Different messages, and the sizes of the smallest and the largest in bytes.
    package var inputs: Int
    package var leastBytes: Int
    package var mostBytes: Int

    package init(name: String, method: String, weight: Double, inputs: Int, leastBytes: Int, mostBytes: Int) {
      (self.name, self.method, self.weight) = (name, method, weight)
      (self.inputs, self.leastBytes, self.mostBytes) = (inputs, leastBytes, mostBytes)
    }
  }

  /// How a search for a rate ended.
  package struct Search: Sendable {
    package var percentile: Double
    package var boundNanoseconds: UInt64
    /// Requests a second; nil: none passed.
    package var rate: Double?
    package var outcome: RateSearch.Outcome

    package init(percentile: Double, boundNanoseconds: UInt64, rate: Double?, outcome: RateSearch.Outcome) {
      (self.percentile, self.boundNanoseconds) = (percentile, boundNanoseconds)
      (self.rate, self.outcome) = (rate, outcome)
    }
  }

  /// A percentile that must stay under a time.
  package struct Bound: Hashable, Sendable {
    package var percentile: Double
    package var nanoseconds: UInt64

    package init(percentile: Double, nanoseconds: UInt64) {
      (self.percentile, self.nanoseconds) = (percentile, nanoseconds)
    }
  }

  package var address: String
  /// What the server calls itself; empty where it does not say.
  package var server: String
  package var started: Date
  package var threads: Int
  package var connections: Int
  /// Most calls in flight on a connection.
  package var streams: Int
  package var seed: UInt64
  package var targets: [Target]
  package var steps: [StepResult] = []
  package var search: Search?
  package var bounds: [Bound] = []

  package init(
    address: String, server: String, started: Date, threads: Int, connections: Int, streams: Int, seed: UInt64,
    targets: [Target]
  ) {
    (self.address, self.server, self.started) = (address, server, started)
    (self.threads, self.connections, self.streams, self.seed) = (threads, connections, streams, seed)
    self.targets = targets
  }

  /// What makes the run a failure, for people; empty: nothing.
  package var faults: [String] {
    var faults: [String] = []
    let checked = steps.reduce(0) { $0 + $1.total.checked }
    let mismatched = steps.reduce(0) { $0 + $1.total.mismatched }
    if mismatched > 0 {
      faults.append("\(mismatched) of \(checked) answers that were checked differ from the first answer to the same input")
    }
    if steps.reduce(0, { $0 + $1.total.answered }) == 0 { faults.append("no request was answered") }
    if search == nil {
      for bound in bounds {
        for step in steps where step.total.latency.value(atPercentile: bound.percentile) > bound.nanoseconds {
          let found = Self.time(Double(step.total.latency.value(atPercentile: bound.percentile)))
          faults.append(
            "\(step.step.description): p\(Self.number(bound.percentile)) is \(found), over the bound of "
              + Self.time(Double(bound.nanoseconds)))
        }
      }
    } else if search?.rate == nil {
      faults.append("no rate kept the bound")
    }
    return faults
  }

  // MARK: Words

  /// Nanoseconds as people read them: `812 µs`, `3.21 ms`, `1.50 s`.
  package static func time(_ nanoseconds: Double) -> String {
    switch nanoseconds {
    case ..<999_500: String(format: "%.0f µs", nanoseconds / 1000)
    case ..<9_995_000: String(format: "%.2f ms", nanoseconds / 1e6)
    case ..<99_950_000: String(format: "%.1f ms", nanoseconds / 1e6)
    case ..<999_500_000: String(format: "%.0f ms", nanoseconds / 1e6)
    case ..<9_995_000_000: String(format: "%.2f s", nanoseconds / 1e9)
    default: String(format: "%.1f s", nanoseconds / 1e9)
    }
  }

  /// With thin detail: three digits where there are fewer, and thousands apart.
  package static func number(_ value: Double) -> String {
    if value != value.rounded(), value < 100 {
      var text = String(format: value < 10 ? "%.2f" : "%.1f", value)
      while text.last == "0" { text.removeLast() }
      if text.last == "." { text.removeLast() }
      return text
    }
    let digits = Array(String(format: "%.0f", value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, digit != "-", digits[index - 1] != "-", (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }

  package static func bytes(_ count: Double) -> String {
    switch count {
    case ..<1024: String(format: "%.0f B", count)
    case ..<1_048_576: String(format: "%.1f KiB", count / 1024)
    case ..<1_073_741_824: String(format: "%.1f MiB", count / 1_048_576)
    default: String(format: "%.2f GiB", count / 1_073_741_824)
    }
  }

  /// gRPC's names. Source: gRPC, "Status codes and their use in gRPC".
  package static let statusNames = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]
}
