internal import Artifacts
internal import Foundation

/// A file or a folder of this machine that is to be sent, with the manifest that names its contents.
///
/// A folder's files are found at any depth; links to files count as the files, links to folders are refused, since they may
/// lead round in circles. A file by itself is a tree of one.
struct LocalTree: Sendable {
  let manifest: Manifest
  /// Where the content of each digest is; where several files are the same, one of them.
  let sources: [Digest: String]

  /// Read at once, and hashed: of a file of any size no more is in memory.
  static let pieceBytes = 1 << 20

  /// - Parameter read: Told how many bytes were read, of how many.
  /// - Throws: `UsageError` for what can't be read, `ArtifactError` for a tree that no store takes.
  init(at path: String, read progress: (_ done: Int64, _ total: Int64) -> Void) throws {
    let files = try LocalTree.files(at: path)
    let total = files.reduce(0) { $0 + $1.size }
    var done: Int64 = 0
    var entries: [ManifestEntry] = []
    var sources: [Digest: String] = [:]
    for file in files {
      let digest = try LocalTree.digest(of: file.source) { count in
        done += count
        progress(done, total)
      }
      entries.append(
        ManifestEntry(path: file.path, size: digest.size, digest: digest.digest, isExecutable: file.isExecutable))
      sources[digest.digest] = file.source
    }
    manifest = try Manifest(entries: entries)
    self.sources = sources
  }

  private struct File {
    /// Within the tree.
    let path: String
    /// On this machine.
    let source: String
    let size: Int64
    let isExecutable: Bool
  }

  private static func files(at path: String) throws -> [File] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw UsageError("path: there is no file or folder \(path)")
    }
    guard isDirectory.boolValue else { return [try file(path, named: (path as NSString).lastPathComponent)] }
    guard let names = FileManager.default.enumerator(atPath: path) else { throw UsageError("can't read \(path)") }
    var files: [File] = []
    for case let name as String in names {
      let source = path + "/" + name
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: source, isDirectory: &isFolder) else {
        throw UsageError("path: \(source) is a link to nothing")
      }
      if isFolder.boolValue {
        let type = try? FileManager.default.attributesOfItem(atPath: source)[.type] as? FileAttributeType
        if type == .typeSymbolicLink { throw UsageError("path: \(source) is a link to a folder; put the folder itself there") }
        continue
      }
      files.append(try file(source, named: name))
    }
    if files.isEmpty { throw UsageError("path: \(path) has no files in it") }
    return files
  }

  private static func file(_ source: String, named name: String) throws -> File {
    var status = stat()
    guard stat(source, &status) == 0 else { throw UsageError("can't read \(source): \(String(cString: strerror(errno)))") }
    guard status.st_mode & S_IFMT == S_IFREG else { throw UsageError("path: \(source) is neither a file nor a folder") }
    return File(path: name, source: source, size: Int64(status.st_size), isExecutable: status.st_mode & S_IXUSR != 0)
  }

  /// The digest of a file, and the bytes that it was taken of.
  static func digest(
    of path: String, read progress: (Int64) -> Void
  ) throws -> (digest: Digest, size: Int64) {
    guard let file = FileHandle(forReadingAtPath: path) else {
      throw UsageError("can't read \(path): \(String(cString: strerror(errno)))")
    }
    defer { try? file.close() }
    var digest = RunningDigest()
    var size: Int64 = 0
    while let piece = try file.read(upToCount: pieceBytes), !piece.isEmpty {
      piece.withUnsafeBytes { digest.update($0) }
      size += Int64(piece.count)
      progress(Int64(piece.count))
    }
    return (digest.finish(), size)
  }
}
