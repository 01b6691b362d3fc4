internal import ArgumentParser
internal import Documents
internal import Foundation
internal import Resources

/// Registered models: what deployments run, by name and version.
struct ModelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Register, list and download models.",
    discussion: """
      A version's content never changes. 'apus models' is about what is loaded; this is about what can be.

      EXAMPLES:
        apus model create -n churn --path model/ --type mlflow_model
        apus model create -f model.yml
        apus model list -o table
        apus model download -n churn -v 3 -p /tmp/churn
        apus model delete -n churn -v 2
      """,
    subcommands: [
      Create.self, Update.self, ShowAsset<ModelVersion>.self, ListAssets<ModelVersion>.self, Download.self,
      DeleteAsset<ModelVersion>.self, ArchiveAsset<ModelVersion>.self, RestoreAsset<ModelVersion>.self,
    ])

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Register a version of a model, with its files.",
      discussion: """
        The files are sent with their checksums. What the server has already is not sent again: an upload that was cut \
        off goes on where it stopped when the command is run again. Without a version, the next number is taken.

        EXAMPLES:
          apus model create -n churn --path model.onnx
          apus model create -n churn -v 4 --path model/ --type mlflow_model --set tags.team=risk
        """)

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("Its name; overrides the file's.", valueName: "name"))
    var name: String?

    @Option(name: [.customShort("v"), .long], help: ArgumentHelp("Its version; overrides the file's.", valueName: "version"))
    var version: String?

    @Option(name: [.customShort("p"), .long], help: ArgumentHelp("A file or folder of this machine.", valueName: "path"))
    var path: String?

    @Option(name: [.customShort("t"), .long], help: ArgumentHelp("custom_model, mlflow_model or triton_model.", valueName: "type"))
    var type: String?

    @Option(help: ArgumentHelp("What is to be known about it.", valueName: "text"))
    var description: String?

    @Option(help: ArgumentHelp("Where it is in its life, such as Production.", valueName: "stage"))
    var stage: String?

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
        let model = try described()
        try await ControlClient.with(try await server.session()) { client in
          let made = try await AssetVerbs<ModelVersion>(client: client, isQuiet: output.onlyShowErrors)
            .create(model, existOK: existOk) { model in
              model.path = try await NestedAssets(client: client, isQuiet: output.onlyShowErrors).uploaded(model.path)
            }
          try output.show(made, columns: AssetVerbs<ModelVersion>.columns)
        }
      }
    }

    private func described() throws -> ModelVersion {
      var source = try file.read()
      let given = [
        "name": name, "version": version, "type": type, "description": description, "stage": stage, "datastore": datastore,
        // Relative to where the command runs, not to the file.
        "path": path.map { $0.contains(":") || $0.hasPrefix("/") ? $0 : FileManager.default.currentDirectoryPath + "/" + $0 },
      ]
      for (key, value) in given {
        if let value { try source.apply(.set(DocumentPath([.key(key)]), .string(value))) }
      }
      try edits.apply(to: &source)
      return try Findings.resource(
        ModelVersion.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
    }
  }

  struct Update: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a version's description, tags, stage or properties.",
      discussion: "Its content never changes.")

    @OptionGroup var asset: LabelledAssetName

    @Option(help: ArgumentHelp("What is to be known about it.", valueName: "text"))
    var description: String?

    @Option(help: ArgumentHelp("Where it is in its life, such as Production.", valueName: "stage"))
    var stage: String?

    @OptionGroup var edits: EditOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        if description == nil, stage == nil, edits.isEmpty { throw UsageError("nothing to change: give --set, --stage or --description") }
        try await ControlClient.with(try await server.session()) { client in
          let verbs = AssetVerbs<ModelVersion>(client: client, isQuiet: output.onlyShowErrors)
          let version = try await verbs.version(asset.asset.version, of: asset.asset.name)
          let changed = try await verbs.update(asset.asset.name, version) { source in
            if let description { try source.apply(.set(DocumentPath([.key("description")]), .string(description))) }
            if let stage { try source.apply(.set(DocumentPath([.key("stage")]), .string(stage))) }
            try edits.apply(to: &source)
          }
          try output.show(changed, columns: AssetVerbs<ModelVersion>.columns)
        }
      }
    }
  }
}
