internal import ArgumentParser
internal import Documents

/// Which assets are to be listed.
struct ListAssetOptions: ParsableArguments {
  @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its versions, in place of all names.", valueName: "name"))
  var name: String?

  @Option(name: [.customShort("r"), .long], help: ArgumentHelp("At most so many.", valueName: "n"))
  var maxResults: Int?

  @Flag(help: "Archived ones too.")
  var includeArchived = false

  @Flag(help: "Archived ones only.")
  var archivedOnly = false

  func validate() throws {
    if let maxResults, maxResults < 1 { throw ValidationError("--max-results is 1 or more") }
    if includeArchived, archivedOnly { throw ValidationError("--include-archived and --archived-only exclude each other") }
  }
}

/// Lists the names of a kind of asset, or the versions of one name.
struct ListAssets<Value: Asset> {
  let options: ListAssetOptions
  let output: OutputOptions
  let server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        let path = options.name.map { ResourcePath.versions(Value.kind, $0) } ?? ResourcePath.assets(Value.kind)
        let view = options.archivedOnly ? "ArchivedOnly" : options.includeArchived ? "All" : "ActiveOnly"
        let found = try await client.list(path, query: ["listViewType": view]).filter { asset in
          options.name == nil || !options.archivedOnly || asset["properties"]?["isArchived"] == true
        }
        let shown = found.prefix(options.maxResults ?? .max).map { asset in
          guard let name = options.name else { return ListAssets.container(asset) }
          return ServedResource<Value>.shown(asset, names: [name, asset["name"]?.string ?? ""])
        }
        try output.show(
          .array(shown), columns: options.name == nil ? AssetVerbs<Value>.listColumns : AssetVerbs<Value>.columns)
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
struct ShowAsset<Value: Asset> {
  let asset: LabelledAssetName
  let output: OutputOptions
  let server: ServerOptions

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

/// Takes an asset out of lists, or puts it back.
struct ArchiveAsset<Value: Asset> {
  let asset: AssetName
  let isArchived: Bool
  let server: ServerOptions

  func run() async throws {
    try await ExitStatus.report {
      try await ControlClient.with(try await server.session()) { client in
        try await AssetVerbs<Value>(client: client, isQuiet: false).setArchived(isArchived, asset.name, asset.version)
      }
    }
  }
}
