internal import ArgumentParser
internal import Documents

// The verbs that are the same for models and environments, but for the word.

/// Lists the names of a kind of asset, or the versions of one name.
struct ListAssets<Value: Asset>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "list", abstract: "List the \(Value.word)s, or the versions of one.")
  }

  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its versions, in place of all names.", valueName: "name"))
  var name: String?

  @Option(name: [.customShort("r"), .long], help: ArgumentHelp("At most so many.", valueName: "n"))
  var maxResults: Int?

  @Flag(help: "Archived ones too.")
  var includeArchived = false

  @Flag(help: "Archived ones only.")
  var archivedOnly = false

  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func validate() throws {
    if let maxResults, maxResults < 1 { throw ValidationError("--max-results is 1 or more") }
    if includeArchived, archivedOnly { throw ValidationError("--include-archived and --archived-only exclude each other") }
  }

  func run() async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        let path = name.map { ResourcePath.versions(Value.kind, $0) } ?? ResourcePath.assets(Value.kind)
        let view = archivedOnly ? "ArchivedOnly" : includeArchived ? "All" : "ActiveOnly"
        let found = try await client.list(path, query: ["listViewType": view]).filter { asset in
          name == nil || !archivedOnly || asset["properties"]?["isArchived"] == true
        }
        let shown = found.prefix(maxResults ?? .max).map { asset in
          guard let name else { return ListAssets.container(asset) }
          return ServedResource<Value>.shown(asset, names: [name, asset["name"]?.string ?? ""])
        }
        try output.show(
          .array(shown), columns: name == nil ? AssetVerbs<Value>.listColumns : AssetVerbs<Value>.columns)
      }
    }
  }

  /// A name with what is known of all its versions.
  private static func container(_ rest: Document) -> Document {
    var made: Document.Object = ["name": rest["name"] ?? .null]
    for (key, value) in rest["properties"]?.object ?? .init() { made[SnakeCase.name(of: key)] = value }
    return .object(made)
  }
}

/// Shows one version.
struct ShowAsset<Value: Asset>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "show", abstract: "Show a version of a registered \(Value.word), the latest by default.")
  }

  @OptionGroup var asset: LabelledAssetName
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        let verbs = AssetVerbs<Value>(client: client, isQuiet: output.onlyShowErrors)
        let name = asset.asset.name
        let version = try await verbs.version(asset.asset.version, of: name)
        let answer = try await client.send(.get, ResourcePath.version(Value.kind, name, version))
        try output.show(try verbs.shown(answer.body, name, version), columns: AssetVerbs<Value>.columns)
      }
    }
  }
}

/// Takes one version away for good.
struct DeleteAsset<Value: Asset>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "delete", abstract: "Delete a version of a registered \(Value.word) that no deployment uses.",
      discussion: "What is in use is refused (exit status 1). 'archive' hides a version and keeps it.")
  }

  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name.", valueName: "name"))
  var name: String

  @Option(name: [.customShort("v"), .long], help: ArgumentHelp("Its version.", valueName: "version"))
  var version: String

  @OptionGroup var confirmation: ConfirmationOptions
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      guard try confirmation.confirm("Delete version \(version) of \(Value.word) \(name)?") else { throw ExitStatus.failed }
      try await ControlClient.with(session) { client in
        let answer = try await client.send(.delete, ResourcePath.version(Value.kind, name, version))
        if answer.status == 204 { output.say("\(Value.word) '\(name):\(version)' was not there") }
      }
    }
  }
}

/// Takes an asset out of lists.
struct ArchiveAsset<Value: Asset>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "archive",
      abstract: "Hide a registered \(Value.word), or one version of it, from lists; what uses it goes on.")
  }

  @OptionGroup var asset: AssetName
  @OptionGroup var server: ServerOptions

  func run() async throws { try await asset.setArchived(true, Value.self, at: server) }
}

/// Puts an archived asset back.
struct RestoreAsset<Value: Asset>: AsyncParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "restore", abstract: "Show an archived \(Value.word), or one version of it, in lists again.")
  }

  @OptionGroup var asset: AssetName
  @OptionGroup var server: ServerOptions

  func run() async throws { try await asset.setArchived(false, Value.self, at: server) }
}

extension AssetName {
  fileprivate func setArchived<Value: Asset>(_ isArchived: Bool, _: Value.Type, at server: ServerOptions) async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        try await AssetVerbs<Value>(client: client, isQuiet: false).setArchived(isArchived, name, version)
      }
    }
  }
}
