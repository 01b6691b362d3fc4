internal import Inference
internal import Telemetry

/// Directories of models: `<repository>/<model>/config.pbtxt` and `<repository>/<model>/<version>/<file>`.
///
/// Reads the disk anew with each call and keeps nothing. One unreadable model is that model's error only. (Triton,
/// "Model Repository".)
internal struct ModelRepository: Sendable {
  static let configurationFilename = "config.pbtxt"

  let paths: [String]
  let log: Log

  /// Names of all models, sorted: each directory in a repository is one.
  ///
  /// - Throws: `.invalidArgument` if a repository itself can't be read.
  func modelNames() throws(InferenceError) -> [String] {
    var names: Set<String> = []
    for path in paths {
      guard try Files.kind(path) == .directory else {
        throw .invalidArgument("model repository '\(path)' is not a directory")
      }
      for name in try Files.names(in: path) {
        // A link that leads nowhere is a model that can't be loaded, and says so when it is asked for.
        let kind = try? Files.kind("\(path)/\(name)")
        if kind == nil || kind == .directory { names.insert(name) }
      }
    }
    return names.sorted()
  }

  /// Where a model is and which versions it has.
  ///
  /// - Throws: `.internal` if no repository has it, or two have (as Triton says it); `.invalidArgument` if it can't be
  ///   read.
  func folder(_ name: String) throws(InferenceError) -> ModelFolder {
    let isPlainName = !name.isEmpty && !name.hasPrefix(".") && !name.utf8.contains(UInt8(ascii: "/"))
    var found: [String] = []
    if isPlainName {
      for path in paths where try Files.kind("\(path)/\(name)") == .directory { found.append("\(path)/\(name)") }
    }
    guard let path = found.first else {
      let places = paths.map { "'\($0)'" }.joined(separator: ", ")
      throw .internal(
        "failed to load '\(name)', failed to poll from model repository: no directory of this name in \(places)")
    }
    guard found.count == 1 else {
      throw .internal(
        "failed to load '\(name)', failed to poll from model repository: it is in more than one, at "
          + found.map { "'\($0)'" }.joined(separator: " and "))
    }
    let versions = try versions(of: name, at: path)
    let configurationPath = "\(path)/\(ModelRepository.configurationFilename)"
    var configuration: String?
    if try Files.kind(configurationPath) != nil {
      let bytes = try Files.contents(configurationPath, limitBytes: 16 << 20)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw .invalidArgument("file '\(configurationPath)' is not UTF-8 text")
      }
      configuration = text
    }
    return ModelFolder(name: name, path: path, versions: versions, configurationText: configuration)
  }

  /// Directories whose name is a version number. Others are named in the log, and ignored as Triton ignores them.
  ///
  /// One that can't be looked at counts, so that the load of that version says why.
  private func versions(of name: String, at path: String) throws(InferenceError) -> [Int64] {
    var versions: [Int64] = []
    for entry in try Files.names(in: path) {
      let kind: Files.Kind?
      do throws(InferenceError) { kind = try Files.kind("\(path)/\(entry)") } catch { kind = .directory }
      guard kind == .directory else { continue }
      if let version = Int64(entry), version > 0, "\(version)" == entry {
        versions.append(version)
      } else {
        let beginsWithZero = entry.hasPrefix("0") && Int64(entry) != nil
        log.warning(
          beginsWithZero
            ? "ignoring a version directory that begins with a zero" : "ignoring a directory that is not a version number",
          ["model": name, "directory": entry])
      }
    }
    return versions.sorted(by: >)
  }
}

/// One model's directory as it was read.
internal struct ModelFolder: Sendable {
  var name: String
  var path: String
  /// Highest first.
  var versions: [Int64]
  /// Contents of `config.pbtxt`; nil if there is none.
  var configurationText: String?
}
