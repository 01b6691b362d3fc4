internal import Arrivals
internal import ArgumentParser
internal import Batching
internal import Foundation
internal import Inference
internal import Simulation

/// How requests come in a simulation.
struct SimulatedLoadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Requests a second.", valueName: "n"))
  var rate: Double?

  @Option(
    help: ArgumentHelp(
      "How they arrive: poisson, constant, bursts[:FACTOR[:SECONDS]] or diurnal[:DEPTH[:SECONDS]].", valueName: "process"))
  var arrivals = "poisson"

  @Option(help: ArgumentHelp("Recorded arrivals: a text of seconds[,…], a line a request.", valueName: "file"))
  var trace: String?

  @Option(help: ArgumentHelp("How many requests.", valueName: "n"))
  var requests = 200_000

  @Option(help: ArgumentHelp("Another seed, other chances.", valueName: "n"))
  var seed: UInt64 = 1

  func validate() throws {
    if let rate, !(rate > 0 && rate <= 1e9) { throw ValidationError("--rate is \(rate): expected a number over 0") }
    if !(100...100_000_000).contains(requests) {
      throw ValidationError("--requests is \(requests): expected 100 to 100000000")
    }
    if process == nil {
      throw ValidationError(
        "--arrivals is '\(arrivals)': expected poisson, constant, bursts[:FACTOR[:SECONDS]] with a factor of 1 or more, or "
          + "diurnal[:DEPTH[:SECONDS]] with a depth from 0 to 1")
    }
  }

  /// Nil for a text that names none.
  private var process: ArrivalProcess? {
    let parts = arrivals.split(separator: ":", omittingEmptySubsequences: false)
    func number(_ index: Int, or standard: Double) -> Double? { parts.count > index ? Double(parts[index]) : standard }
    switch (parts[0], parts.count) {
    case ("poisson", 1): return .poisson
    case ("constant", 1): return .constant
    case ("bursts", 1...3):
      guard let factor = number(1, or: 4), let seconds = number(2, or: 1), factor >= 1, factor.isFinite, seconds > 0 else { return nil }
      return .bursts(factor: factor, seconds: seconds)
    case ("diurnal", 1...3):
      guard let depth = number(1, or: 0.8), let seconds = number(2, or: 86_400), (0...1).contains(depth), seconds > 0 else { return nil }
      return .diurnal(depth: depth, seconds: seconds)
    default: return nil
    }
  }

  /// - Throws: `UsageError`, `TraceError` for a file that can't be read.
  func simulated() throws -> SimulatedLoad {
    guard let trace else {
      return SimulatedLoad(source: .process(process ?? .poisson, seed: seed), name: arrivals, rate: rate, count: requests)
    }
    guard let content = FileManager.default.contents(atPath: trace) else { throw UsageError("can't read \(trace)") }
    let recorded = try ArrivalTrace(String(decoding: content, as: UTF8.self), from: trace)
    let seconds = max(Double(recorded.nanoseconds) / 1e9, 1e-9)
    return SimulatedLoad(
      source: .trace(recorded), name: "as recorded in \(trace)", rate: Double(recorded.count) / seconds, count: recorded.count)
  }
}

/// What the servers of a simulation are like.
struct SimulatedFleetOptions: ParsableArguments {
  @Option(help: ArgumentHelp("How many servers.", valueName: "n"))
  var servers = 1

  @Option(help: ArgumentHelp("How requests are dealt to them: \(Balancing.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "policy"))
  var balancing = Balancing.leastOutstanding

  @Option(help: ArgumentHelp("Instances of the model in each server.", valueName: "n"))
  var instances = 1

  @Option(help: ArgumentHelp("Rows of each request.", valueName: "n"))
  var rows = 1

  @Option(help: ArgumentHelp("Most rows in a batch. (default: the most that the cost was measured for)", valueName: "n"))
  var maxBatchSize: Int?

  @Option(help: ArgumentHelp("Sizes at which a batch leaves at once, such as 4,8.", valueName: "n,…"))
  var preferredBatchSize: String?

  @Option(
    help: ArgumentHelp("How long the oldest request of a batch waits for company.", valueName: "time"),
    transform: TimeSpan.parse)
  var maxQueueDelay = TimeSpan(seconds: 0)

  @Option(help: ArgumentHelp("Most requests that wait in a server; more are refused.", valueName: "n"))
  var maxQueueSize = 8192

  @Option(
    help: ArgumentHelp("How long a caller waits for its answer. (default: for ever)", valueName: "time"),
    transform: TimeSpan.parse)
  var deadline: TimeSpan?

  @Option(
    help: ArgumentHelp("What a request takes beside waiting and running: the network, reading it, writing it.", valueName: "time"),
    transform: TimeSpan.parse)
  var overhead = TimeSpan(seconds: 0)

  func validate() throws {
    for (name, value, most) in [
      ("--servers", servers, 100_000), ("--instances", instances, 1024), ("--rows", rows, 1 << 20),
      ("--max-batch-size", maxBatchSize ?? 1, 1 << 20), ("--max-queue-size", maxQueueSize, 1 << 30),
    ] where !(1...most).contains(value) {
      throw ValidationError("\(name) is \(value): expected 1 to \(most)")
    }
  }

  func plan(_ cost: CostCurve) throws(UsageError) -> FleetPlan {
    let most = maxBatchSize ?? max(cost.points.map(\.rows).max() ?? 1, rows)
    guard rows <= most else { throw UsageError("--rows is \(rows), and a batch has \(most) rows at most (--max-batch-size)") }
    var batching = DynamicBatching()
    batching.maxQueueDelayMicroseconds = maxQueueDelay.nanoseconds / 1000
    for text in preferredBatchSize?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
      guard let size = Int(text), (1...most).contains(size) else {
        throw UsageError("--preferred-batch-size '\(text)': expected numbers from 1 to \(most), the most rows in a batch")
      }
      batching.preferredBatchSizes.append(size)
    }
    var plan = FleetPlan(
      cost: cost, policy: BatchPolicy(maxBatchSize: most, dynamicBatching: batching, queueLimit: maxQueueSize))
    plan.servers = servers
    plan.balancing = balancing
    plan.instances = instances
    plan.rows = rows
    plan.patienceNanoseconds = deadline?.nanoseconds
    plan.overheadNanoseconds = overhead.nanoseconds
    return plan
  }
}

extension Balancing: ExpressibleByArgument {}

/// What is looked for, and what it has to keep.
struct ObjectiveOptions: ParsableArguments {
  enum Search: String, CaseIterable, ExpressibleByArgument {
    case servers, instances, rate
  }

  @Option(help: ArgumentHelp("Look for the fewest servers or instances, or the highest rate, that keep the bounds.", valueName: "what"))
  var find: Search?

  @OptionGroup var latency: LatencyBounds

  func validate() throws {
    if find != nil, bounds.isEmpty { throw ValidationError("--find needs a bound, such as --p99 50ms") }
  }

  var bounds: [LatencyObjective] {
    latency.given.map { LatencyObjective(percentile: $0.percentile, nanoseconds: $0.nanoseconds) }
  }
}
