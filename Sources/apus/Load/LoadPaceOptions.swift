internal import ArgumentParser
internal import Arrivals
internal import LoadTesting

/// How much load, and for how long.
struct LoadPaceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Closed loop: calls in flight, or a range that is climbed. (default: 1, or --connections times --streams)",
      valueName: "n[..n]"))
  var concurrency: String?

  @Option(
    help: ArgumentHelp("Open loop: requests a second, or a range that is climbed.", valueName: "n[..n]"))
  var rate: String?

  @Option(help: ArgumentHelp("How requests of a rate arrive: poisson or constant.", valueName: "process"))
  var arrivals = "poisson"

  @Option(help: ArgumentHelp("Steps of a range, its ends included.", valueName: "n"))
  var steps = 5

  @Option(
    help: ArgumentHelp(
      "Repeat recorded arrivals: a text of seconds[,model[,priority]], a line a request.", valueName: "file"))
  var trace: String?

  @Flag(help: "Search the highest rate that keeps the bound of --p50, --p90, --p95, --p99 or --p999.")
  var findRate = false

  @Option(help: ArgumentHelp("With --find-rate: no higher rate is tried.", valueName: "n"))
  var maxRate = 1_000_000.0

  @OptionGroup var latency: LatencyBounds

  @Option(
    help: ArgumentHelp(
      "How long each step is measured. (default: until three windows agree, or --max-duration)", valueName: "time"),
    transform: TimeSpan.parse)
  var duration: TimeSpan?

  @Option(
    help: ArgumentHelp("The longest that a step without --duration is measured.", valueName: "time"),
    transform: TimeSpan.parse)
  var maxDuration = TimeSpan(seconds: 60)

  @Option(help: ArgumentHelp("How far windows that agree may differ from their mean.", valueName: "percent"))
  var stability = 5.0

  @Option(
    help: ArgumentHelp("Discarded at the start of each step.", valueName: "time"), transform: TimeSpan.parse)
  var warmUp = TimeSpan(seconds: 1)

  @Option(help: ArgumentHelp("Length of a window.", valueName: "time"), transform: TimeSpan.parse)
  var window = TimeSpan(seconds: 1)

  func validate() throws {
    let modes = [concurrency != nil, rate != nil && !findRate, trace != nil, findRate].count { $0 }
    if modes > 1 { throw ValidationError("--concurrency, --rate, --trace and --find-rate exclude each other") }
    if arrivals != "poisson", arrivals != "constant" {
      throw ValidationError("--arrivals is '\(arrivals)'; expected poisson or constant")
    }
    if let concurrency {
      guard let range = LoadRange(concurrency), range.steps(2).allSatisfy({ $0 >= 1 && $0 == $0.rounded() }) else {
        throw ValidationError("--concurrency is '\(concurrency)'; expected a number such as 16, or a range such as 1..64")
      }
    }
    if let rate, LoadRange(rate) == nil {
      throw ValidationError("--rate is '\(rate)'; expected a number over 0 such as 1000, or a range such as 1000..50000")
    }
    if !(1...1000).contains(steps) { throw ValidationError("--steps is \(steps); expected 1 to 1000") }
    if !(stability > 0 && stability <= 100) { throw ValidationError("--stability is \(stability); expected a percentage") }
    if maxRate < 1 || maxRate > 1e9 { throw ValidationError("--max-rate is \(maxRate); expected 1 to 1000000000") }
    if findRate, bounds.count != 1 {
      throw ValidationError("--find-rate takes one bound: --p50, --p90, --p95, --p99 or --p999")
    }
    let least = Duration.milliseconds(10)
    if window.duration < least { throw ValidationError("--window is \(window); expected 10ms or more") }
    for (name, time) in [("--duration", duration), ("--max-duration", maxDuration)] {
      if let time, time.duration < least { throw ValidationError("\(name) is \(time); expected 10ms or more") }
    }
  }

  var bounds: [LoadReport.Bound] {
    latency.given.map { LoadReport.Bound(percentile: $0.percentile, nanoseconds: $0.nanoseconds) }
  }

  var isClosedLoop: Bool { rate == nil && trace == nil && !findRate }

  var process: ArrivalProcess { arrivals == "constant" ? .constant : .poisson }

  /// The steps of a run that is no search.
  ///
  /// - Parameter defaultConcurrency: Where nothing else is said.
  func loadSteps(defaultConcurrency: Int) -> [LoadStep] {
    if trace != nil { return [.trace] }
    if let rate, let range = LoadRange(rate) { return range.steps(steps).map { .rate($0, process) } }
    guard let concurrency, let range = LoadRange(concurrency) else { return [.concurrency(defaultConcurrency)] }
    var counts: [Int] = []
    for count in range.steps(steps).map({ Int($0.rounded()) }) where counts.last != count { counts.append(count) }
    return counts.map { .concurrency($0) }
  }

  var length: StepLength {
    guard let duration else {
      return StepLength(
        nanoseconds: maxDuration.nanoseconds, stability: StabilityRule(tolerance: stability / 100))
    }
    return StepLength(nanoseconds: duration.nanoseconds)
  }
}
