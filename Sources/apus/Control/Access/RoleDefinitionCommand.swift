internal import ArgumentParser
internal import Documents

/// What roles allow.
struct RoleDefinitionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "definition", abstract: "What each role allows.",
    discussion: """
      EXAMPLES:
        apus role definition list -o table
        apus role definition create --name "Traffic Warden" --actions onlineEndpoints/read onlineEndpoints/write
      """,
    subcommands: [List.self, Show.self, Create.self, Delete.self])

  static let columns = [
    TableColumn("name", "name"), TableColumn("type", "type"),
    TableColumn("actions") { RoleDefinitionCommand.patterns($0, "actions") },
    TableColumn("not") { RoleDefinitionCommand.patterns($0, "not_actions") },
  ]

  private static func patterns(_ role: Document, _ key: String) -> String {
    let prefix = "Microsoft.MachineLearningServices/workspaces/"
    return (role["permissions"]?[0]?[key]?.array ?? []).compactMap(\.string).map { $0.replacing(prefix, with: "") }
      .joined(separator: " ")
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the roles, built in and one's own.")
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let roles = try await client.list("/roleDefinitions").map { Flattened.document($0) }
          try output.show(.array(roles), columns: columns)
        }
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what a role allows.")
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The role.", valueName: "name"))
    var name: String
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let role = try await client.send(.get, "/roleDefinitions/\(Session.escaped(name))").body
          try output.show(Flattened.document(role), columns: columns)
        }
      }
    }
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Define a role, or define it anew.")
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name.", valueName: "name"))
    var name: String
    @Option(parsing: .upToNextOption, help: ArgumentHelp("What it allows; * stands for anything.", valueName: "actions"))
    var actions: [String]
    @Option(parsing: .upToNextOption, help: ArgumentHelp("What of that it does not allow.", valueName: "actions"))
    var notActions: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let permissions: Document = [
            ["actions": .array(actions.map { .string($0) }), "notActions": .array(notActions.map { .string($0) })]
          ]
          let role = try await client.send(
            .put, "/roleDefinitions/\(Session.escaped(name))",
            body: ["properties": ["roleName": .string(name), "permissions": permissions]])
          try output.show(Flattened.document(role.body), columns: columns)
        }
      }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete a role of one's own that nobody has.")
    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The role.", valueName: "name"))
    var name: String
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        guard try confirmation.confirm("Delete role \(name)?") else { throw ExitStatus.failed }
        try await ControlClient.with(session) { client in
          _ = try await client.send(.delete, "/roleDefinitions/\(Session.escaped(name))")
        }
      }
    }
  }
}
