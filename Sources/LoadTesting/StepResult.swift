/// What one window of a step measured, all threads together.
package struct WindowSample: Hashable, Sendable {
  /// Since the step's measurement began, and its length.
  package var startSeconds: Double
  package var seconds: Double
  package var answered: UInt64
  package var failed: UInt64
  package var bytesSent: UInt64
  package var bytesReceived: UInt64
  /// Nanoseconds.
  package var mean: Double
  package var p50: UInt64
  package var p90: UInt64
  package var p99: UInt64
  package var p999: UInt64
  package var max: UInt64
  package var sendLagP99: UInt64
  /// The client's CPUs: 1.0 is one core.
  package var clientCPUs: Double
  /// The server's CPU time; nil where no process was named, or it has ended.
  package var serverCPUNanoseconds: UInt64?
  package var serverResidentBytes: UInt64?

  package init(_ tally: Tally, startSeconds: Double, seconds: Double, clientCPUs: Double) {
    (self.startSeconds, self.seconds, self.clientCPUs) = (startSeconds, seconds, clientCPUs)
    (answered, failed) = (tally.answered, tally.failed)
    (bytesSent, bytesReceived) = (tally.bytesSent, tally.bytesReceived)
    mean = tally.latency.mean
    p50 = tally.latency.value(atPercentile: 50)
    p90 = tally.latency.value(atPercentile: 90)
    p99 = tally.latency.value(atPercentile: 99)
    p999 = tally.latency.value(atPercentile: 99.9)
    max = tally.latency.max
    sendLagP99 = tally.sendLag.value(atPercentile: 99)
  }

  package var throughput: Double { seconds > 0 ? Double(answered) / seconds : 0 }

  /// Nil where it is not known, or nothing was answered.
  package var serverMicrosecondsPerRequest: Double? {
    guard let serverCPUNanoseconds, answered + failed > 0 else { return nil }
    return Double(serverCPUNanoseconds) / Double(answered + failed) / 1000
  }
}

/// What one step measured, without its warm-up.
package struct StepResult: Sendable {
  package enum End: String, Sendable {
    case stable = "the last windows agree"
    case duration = "the time is over"
    case longest = "the longest time is over, and the windows do not agree"
    case traceEnd = "the trace has ended"
    case interrupted = "interrupted"
  }

  package var step: LoadStep
  package var end: End
  package var isStable: Bool
  package var seconds: Double
  /// All threads and windows together.
  package var total: Tally
  package var windows: [WindowSample]
  /// The busiest thread's share of its core: 1.0 is all of it. Nil while the threads poll without rest.
  package var busiestThread: Double?
  package var clientCPUs: Double
  /// The server's CPU time; nil where no process was named, or it has ended.
  package var serverCPUNanoseconds: UInt64?
  package var serverResidentBytes: UInt64?
  /// What the server says of each model over the same time, where it keeps statistics.
  package var serverStatistics: [ServerSplit] = []
  /// A message of each kind of failure, for people.
  package var failures: [String]
  package var mismatches: [String]

  package init(
    step: LoadStep, end: End, isStable: Bool, seconds: Double, total: Tally, windows: [WindowSample],
    busiestThread: Double?, clientCPUs: Double, failures: [String], mismatches: [String]
  ) {
    (self.step, self.end, self.isStable, self.seconds, self.total) = (step, end, isStable, seconds, total)
    (self.windows, self.busiestThread, self.clientCPUs) = (windows, busiestThread, clientCPUs)
    (self.failures, self.mismatches) = (failures, mismatches)
  }

  /// Answers in the windows, a second. Those that came after the last are not in it.
  package var throughput: Double {
    seconds > 0 ? Double(windows.reduce(0) { $0 + $1.answered }) / seconds : 0
  }
  /// Requests a second that were to be sent; nil in a closed loop.
  package var offered: Double? {
    switch step {
    case .concurrency: nil
    case .rate(let rate, _): rate
    case .trace: seconds > 0 ? Double(total.sent + total.notSent) / seconds : nil
    }
  }
}

/// A model's own account of its requests over a step: differences of its cumulative statistics.
package struct ServerSplit: Hashable, Sendable {
  package var model: String
  package var version: String
  package var requests: UInt64
  package var failures: UInt64
  package var batches: UInt64
  package var rows: UInt64
  /// Means over the requests, in nanoseconds.
  package var request: Double
  package var queue: Double
  package var computeInput: Double
  package var computeInfer: Double
  package var computeOutput: Double

  package init(
    model: String, version: String, requests: UInt64, failures: UInt64, batches: UInt64, rows: UInt64,
    request: Double, queue: Double, computeInput: Double, computeInfer: Double, computeOutput: Double
  ) {
    (self.model, self.version, self.requests, self.failures) = (model, version, requests, failures)
    (self.batches, self.rows, self.request, self.queue) = (batches, rows, request, queue)
    (self.computeInput, self.computeInfer, self.computeOutput) = (computeInput, computeInfer, computeOutput)
  }
}
