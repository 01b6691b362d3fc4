internal import ArgumentParser
internal import Documents

/// Who may do what.
struct RoleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "role", abstract: "Give roles to people and programs, and define new ones.",
    subcommands: [RoleAssignmentCommand.self, RoleDefinitionCommand.self])
}

/// Who has which role where.
struct RoleAssignmentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "assignment", abstract: "Give a role to somebody, or take it back.",
    discussion: """
      EXAMPLES:
        apus role assignment create --assignee local:ci --role "Endpoint Operator"
        apus role assignment create --assignee oidc:corp:risk-team --assignee-type Group \\
          --role Reader --scope endpoint/churn
        apus role assignment list -o table
      """,
    subcommands: [Create.self, List.self, Delete.self])

  static let columns = [
    TableColumn("name", "name"), TableColumn("principal", "principal_id"), TableColumn("type", "principal_type"),
    TableColumn("role", "role"), TableColumn("scope", "scope"),
  ]

  enum AssigneeType: String, CaseIterable, ExpressibleByArgument {
    case user = "User"
    case group = "Group"
    case servicePrincipal = "ServicePrincipal"
  }

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give a role to somebody.")

    @Option(help: ArgumentHelp("local:NAME, oidc:ISSUER:NAME or certificate:IDENTITY.", valueName: "principal"))
    var assignee: String

    @Option(help: ArgumentHelp("User, Group or ServicePrincipal.", valueName: "type"))
    var assigneeType: AssigneeType?

    @Option(help: ArgumentHelp("The role's name; see 'apus role definition list'.", valueName: "name"))
    var role: String

    @Option(help: ArgumentHelp("workspace, or endpoint/NAME.", valueName: "scope"))
    var scope = "workspace"

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The assignment's own name. (default: made from the rest)", valueName: "name"))
    var name: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          var properties: Document.Object = [
            "principalId": .string(assignee), "role": .string(role), "scope": .string(scope),
          ]
          if let assigneeType { properties["principalType"] = .string(assigneeType.rawValue) }
          let path = "/roleAssignments/\(Session.escaped(name ?? AssignmentName.made(assignee, role, scope)))"
          let answer = try await client.send(.put, path, body: ["properties": .object(properties)])
          try output.show(Flattened.document(answer.body), columns: columns)
        }
      }
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List who has which role where.")

    @Option(help: ArgumentHelp("Only of this principal.", valueName: "principal"))
    var assignee: String?

    @Option(help: ArgumentHelp("Only of this role.", valueName: "name"))
    var role: String?

    @Option(help: ArgumentHelp("Only at workspace, or endpoint/NAME.", valueName: "scope"))
    var scope: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let found = try await client.list("/roleAssignments").map { Flattened.document($0) }.filter { assignment in
            func fits(_ wanted: String?, _ key: String) -> Bool { wanted == nil || assignment[key]?.string == wanted }
            return fits(assignee, "principal_id") && fits(role, "role") && fits(scope, "scope")
          }
          try output.show(.array(found), columns: columns)
        }
      }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a role back.", discussion: "Give its name, or what it was created with.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The assignment.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("Whose role.", valueName: "principal"))
    var assignee: String?

    @Option(help: ArgumentHelp("Which role.", valueName: "name"))
    var role: String?

    @Option(help: ArgumentHelp("Where: workspace, or endpoint/NAME.", valueName: "scope"))
    var scope = "workspace"

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if name == nil, assignee == nil || role == nil { throw ValidationError("give --name, or --assignee and --role") }
    }

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        try await ControlClient.with(session) { client in
          var target = name
          if target == nil {
            target = try await client.list("/roleAssignments").first { assignment in
              let properties = assignment["properties"]
              return properties?["principalId"]?.string == assignee && properties?["role"]?.string == role
                && properties?["scope"]?.string == scope
            }?["name"]?.string
          }
          guard let target else {
            throw ControlError(status: 404, code: "ResourceNotFound", message: "\(assignee ?? "") has no role '\(role ?? "")' at \(scope)")
          }
          guard try confirmation.confirm("Take back assignment \(target)?") else { throw ExitStatus.failed }
          _ = try await client.send(.delete, "/roleAssignments/\(Session.escaped(target))")
        }
      }
    }
  }
}

/// The name of an assignment that was given none: the same assignment has the same name, so that creating it again
/// changes nothing.
enum AssignmentName {
  static func made(_ parts: String...) -> String {
    parts.map { part in String(part.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }) }
      .joined(separator: ".")
  }
}
