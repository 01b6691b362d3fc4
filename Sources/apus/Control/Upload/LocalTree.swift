internal import Artifacts
internal import Foundation

/// A file or a folder of this machine that is to be sent, with the manifest that names its contents.
///
/// A folder's files are found at any depth. A link to a file in the folder counts as that file; one that leads out of it is
/// refused, since nobody who names a folder means files elsewhere, and so is one to a folder, which may lead round in
/// circles. A file by itself is a tree of one.
struct LocalTree: Sendable {
  let manifest: Manifest
  /// Where the content of each digest is; where several files are the same, one of them.
  let sources: [Digest: String]

  /// Read at once, and hashed: of a file of any size no more is in memory.
  static let pieceBytes = 1 << 20

  /// - Parameter read: Told how many bytes were read, of how many.
  /// - Throws: `UsageError` for what can't be read or sent, with its path.
  init(at path: String, read progress: (_ done: Int64, _ total: Int64) -> Void) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw UsageError("path: there is no file or folder \(path): \(String(cString: strerror(errno)))")
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      do throws(ArtifactError) {
        let folder = try FolderManifest(of: path) { progress($0.bytesDone, $0.bytesTotal) }
        manifest = folder.manifest
        sources = folder.locations
        return
      } catch { throw UsageError("path: \(path): \(error.message)") }
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw UsageError("path: \(path) is neither a file nor a folder") }
    var done: Int64 = 0
    let (digest, size) = try LocalTree.digest(of: path) { count in
      done += count
      progress(done, Int64(status.st_size))
    }
    let name = (path as NSString).lastPathComponent
    manifest = try Manifest(
      entries: [ManifestEntry(path: name, size: size, digest: digest, isExecutable: status.st_mode & S_IXUSR != 0)])
    sources = [digest: path]
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
