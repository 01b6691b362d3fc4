internal import ArgumentParser

struct CompareLoadsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Say what changed between two load tests, beyond noise.")
  func run() throws {}
}
