internal import Arrivals
internal import Batching
internal import Foundation
internal import Simulation

/// The requests of a simulation.
struct SimulatedLoad {
  enum Source {
    case process(ArrivalProcess, seed: UInt64)
    case trace(ArrivalTrace)
  }

  var source: Source
  /// How they arrive, for people.
  var name: String
  /// Requests a second; nil: it is looked for.
  var rate: Double?
  var count: Int

  func schedule(rate: Double) -> ArrivalSchedule {
    switch source {
    case .process(let process, let seed): ArrivalSchedule(process, rate: rate, seed: seed)
    case .trace(let trace): ArrivalSchedule(trace)
    }
  }
}

/// Runs simulations: one, or as many as a search takes.
struct CapacityPlanning {
  /// Beyond so many nobody looks.
  private static let mostServers = 100_000
  private static let mostInstances = 1024

  var plan: FleetPlan
  var load: SimulatedLoad
  var objectives: [LatencyObjective]

  /// What was found: the plan, the rate, and what came of it.
  struct Outcome {
    var plan: FleetPlan
    var load: SimulatedLoad
    var rate: Double
    var result: SimulationResult
    var objectives: [LatencyObjective]
    var search: ObjectiveOptions.Search?
    /// Of a search: whether anything keeps the bounds.
    var isFound: Bool
  }

  func outcome(_ search: ObjectiveOptions.Search?) -> Outcome {
    var found = plan
    var rate = load.rate ?? 0
    var isFound = true
    switch search {
    case nil: break
    case .servers: isFound = grow(\.servers, of: &found, upTo: CapacityPlanning.mostServers, rate: rate)
    case .instances: isFound = grow(\.instances, of: &found, upTo: CapacityPlanning.mostInstances, rate: rate)
    case .rate:
      let highest = CapacitySearch.highestRate(capacity: plan.capacity) { keepsAll(run(plan, rate: $0)) }
      isFound = highest != nil
      rate = highest ?? plan.capacity / 1000
    }
    return Outcome(
      plan: found, load: load, rate: rate, result: run(found, rate: rate), objectives: objectives, search: search,
      isFound: isFound)
  }

  /// Gives a plan the least of something that keeps the bounds.
  ///
  /// - Returns: Whether any number does.
  private func grow(
    _ number: WritableKeyPath<FleetPlan, Int>, of plan: inout FleetPlan, upTo most: Int, rate: Double
  ) -> Bool {
    var tried = plan
    let found = CapacitySearch.least(upTo: most) { count in
      tried[keyPath: number] = count
      // Far too few would only build up a queue.
      return tried.capacity >= rate * 0.8 && keepsAll(run(tried, rate: rate))
    }
    plan[keyPath: number] = found ?? most
    return found != nil
  }

  private func run(_ plan: FleetPlan, rate: Double) -> SimulationResult {
    FleetSimulation.run(plan, load.schedule(rate: rate), count: load.count)
  }

  private func keepsAll(_ result: SimulationResult) -> Bool { objectives.allSatisfy { $0.isKept(by: result) } }
}

extension CapacityPlanning.Outcome {
  private static let percentiles = [50, 90, 95, 99, 99.9]

  var readable: String {
    var lines: [String] = []
    if search != nil { lines += [verdict, ""] }
    lines.append(
      "\(counted(plan.servers, "server")) with \(counted(plan.instances, "instance")): \(number(rate)) requests a second, "
        + "\(load.name); \(result.requests) requests")
    let best = plan.cost.bestRate(maxRows: plan.policy.maxBatchRows)
    lines.append(
      "capacity \(number(plan.capacity)) requests a second, in batches of \(best.rows) rows: "
        + "\(number(100 * rate / plan.capacity)) % of it")
    var table = TextTable(["P50", "P90", "P95", "P99", "P99.9", "MEAN", "ANSWERED/S", "LATE", "REFUSED", "BATCH", "BUSY", "WAITING"])
    table.append(
      Self.percentiles.map { milliseconds(result.latency(percentile: $0).map { Double($0) }) }
        + [
          milliseconds(result.meanNanoseconds), number(result.goodput), "\(result.late)", "\(result.refused)",
          String(format: "%.2f", result.averageBatch), "\(number(100 * result.utilisation)) %", "\(result.mostWaiting)",
        ])
    return (lines + ["", table.text]).joined(separator: "\n")
  }

  private var verdict: String {
    let bounds = objectives.map { "p\(plain($0.percentile)) of \(plain(Double($0.nanoseconds) / 1e6)) ms" }.joined(separator: ", ")
    switch search {
    case .servers where isFound: return "\(counted(plan.servers, "server")) of \(counted(plan.instances, "instance")) for a \(bounds)"
    case .instances where isFound: return "\(counted(plan.instances, "instance")) in each of \(counted(plan.servers, "server")) for a \(bounds)"
    case .rate where isFound: return "\(number(rate)) requests a second with a \(bounds)"
    case .rate: return "no rate keeps a \(bounds): a batch of \(counted(plan.rows, "row")) takes \(milliseconds(plan.cost.nanoseconds(rows: plan.rows)))"
    default:
      return "not even \(search == .servers ? counted(plan.servers, "server") : counted(plan.instances, "instance")) keep a \(bounds): a batch of "
        + "\(counted(plan.rows, "row")) takes \(milliseconds(plan.cost.nanoseconds(rows: plan.rows)))"
    }
  }

  var json: JSONValue {
    var latencies: [String: JSONValue] = [:]
    for percentile in Self.percentiles {
      latencies["p\(plain(percentile))"] = result.latency(percentile: percentile).map { .double(Double($0) / 1e6) } ?? .null
    }
    latencies["mean"] = result.meanNanoseconds.map { .double($0 / 1e6) } ?? .null
    return .object([
      "found": .bool(isFound), "servers": .int(Int64(plan.servers)), "instances": .int(Int64(plan.instances)),
      "rate_per_second": .double(rate), "capacity_per_second": .double(plan.capacity), "requests": .int(Int64(result.requests)),
      "answered": .int(Int64(result.answered)), "late": .int(Int64(result.late)), "refused": .int(Int64(result.refused)),
      "goodput_per_second": .double(result.goodput), "latency_ms": .object(latencies),
      "average_batch": .double(result.averageBatch), "utilisation": .double(result.utilisation),
      "most_waiting": .int(Int64(result.mostWaiting)),
      "cost": .array(
        plan.cost.points.map { .object(["rows": .int(Int64($0.rows)), "milliseconds": .double($0.nanoseconds / 1e6), "runs": .double($0.weight)]) }),
    ])
  }

  private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
  private func number(_ value: Double) -> String { String(format: value >= 100 ? "%.0f" : "%.1f", value) }
  private func plain(_ value: Double) -> String { String(format: "%g", value) }
  private func milliseconds(_ nanoseconds: Double?) -> String { nanoseconds.map { String(format: "%.2f ms", $0 / 1e6) } ?? "-" }
}
