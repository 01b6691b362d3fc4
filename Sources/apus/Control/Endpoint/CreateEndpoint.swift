internal import ArgumentParser
internal import Documents
internal import Resources

/// Makes an endpoint that is not there yet.
struct CreateEndpoint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Create an endpoint.",
    discussion: """
      Fails if the endpoint is there; with --exist-ok it is left as it is and printed, so that a pipeline may run again \
      and again; the exit status is 1 then unless its state is Succeeded, or comes to be. Options override the file.

      EXAMPLES:
        apus endpoint create -f endpoint.yml
        apus endpoint create -n churn --auth-mode aad_token
        apus endpoint create -n churn --exist-ok --only-show-errors -o none
      """)

  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name; overrides the file's.", valueName: "name"))
  var name: String?

  @Option(help: ArgumentHelp("key, aml_token or aad_token; overrides the file's.", valueName: "mode"))
  var authMode: String?

  @Flag(help: "Leave an endpoint that is there as it is.")
  var existOk = false

  @OptionGroup var browser: WebOption
  @OptionGroup var file: FileOptions
  @OptionGroup var edits: EditOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      if !output.onlyShowErrors { browser.warn() }
      let endpoint = try described()
      let path = ResourcePath.endpoint(endpoint.name)
      try await ControlClient.with(try await server.session()) { client in
        let operation = LongOperation(
          client: client, subject: "endpoint \(endpoint.name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
        if let present = try await client.find(path) {
          guard existOk else {
            throw ControlError(
              status: 409, code: "AlreadyExists",
              message: "endpoint \(endpoint.name) is there already; change it with update, or say --exist-ok")
          }
          return try show(try await operation.settled(present, at: path).body, endpoint.name)
        }
        let answer = try await operation.run(.put, path, body: endpoint.rest(), headers: ["if-none-match": "*"])
        try show(wait.noWait ? answer.body : try await client.send(.get, path).body, endpoint.name)
      }
    }
  }

  private func described() throws -> OnlineEndpoint {
    var source = try file.read()
    if let name { try source.apply(.set(DocumentPath([.key("name")]), .string(name))) }
    if let authMode { try source.apply(.set(DocumentPath([.key("auth_mode")]), .string(authMode))) }
    try edits.apply(to: &source)
    return try Findings.resource(
      OnlineEndpoint.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
  }

  private func show(_ rest: Document, _ name: String) throws {
    if rest == .null { return }
    try output.show(ServedResource.shownEndpoint(rest, named: name), columns: ServedResource<OnlineEndpoint>.columns)
  }
}
