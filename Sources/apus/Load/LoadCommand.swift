internal import ArgumentParser

/// Load tests, and what they say beside each other.
struct LoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load",
    abstract: "Load-test a server, or compare two load tests.",
    discussion: """
      `apus load MODEL` is `apus load run MODEL`; docs/load-testing.md says what each mode measures.

      EXAMPLES:
        apus load magika --concurrency 16
        apus load magika --rate 100..2000 --steps 5 --html report.html
        apus load magika --find-rate --p99 15ms
        apus load small=3 large=1@2 --rate 500
        apus load compare before.json after.json
      """,
    subcommands: [RunLoadCommand.self, CompareLoadsCommand.self], defaultSubcommand: RunLoadCommand.self)
}
