internal import ArgumentParser
internal import Documents

/// What was changed in the control plane, when and by whom.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit", abstract: "Look at what was changed, when and by whom.", subcommands: [List.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the latest changes, the newest first.")

    @Option(help: ArgumentHelp("At most so many, 1 to 1000.", valueName: "n"))
    var count = 100

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if !(1...1000).contains(count) { throw ValidationError("--count is 1 to 1000") }
    }

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let entries = try await client.list("/auditLog", query: ["count": "\(count)"])
          try output.show(
            .array(entries),
            columns: [
              TableColumn("time", "time"), TableColumn("principal", "principal"), TableColumn("action", "action"),
              TableColumn("resource", "resource"), TableColumn("summary", "summary"),
            ])
        }
      }
    }
  }
}
