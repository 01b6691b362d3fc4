internal import Artifacts
internal import Glibc

/// Looks at an artifact store's directory with no help of the store.
package enum StoreInspection {
  /// What looks complete and is not, and what should not be there; empty if all is well. The store has been opened since
  /// it was last killed.
  package static func flaws(in path: String) throws -> [String] {
    var flaws: [String] = []
    for prefix in names("\(path)/blobs") {
      for name in names("\(path)/blobs/\(prefix)") {
        let found = Digest(of: try contents("\(path)/blobs/\(prefix)/\(name)"))
        if found.hex != name || !name.hasPrefix(prefix) { flaws.append("blob \(name) holds \(found)") }
      }
    }
    for name in names("\(path)/trees") {
      let manifest = try Manifest.parse(contents("\(path)/trees/\(name)"))
      if manifest.digest.hex != name { flaws.append("tree \(name) holds \(manifest.digest)") }
      for entry in manifest.entries {
        let status = status("\(path)/blobs/\(entry.digest.hex.prefix(2))/\(entry.digest.hex)")
        if status?.st_size != Int(entry.size) { flaws.append("tree \(name) lacks \(entry.path)") }
      }
    }
    for name in names("\(path)/checkouts") {
      let found = try FolderManifest(of: "\(path)/checkouts/\(name)").manifest.digest.hex
      if found != name { flaws.append("checkout \(name) holds \(found)") }
    }
    if !names("\(path)/temporary").isEmpty { flaws.append("something is left in temporary/") }
    for name in names("\(path)/uploads") where status("\(path)/uploads/\(name)/manifest") == nil {
      flaws.append("upload \(name) has no manifest")
    }
    return flaws
  }

  /// Everything but the folders that the store always has.
  package static func leftovers(in path: String) -> [String] {
    var left = names("\(path)/blobs").flatMap { prefix in names("\(path)/blobs/\(prefix)").map { "blobs/\($0)" } }
    for folder in ["trees", "checkouts", "uploads", "temporary"] {
      left += names("\(path)/\(folder)").map { "\(folder)/\($0)" }
    }
    return left
  }

  package static func names(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  package static func contents(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "r") else { throw TestFailure("open \(path): errno \(errno)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
    return bytes
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    return lstat(path, &status) == 0 ? status : nil
  }
}
