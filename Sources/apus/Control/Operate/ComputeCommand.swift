internal import ArgumentParser
internal import Documents

/// What the server's machine has, and what of it is taken.
struct ComputeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compute", abstract: "See the instance types, and what of the machine is free.", subcommands: [List.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the instance types that the operator has declared.")
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let computes = try await client.list("/computes").map { Flattened.document($0) }
          try output.show(.array(computes))
        }
      }
    }
  }
}
