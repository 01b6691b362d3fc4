internal import ArgumentParser
internal import Documents
internal import Resources

/// Prints what callers of an endpoint show: its keys, or a token.
struct GetCredentials: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get-credentials", abstract: "Print an endpoint's keys, or a token for it.",
    discussion: """
      Of an endpoint in mode key: primaryKey and secondaryKey. In mode aml_token: accessToken and when it ends. In mode \
      aad_token nothing is issued here: callers show the token of their own issuer.

      EXAMPLES:
        apus endpoint get-credentials -n churn
        KEY=$(apus endpoint get-credentials -n churn --query primaryKey -o tsv)
      """)

  @OptionGroup var endpoint: EndpointName
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      try await ControlClient.with(session) { client in
        let path = ResourcePath.endpoint(name)
        let mode = try ServedResource.endpoint(try await client.send(.get, path).body, named: name).value.authMode
        switch mode {
        case .key: try output.show(try await client.send(.post, "\(path)/listKeys").body)
        case .amlToken: try output.show(try await client.send(.post, "\(path)/token").body)
        case .aadToken:
          throw UsageError("endpoint \(name) is in mode aad_token: callers show the token of their own issuer")
        }
      }
    }
  }
}

struct GetToken: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get-token", abstract: "Print a token for an endpoint in mode aml_token, and when it ends.")

  @OptionGroup var endpoint: EndpointName
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      try await ControlClient.with(session) { client in
        try output.show(try await client.send(.post, "\(ResourcePath.endpoint(name))/token").body)
      }
    }
  }
}

/// Makes one of the two keys anew; the other one stays, so that callers can change over without a gap.
struct RegenerateKeys: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "regenerate-keys", abstract: "Make an endpoint's primary or secondary key anew.")

  enum KeyType: String, CaseIterable, ExpressibleByArgument { case primary, secondary }

  @OptionGroup var endpoint: EndpointName

  @Option(help: ArgumentHelp("primary or secondary.", valueName: "which"))
  var keyType = KeyType.primary

  @OptionGroup var confirmation: ConfirmationOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.resolved(in: session)
      guard try confirmation.confirm("Callers with the \(keyType.rawValue) key of \(name) will be refused. Go on?") else {
        throw ExitStatus.failed
      }
      try await ControlClient.with(session) { client in
        let path = ResourcePath.endpoint(name)
        let operation = LongOperation(
          client: client, subject: "\(keyType.rawValue) key of \(name)", noWait: wait.noWait,
          isQuiet: output.onlyShowErrors)
        let type: Document = keyType == .primary ? "Primary" : "Secondary"
        try await operation.run(.post, "\(path)/regenerateKeys", body: ["keyType": type])
        if !wait.noWait { try output.show(try await client.send(.post, "\(path)/listKeys").body) }
      }
    }
  }
}
