internal import ArgumentParser
internal import Documents

/// Changes that take their time, by the name that --no-wait prints.
struct OperationCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operation", abstract: "Look at a change that was begun with --no-wait, or wait for it.",
    subcommands: [Show.self, Wait.self])

  private static let columns = [
    TableColumn("name", "name"), TableColumn("kind", "kind"), TableColumn("resource", "resource"),
    TableColumn("status", "status"), TableColumn("percent", "percentComplete"), TableColumn("message", "message"),
  ]

  static func path(_ name: String) -> String { "/operations/\(Session.escaped(name))" }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how far a change is.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The operation.", valueName: "name"))
    var name: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          try output.show(try await client.send(.get, path(name)).body, columns: columns)
        }
      }
    }
  }

  struct Wait: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Wait until a change is made; the exit status is 1 if it fails.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The operation.", valueName: "name"))
    var name: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        try await ControlClient.with(session) { client in
          try await LongOperation(
            client: client, subject: "operation \(name)", noWait: false, isQuiet: output.onlyShowErrors
          ).wait(at: session.base + path(name))
          try output.show(try await client.send(.get, path(name)).body, columns: columns)
        }
      }
    }
  }
}
