internal import ArgumentParser
internal import Documents
internal import Resources

struct ShowDeployment: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show a deployment.",
    discussion: "The exit status is 3 if there is none.")

  @OptionGroup var deployment: DeploymentName
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let owner = try deployment.endpoint.name(in: session)
      try await ControlClient.with(session) { client in
        let answer = try await client.send(.get, ResourcePath.deployment(deployment.name, of: owner))
        try output.show(
          ServedResource<OnlineDeployment>.shown(answer.body, names: [owner, deployment.name]),
          columns: ServedResource<OnlineDeployment>.columns)
      }
    }
  }
}

struct ListDeployments: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List an endpoint's deployments.")

  @OptionGroup var endpoint: EndpointOption
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let owner = try endpoint.name(in: session)
      try await ControlClient.with(session) { client in
        let deployments = try await client.list(ResourcePath.deployments(of: owner)).map { deployment in
          ServedResource<OnlineDeployment>.shown(deployment, names: [owner, deployment["name"]?.string ?? ""])
        }
        try output.show(.array(deployments), columns: ServedResource<OnlineDeployment>.columns)
      }
    }
  }
}

struct DeleteDeployment: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a deployment that has no traffic.")

  @OptionGroup var deployment: DeploymentName
  @OptionGroup var confirmation: ConfirmationOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let owner = try deployment.endpoint.name(in: session)
      guard try confirmation.confirm("Delete deployment \(deployment.name) of \(owner)?") else { throw ExitStatus.failed }
      try await ControlClient.with(session) { client in
        let operation = LongOperation(
          client: client, subject: "deployment \(deployment.name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
        let answer = try await operation.run(.delete, ResourcePath.deployment(deployment.name, of: owner))
        if answer.status == 204 { output.say("deployment '\(deployment.name)' was not there") }
      }
    }
  }
}

/// Prints what a deployment's instances had to say.
struct GetLogs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get-logs", abstract: "Print a deployment's latest log lines.",
    discussion: "The lines are printed as they are; with --output or --query they are one JSON string.")

  enum Container: String, CaseIterable, ExpressibleByArgument {
    case inferenceServer = "inference-server"
    case storageInitializer = "storage-initializer"

    var rest: Document { self == .inferenceServer ? "InferenceServer" : "StorageInitializer" }
  }

  @OptionGroup var deployment: DeploymentName

  @Option(name: [.customShort("l"), .long], help: ArgumentHelp("At most so many, the latest.", valueName: "n"))
  var lines = 5000

  @Option(
    name: [.customShort("c"), .long],
    help: ArgumentHelp("inference-server: what it does; storage-initializer: how its files came.", valueName: "which"))
  var container = Container.inferenceServer

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    if lines < 1 { throw ValidationError("--lines is 1 or more") }
  }

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let owner = try deployment.endpoint.name(in: session)
      try await ControlClient.with(session) { client in
        let answer = try await client.send(
          .post, "\(ResourcePath.deployment(deployment.name, of: owner))/getLogs",
          body: ["containerType": container.rest, "tail": .int(lines)])
        let content = answer.body["content"]?.string ?? ""
        if output.output != nil || output.query != nil { return try output.show(.string(content)) }
        if !content.isEmpty { print(content, terminator: content.hasSuffix("\n") ? "" : "\n") }
      }
    }
  }
}
