internal import ArgumentParser
internal import Foundation
internal import LoadTesting

/// Says what changed between two load tests.
struct CompareLoadsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Say what changed between two load tests, beyond noise.",
    discussion: """
      The files are those of `apus load run --json`. Their steps are compared in order, each metric by its values in the \
      windows: it changed if the Mann-Whitney test gives such ranks a chance under 1 % and the medians differ by more than \
      --threshold. Fewer than four windows tell nothing.
      """)

  @Argument(help: "The report before.")
  var before: String

  @Argument(help: "The report after.")
  var after: String

  @Option(help: ArgumentHelp("Smallest change of a median that counts.", valueName: "percent"))
  var threshold = 2.0

  @Flag(help: "End with 1 if anything got worse.")
  var failOnRegression = false

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if !(threshold >= 0) { throw ValidationError("--threshold is \(threshold); expected a percentage, 0 or more") }
  }

  func run() throws {
    try ExitStatus.report {
      let reports = try (SavedLoadReport(at: before), SavedLoadReport(at: after))
      let comparison = LoadComparison(
        before: reports.0, after: reports.1, comparison: Comparison(threshold: threshold / 100))
      for remark in comparison.remarks { ExitStatus.say(remark) }
      print(json ? try comparison.json.text() : comparison.readable)
      if failOnRegression, comparison.hasRegression { throw ExitStatus.failed }
    }
  }
}
