internal import ArgumentParser
internal import Documents

/// What the server's machine has, and what of it is taken.
struct ComputeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compute", abstract: "See the instance types, and what of the machine is free.", discussion: """
      EXAMPLES:
        apus compute list -o table
        apus compute list-usage --query free
      """,
    subcommands: [List.self, ListUsage.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the instance types that the operator has declared.")
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let computes = try await client.list("/computes").map { Flattened.document($0) }
          try output.show(
            .array(computes),
            columns: [
              TableColumn("name", "name"), TableColumn("cores", "cores"), TableColumn("memory", ComputeCommand.memory),
              TableColumn("gpus", "gpus"), TableColumn("default") { $0["is_default"] == true ? "yes" : "" },
            ])
        }
      }
    }
  }

  struct ListUsage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list-usage", abstract: "Show what the machine has, what is free, and which deployment holds how much.",
      discussion: "A table has a row for each deployment; the other forms have all there is.")
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          var usage = Flattened.document(try await client.send(.get, "/computes").body).object ?? .init()
          usage["value"] = nil
          if output.isTable {
            output.say("free: \(ComputeCommand.text(usage["free"])) of \(ComputeCommand.text(usage["total"]))")
            return try output.show(
              usage["reservations"] ?? [],
              columns: [
                TableColumn("deployment", "deployment"), TableColumn("instance type", "instance_type"),
                TableColumn("instances", "count"), TableColumn("cores", "resources.cores"),
                TableColumn("memory") { ComputeCommand.memory($0["resources"] ?? .null) },
                TableColumn("gpus", "resources.gpus"),
              ])
          }
          try output.show(.object(usage))
        }
      }
    }
  }

  @Sendable private static func memory(_ resources: Document) -> String {
    resources["memory_bytes"]?.int.map { ByteText.size(Int64($0)) } ?? ""
  }

  private static func text(_ resources: Document?) -> String {
    "\(ResourceTable.cell(resources?["cores"] ?? 0)) cores, \(memory(resources ?? .null)), \(resources?["gpus"]?.int ?? 0) GPUs"
  }
}
