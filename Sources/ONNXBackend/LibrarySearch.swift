internal import Glibc

/// The places where ONNX Runtime's library may be, in the order in which they are tried.
///
/// A place that was named (by an option or by the environment) is the only one tried: a server that was told which
/// library to use must not quietly run with another.
struct LibrarySearch {
  static let variable = "APUS_ONNXRUNTIME"
  /// The soname first; a Python wheel's folder holds only the full version's name.
  private static let names = ["libonnxruntime.so.1", "libonnxruntime.so"]

  /// What each try is called in an error: the option, the variable, or the place.
  var origin: String
  var paths: [String]

  init(option: String?, environment: String?, executableFolder: String?) {
    if let option, !option.isEmpty {
      (origin, paths) = ("the option", Self.files(at: option))
    } else if let environment, !environment.isEmpty {
      (origin, paths) = (Self.variable, Self.files(at: environment))
    } else {
      origin = "beside the program and as the system's loader searches"
      paths = executableFolder.map { folder in Self.names.map { "\(folder)/\($0)" } } ?? []
      paths += Self.names
    }
  }

  /// The search of this process.
  init(option: String?) {
    self.init(
      option: option, environment: getenv(Self.variable).map { String(cString: $0) },
      executableFolder: Self.executableFolder())
  }

  private static func files(at path: String) -> [String] {
    guard isFolder(path) else { return [path] }
    let usual = names.map { "\(path)/\($0)" }
    let versioned = entries(of: path).filter { $0.hasPrefix("libonnxruntime.so.") }.sorted().map { "\(path)/\($0)" }
    let present = (usual + versioned.filter { !usual.contains($0) }).filter { access($0, F_OK) == 0 }
    return present.isEmpty ? usual : present
  }

  private static func executableFolder() -> String? {
    guard let resolved = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(resolved) }
    let path = String(cString: resolved)
    return path.lastIndex(of: "/").map { String(path[..<$0]) }
  }
}

/// Whether `path` names a folder.
func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// The names in a folder; none if it can't be read.
func entries(of folder: String) -> [String] {
  guard let directory = opendir(folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    names.append(
      withUnsafePointer(to: &entry.pointee.d_name) { name in
        name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      })
  }
  return names
}
