internal import ArgumentParser
internal import Documents
internal import Resources

/// Changes an endpoint that is there: most of all, its traffic.
struct UpdateEndpoint: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update", abstract: "Change an endpoint.",
    discussion: """
      What neither the file nor an option names stays as it is. If somebody else changes the endpoint at the same \
      time, one of the two wins and the other is told (exit status 1).

      EXAMPLES:
        apus endpoint update -n churn --traffic "blue=90 green=10"
        apus endpoint update -n churn --mirror-traffic "green=20"
        apus endpoint update -n churn --set tags.team=risk --remove tags.owner
      """)

  @OptionGroup var endpoint: EndpointName

  @Option(
    name: [.customShort("r"), .long],
    help: ArgumentHelp("Percent for each deployment, 0 or 100 in all: \"blue=90 green=10\".", valueName: "shares"))
  var traffic: String?

  @Option(help: ArgumentHelp("Percent of copies for one deployment, 0 to 50: \"green=10\".", valueName: "share"))
  var mirrorTraffic: String?

  @OptionGroup var browser: WebOption
  @OptionGroup var file: FileOptions
  @OptionGroup var edits: EditOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      if !output.onlyShowErrors { browser.warn() }
      let written = try file.read()
      let session = try await server.session()
      let name = try endpoint.name ?? written.root["name"]?.string ?? endpoint.resolved(in: session)
      let changes = try changes(in: written)
      if changes.object?.isEmpty != false, edits.isEmpty { throw UsageError("nothing to change: give --file, --traffic, --set …") }
      try await ControlClient.with(session) { client in
        let path = ResourcePath.endpoint(name)
        let present = try await client.send(.get, path)
        var source = SourceDocument(try ServedResource.endpoint(present.body, named: name).value.cliForm())
        for (key, value) in changes.object ?? .init() { try source.apply(.set(DocumentPath([.key(key)]), value)) }
        try edits.apply(to: &source)
        let changed = try Findings.resource(
          OnlineEndpoint.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
        guard changed.name == name else { throw UsageError("name: an endpoint can't be renamed; it is '\(name)', not '\(changed.name)'") }
        let operation = LongOperation(
          client: client, subject: "endpoint \(name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
        let answer = try await operation.run(.put, path, body: changed.rest(), headers: present.unchangedSince)
        let shown = wait.noWait ? answer.body : try await client.send(.get, path).body
        if shown == .null { return }
        try output.show(
          ServedResource.shownEndpoint(shown, named: name), columns: ServedResource<OnlineEndpoint>.columns)
      }
    }
  }

  private func changes(in written: SourceDocument) throws(UsageError) -> Document {
    var changes = written.root.object ?? .init()
    changes["$schema"] = nil
    if let traffic { changes["traffic"] = try Shares.parse(traffic, of: "--traffic") }
    if let mirrorTraffic { changes["mirror_traffic"] = try Shares.parse(mirrorTraffic, of: "--mirror-traffic") }
    return .object(changes)
  }
}
