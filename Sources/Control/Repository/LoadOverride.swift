internal import Inference
internal import Wire

/// What a load says in place of the repository: a configuration, and perhaps the model's files too.
///
/// (Triton, "Model Repository Extension": `config` and `file:<version>/<name>`.)
internal struct LoadOverride: Sendable, Hashable {
  struct File: Sendable, Hashable {
    var version: Int64
    var name: String
    var bytes: [UInt8]
  }

  /// JSON form of the model's configuration; replaces `config.pbtxt` as a whole.
  var configuration: String
  /// Not empty: the model is these files only, and its directory is not looked at.
  var files: [File] = []

  /// - Returns: Nil if nothing is overridden.
  /// - Throws: `.invalidArgument`, naming the key.
  init?(_ parameters: [String: RepositoryParameter]) throws(InferenceError) {
    var configuration: String?
    for (key, value) in parameters.sorted(by: { $0.key < $1.key }) {
      if key == "config" {
        guard case .string(let text) = value else {
          throw .invalidArgument("load parameter 'config': expected string_param, the configuration as JSON")
        }
        configuration = text
      } else if key.hasPrefix("file:") {
        files.append(try LoadOverride.file(key, value))
      } else {
        throw .invalidArgument("unknown load parameter '\(key)': expected 'config' or 'file:<version>/<name>'")
      }
    }
    guard let configuration else {
      guard let file = files.first else { return nil }
      throw .invalidArgument(
        "load parameter 'file:\(file.version)/\(file.name)' overrides a file: expected 'config' beside it")
    }
    self.configuration = configuration
  }

  private static func file(_ key: String, _ value: RepositoryParameter) throws(InferenceError) -> File {
    let parts = key.dropFirst("file:".count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let version = Int64(parts[0]), version >= 0, "\(version)" == parts[0],
      !parts[1].isEmpty, !parts[1].hasPrefix("."), !parts[1].utf8.contains(0)
    else {
      throw .invalidArgument(
        "load parameter '\(key)': expected 'file:<version>/<name>', such as 'file:1/model.onnx'")
    }
    guard case .bytes(let bytes) = value else {
      throw .invalidArgument("load parameter '\(key)': expected bytes_param, the contents of the file")
    }
    return File(version: version, name: String(parts[1]), bytes: bytes)
  }
}

/// The files of a load override on disk, for as long as something may read them.
internal final class OverrideDirectory: Sendable {
  let path: String
  /// Everything in it, contents before what contains them.
  private let entries: [String]

  /// - Throws: `.invalidArgument` if the files can't be written.
  init(_ files: [LoadOverride.File]) throws(InferenceError) {
    let path = try Files.makeTemporaryDirectory()
    self.path = path
    let versions = Set(files.map(\.version))
    entries = files.map { "\(path)/\($0.version)/\($0.name)" } + versions.map { "\(path)/\($0)" } + [path]
    for file in files {
      try Files.makeDirectory("\(path)/\(file.version)")
      try Files.write(file.bytes, to: "\(path)/\(file.version)/\(file.name)")
    }
  }

  /// A model may go on reading its file after it is loaded, so whoever serves it keeps this.
  deinit {
    for entry in entries { Files.remove(entry) }
  }
}
