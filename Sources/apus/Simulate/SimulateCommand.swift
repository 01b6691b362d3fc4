internal import ApusClient
internal import Arrivals
internal import ArgumentParser
internal import Batching
internal import Foundation
internal import Inference
internal import Simulation

/// Predicts what servers will do with a load, by the server's own queue on virtual time.
struct SimulateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Predict latencies under a load, and how many servers it takes.",
    discussion: """
      The queue is the server's own code, and time is virtual: a million requests take a second or two. How long a \
      batch takes comes from --cost, or from what a server has measured of MODEL (Triton's servers tell it, too).

      With --find and a bound such as --p99 50ms it looks for the fewest servers or instances, or the highest rate, that \
      keep the bound. Requests that are refused or answered too late break it like slow ones.

      EXAMPLES:
        apus simulate --cost 1=3.2ms,8=12ms --rate 200
        apus simulate magika --rate 2000 --find servers --p99 50ms
        apus simulate magika --save-cost magika.csv --rate 100
        apus simulate --cost @magika.csv --trace arrivals.csv --instances 2 --deadline 200ms
        apus simulate --cost 1=8ms,32=20ms --rate 100000 --servers 2000 --balancing two-choices
      """)

  @Argument(help: "Takes the cost of a batch from what the server has measured of this model.")
  var model: String?

  @Option(help: ArgumentHelp("The cost of a batch: ROWS=TIME,…, such as 1=3.2ms,8=12ms; or @FILE.", valueName: "cost"))
  var cost: String?

  @Option(help: ArgumentHelp("Write the cost that was measured to a file, for --cost @FILE.", valueName: "file"))
  var saveCost: String?

  @Option(help: ArgumentHelp("How much single runs differ, in percent of their cost.", valueName: "percent"))
  var variation = 10.0

  @OptionGroup(title: "Load") var load: SimulatedLoadOptions
  @OptionGroup(title: "Servers") var fleet: SimulatedFleetOptions
  @OptionGroup(title: "Objective") var objective: ObjectiveOptions

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup(title: "Connection") var client: ClientOptions

  func validate() throws {
    if (model == nil) == (cost == nil) { throw ValidationError("give a MODEL to ask the server about, or --cost") }
    if saveCost != nil, model == nil { throw ValidationError("--save-cost saves what a server has measured: give a MODEL") }
    if !(0...1000).contains(variation) { throw ValidationError("--variation is \(variation): expected a percentage") }
    if objective.find == .rate, load.rate != nil || load.trace != nil {
      throw ValidationError("--find rate looks for the rate: leave out --rate and --trace")
    }
    if objective.find != .rate, (load.rate == nil) == (load.trace == nil) {
      throw ValidationError("give --rate or --trace")
    }
  }

  func run() async throws {
    try await ExitStatus.report {
      let curve = try await curve()
      if let saveCost {
        guard FileManager.default.createFile(atPath: saveCost, contents: Data(CostArgument.text(of: curve).utf8)) else {
          throw UsageError("can't write \(saveCost)")
        }
      }
      var plan = try fleet.plan(curve)
      plan.variation = variation / 100
      plan.seed = load.seed
      let planning = CapacityPlanning(plan: plan, load: try load.simulated(), objectives: objective.bounds)
      let outcome = planning.outcome(objective.find)
      print(json ? try outcome.json.text() : outcome.readable)
      if !outcome.isFound { throw ExitStatus.failed }
    }
  }

  private func curve() async throws -> CostCurve {
    if let cost { return try CostArgument.curve(cost) }
    let model = model ?? ""
    let found = try await client.makeClient().modelStatistics(model)
    // Of several versions the one that has run most.
    guard let busiest = found.max(by: { $0.executionCount < $1.executionCount }) else {
      throw UsageError("the server has no statistics of model '\(model)'")
    }
    return try CostArgument.curve(measured: busiest)
  }
}
