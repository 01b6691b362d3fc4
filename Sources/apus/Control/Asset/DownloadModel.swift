internal import ArgumentParser
internal import Artifacts
internal import Documents
internal import Foundation
internal import Resources

extension ModelCommand {
  /// Fetches a version's files. What is there already with the right checksum is not fetched again.
  struct Download: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Fetch the files of a version of a model.",
      discussion: """
        They come into a folder with the model's name within --download-path. Each is checked against its checksum before \
        it gets its name; files that are there and right are left.
        """)

    @OptionGroup var asset: LabelledAssetName

    @Option(name: [.customShort("p"), .long], help: ArgumentHelp("The folder to put it in.", valueName: "folder"))
    var downloadPath = "."

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        try await ControlClient.with(try await server.session()) { client in
          let verbs = AssetVerbs<ModelVersion>(client: client, isQuiet: output.onlyShowErrors)
          let name = asset.asset.name
          let version = try await verbs.version(asset.asset.version, of: name)
          let path = ResourcePath.version(.models, name, version)
          let text = try await client.send(.get, "\(path)/manifest").bytes
          // Its paths were checked to stay within the folder.
          let manifest = try Manifest.parse(text)
          let folder = downloadPath + "/" + name
          let progress = TransferProgress("fetching \(name):\(version)", isQuiet: output.onlyShowErrors, total: manifest.totalBytes)
          for entry in manifest.entries {
            try await ModelDownload(client: client, version: path, folder: folder, progress: progress).fetch(entry)
          }
          progress.end()
          output.say("\(name):\(version) is in \(folder)")
        }
      }
    }
  }
}

/// The way of one file from the server to its place.
private struct ModelDownload {
  let client: ControlClient
  let version: String
  let folder: String
  let progress: TransferProgress

  func fetch(_ entry: ManifestEntry) async throws {
    let place = folder + "/" + entry.path
    if FileManager.default.fileExists(atPath: place),
      (try? LocalTree.digest(of: place) { _ in })?.digest == entry.digest
    { return progress.add(entry.size) }
    try FileManager.default.createDirectory(
      atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    let draft = place + ".part"
    guard FileManager.default.createFile(atPath: draft, contents: nil), let file = FileHandle(forWritingAtPath: draft) else {
      throw UsageError("--download-path: can't write \(draft)")
    }
    defer { try? file.close() }
    var digest = RunningDigest()
    let path = entry.path.split(separator: "/").map { Session.escaped(String($0)) }.joined(separator: "/")
    try await client.download("\(version)/files/\(path)") { piece in
      digest.update(piece)
      try file.write(contentsOf: Data(piece))
      progress.add(Int64(piece.count))
    }
    guard digest.finish() == entry.digest else {
      try? FileManager.default.removeItem(atPath: draft)
      throw ControlError(status: 0, code: "ChecksumMismatch", message: "\(entry.path) did not come as the manifest names it; try again")
    }
    if entry.isExecutable { try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: draft) }
    guard rename(draft, place) == 0 else { throw UsageError("can't write \(place): \(String(cString: strerror(errno)))") }
  }
}
