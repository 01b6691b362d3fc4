internal import ArgumentParser
internal import Documents
internal import Resources

struct ShowEndpoint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Show an endpoint.",
    discussion: "The exit status is 3 if there is none: 'show || create' makes what is missing.")

  @OptionGroup var endpoint: EndpointName
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      try await ControlClient.with(session) { client in
        let answer = try await client.send(.get, ResourcePath.endpoint(name))
        try output.show(
          ServedResource.shownEndpoint(answer.body, named: name), columns: ServedResource<OnlineEndpoint>.columns)
      }
    }
  }
}

struct ListEndpoints: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "List the endpoints.")

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        let endpoints = try await client.list(ResourcePath.endpoints).map { ServedResource.shownEndpoint($0) }
        try output.show(.array(endpoints), columns: ServedResource<OnlineEndpoint>.columns)
      }
    }
  }
}

/// Takes an endpoint away with all its deployments.
struct DeleteEndpoint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete an endpoint and its deployments.")

  @OptionGroup var endpoint: EndpointName
  @OptionGroup var confirmation: ConfirmationOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      guard try confirmation.confirm("Delete endpoint \(name) and all its deployments?") else { throw ExitStatus.failed }
      try await ControlClient.with(session) { client in
        let operation = LongOperation(
          client: client, subject: "endpoint \(name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
        let answer = try await operation.run(.delete, ResourcePath.endpoint(name))
        if answer.status == 204 { output.say("endpoint '\(name)' was not there") }
      }
    }
  }
}
