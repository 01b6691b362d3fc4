internal import ArgumentParser
internal import Documents
internal import Foundation
internal import Resources

/// Registered environments: what a model's code needs around it.
struct EnvironmentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "environment",
    abstract: "Register and list environments.",
    discussion: """
      EXAMPLES:
        apus environment create -f environment.yml
        apus environment list -o table
      """,
    subcommands: [
      Create.self, Update.self, ShowAsset<EnvironmentVersion>.self, ListAssets<EnvironmentVersion>.self,
      DeleteAsset<EnvironmentVersion>.self, ArchiveAsset<EnvironmentVersion>.self, RestoreAsset<EnvironmentVersion>.self,
    ])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Register a version of an environment.",
      discussion: "Without a version, the next number is taken. A conda file is sent with it.")

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name; overrides the file's.", valueName: "name"))
    var name: String?

    @Option(name: [.customShort("v"), .long], help: ArgumentHelp("Its version; overrides the file's.", valueName: "version"))
    var version: String?

    @Option(name: [.customShort("i"), .long], help: ArgumentHelp("The image; kept as written.", valueName: "image"))
    var image: String?

    @Option(name: [.customShort("c"), .long], help: ArgumentHelp("The conda file that says which packages.", valueName: "file"))
    var condaFile: String?

    @Option(name: [.customShort("b"), .long], help: ArgumentHelp("The folder of an image's recipe; kept as written.", valueName: "folder"))
    var buildContext: String?

    @Option(name: [.customShort("d"), .long], help: ArgumentHelp("The recipe in that folder.", valueName: "path"))
    var dockerfilePath: String?

    @Option(help: ArgumentHelp("linux or windows.", valueName: "system"))
    var osType: String?

    @Option(help: ArgumentHelp("What is to be known about it.", valueName: "text"))
    var description: String?

    @Option(help: ArgumentHelp("Taken with a warning: there is one store here.", valueName: "name"))
    var datastore: String?

    @Flag(help: "Leave a version that is there as it is.")
    var existOk = false

    @OptionGroup var file: FileOptions
    @OptionGroup var edits: EditOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let environment = try described()
        try await ControlClient.with(try await server.session()) { client in
          let made = try await AssetVerbs<EnvironmentVersion>(client: client, isQuiet: output.onlyShowErrors)
            .create(environment, existOK: existOk) { environment in
              if case .path(let path) = environment.condaFile {
                environment.condaFile = .text(try NestedAssets.text(at: path))
              }
            }
          try output.show(made, columns: AssetVerbs<EnvironmentVersion>.columns)
        }
      }
    }

    private func described() throws -> EnvironmentVersion {
      var source = try file.read()
      func local(_ path: String?) -> String? {
        path.map { $0.hasPrefix("/") ? $0 : FileManager.default.currentDirectoryPath + "/" + $0 }
      }
      let given: [([String], String?)] = [
        (["name"], name), (["version"], version), (["image"], image), (["conda_file"], local(condaFile)),
        (["build", "path"], local(buildContext)), (["build", "dockerfile_path"], dockerfilePath), (["os_type"], osType),
        (["description"], description), (["datastore"], datastore),
      ]
      for (path, value) in given {
        guard let value else { continue }
        try source.apply(.set(DocumentPath(path.map { .key($0) }), .string(value)), addsParents: true)
      }
      try edits.apply(to: &source)
      return try Findings.resource(
        EnvironmentVersion.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
    }
  }

  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Change a version's description, tags or properties.")

    @OptionGroup var asset: LabelledAssetName
    @OptionGroup var edits: EditOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        if edits.isEmpty { throw UsageError("nothing to change: give --set, --add or --remove") }
        try await ControlClient.with(try await server.session()) { client in
          let verbs = AssetVerbs<EnvironmentVersion>(client: client, isQuiet: output.onlyShowErrors)
          let version = try await verbs.version(asset.asset.version, of: asset.asset.name)
          let changed = try await verbs.update(asset.asset.name, version) { try edits.apply(to: &$0) }
          try output.show(changed, columns: AssetVerbs<EnvironmentVersion>.columns)
        }
      }
    }
  }
}
