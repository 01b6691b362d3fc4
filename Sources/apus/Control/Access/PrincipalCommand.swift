internal import ArgumentParser
internal import Documents

/// People and programs that this server knows by a secret of its own.
struct PrincipalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "principal", abstract: "People and programs that the server itself knows by a secret.",
    discussion: """
      A secret is printed once, when it is made. A principal may do nothing until it has a role.

      EXAMPLES:
        apus principal create -n ci --query secret -o tsv
        apus role assignment create --assignee local:ci --role "Endpoint Operator"
        apus principal rotate-secret -n ci
      """,
    subcommands: [Create.self, List.self, Delete.self, RotateSecret.self])

  static let columns = [
    TableColumn("name", "name"), TableColumn("principal", "principal_id"), TableColumn("type", "principal_type"),
    TableColumn("secret", "secret"),
  ]

  enum Kind: String, CaseIterable, ExpressibleByArgument {
    case user = "User"
    case servicePrincipal = "ServicePrincipal"
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make a principal, and print its secret this once.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name.", valueName: "name"))
    var name: String

    @Option(help: ArgumentHelp("User or ServicePrincipal.", valueName: "type"))
    var type = Kind.servicePrincipal

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let made = try await client.send(
            .put, "/principals/\(Session.escaped(name))", body: ["properties": ["principalType": .string(type.rawValue)]],
            headers: ["if-none-match": "*"])
          try output.show(Flattened.document(made.body), columns: columns)
          output.say("The secret is shown this once. A new one: apus principal rotate-secret -n \(name)")
        }
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the principals.")
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let principals = try await client.list("/principals").map { Flattened.document($0) }
          try output.show(.array(principals), columns: Array(columns.dropLast()))
        }
      }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Delete a principal with its secrets and roles.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The principal.", valueName: "name"))
    var name: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        guard try confirmation.confirm("Delete principal \(name) with its roles?") else { throw ExitStatus.failed }
        try await ControlClient.with(session) { client in
          _ = try await client.send(.delete, "/principals/\(Session.escaped(name))")
        }
      }
    }
  }

  struct RotateSecret: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rotate-secret", abstract: "Make a new secret in place of the old ones, and print it this once.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The principal.", valueName: "name"))
    var name: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let made = try await client.send(
            .post, "/principals/\(Session.escaped(name))/rotateSecret", body: .object(.init()))
          try output.show(Flattened.document(made.body), columns: columns)
        }
      }
    }
  }
}
