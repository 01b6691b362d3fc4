internal import ArgumentParser

/// What percentiles of latency may be at most.
struct LatencyBounds: ParsableArguments {
  @Option(help: ArgumentHelp("Bound of the median.", valueName: "time"), transform: TimeSpan.parse)
  var p50: TimeSpan?

  @Option(help: ArgumentHelp("Bound of the 90th percentile.", valueName: "time"), transform: TimeSpan.parse)
  var p90: TimeSpan?

  @Option(help: ArgumentHelp("Bound of the 95th percentile.", valueName: "time"), transform: TimeSpan.parse)
  var p95: TimeSpan?

  @Option(help: ArgumentHelp("Bound of the 99th percentile.", valueName: "time"), transform: TimeSpan.parse)
  var p99: TimeSpan?

  @Option(help: ArgumentHelp("Bound of the 99.9th percentile.", valueName: "time"), transform: TimeSpan.parse)
  var p999: TimeSpan?

  /// Those that are given.
  var given: [(percentile: Double, nanoseconds: UInt64)] {
    [(50, p50), (90, p90), (95, p95), (99, p99), (99.9, p999)].compactMap { percentile, time in
      time.map { (percentile, $0.nanoseconds) }
    }
  }
}
