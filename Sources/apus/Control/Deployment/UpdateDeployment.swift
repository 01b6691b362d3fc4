internal import ArgumentParser
internal import Documents
internal import Resources

/// Changes a deployment that is there; the server lets its instances take over one by one, so that no request is lost.
struct UpdateDeployment: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "update", abstract: "Change a deployment, without a gap in its service.",
    discussion: """
      What neither the file nor an option names stays as it is.

      EXAMPLES:
        apus deployment update -n blue -e churn --set instance_count=3
        apus deployment update -f blue.yml
      """)

  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("The deployment; else the file's.", valueName: "name"))
  var name: String?

  @OptionGroup var endpoint: EndpointOption
  @OptionGroup var foreign: ForeignOptions
  @OptionGroup var file: FileOptions
  @OptionGroup var edits: EditOptions
  @OptionGroup var wait: WaitOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      if !output.onlyShowErrors { foreign.warn() }
      let written = try file.read()
      if file.file == nil, edits.isEmpty { throw UsageError("nothing to change: give --file, --set, --add or --remove") }
      let session = try await server.session()
      guard let name = name ?? written.root["name"]?.string else { throw UsageError("give the deployment with --name") }
      let owner = try endpoint.endpointName ?? written.root["endpoint_name"]?.string ?? endpoint.name(in: session)
      try await ControlClient.with(session) { client in
        let path = ResourcePath.deployment(name, of: owner)
        let present = try await client.send(.get, path)
        let served = try ServedResource<OnlineDeployment>(present.body, names: [owner, name])
        let changed = try changed(served.value, by: written)
        guard changed.name == name, changed.endpointName == owner else {
          throw UsageError("a deployment keeps its name and its endpoint: it is '\(name)' of '\(owner)'")
        }
        let assets = NestedAssets(client: client, isQuiet: output.onlyShowErrors)
        let deployment = try await assets.registered(changed, headers: present.unchangedSince)
        let operation = LongOperation(
          client: client, subject: "deployment \(name)", noWait: wait.noWait, isQuiet: output.onlyShowErrors)
        let answer = try await operation.run(.put, path, body: deployment.rest(), headers: present.unchangedSince)
        let shown = wait.noWait ? answer.body : try await client.send(.get, path).body
        if shown == .null { return }
        try output.show(
          ServedResource<OnlineDeployment>.shown(shown, names: [owner, name]),
          columns: ServedResource<OnlineDeployment>.columns)
      }
    }
  }

  /// The file's keys take the place of those that are there; then come the edits.
  private func changed(_ present: OnlineDeployment, by written: SourceDocument) throws -> OnlineDeployment {
    var source = SourceDocument(present.cliForm(), lines: written.lines)
    for (key, value) in written.root.object ?? .init() where key != "$schema" {
      try source.root.apply(.set(DocumentPath([.key(key)]), value))
    }
    try edits.apply(to: &source)
    return try Findings.resource(
      OnlineDeployment.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
  }
}
