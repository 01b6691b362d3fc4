internal import Glibc

/// A file of a local folder.
package struct FolderFile: Hashable, Sendable {
  /// Its path in the tree.
  package var path: String
  /// Where it lies.
  package var location: String
  package var size: Int64
  package var isExecutable: Bool
}

/// The files of a local folder that make a tree.
///
/// A link to a file within the folder counts as that file. Everything that a tree can't hold is refused rather than left
/// out: links that lead out of the folder or to folders, sockets, devices, names that are not UTF-8. Empty folders are
/// left out.
enum FolderScan {
  /// In the order of their paths' bytes.
  static func files(in folder: String, _ limits: ArtifactLimits) throws(ArtifactError) -> [FolderFile] {
    let root = try realPath(folder)
    var files: [FolderFile] = []
    var folders = [""]
    while let prefix = folders.popLast() {
      for name in try Files.names(in: root + (prefix.isEmpty ? "" : "/" + prefix)) {
        let bytes = prefix.isEmpty ? name : Array(prefix.utf8) + [UInt8(ascii: "/")] + name
        if let flaw = TreePath.flaw(in: bytes) {
          throw .init(.invalidArgument, "path \(TreePath.quoted(bytes)) in \(TreePath.quoted(folder.utf8)) \(flaw)")
        }
        let path = String(decoding: bytes, as: UTF8.self)
        guard let status = try Files.status("\(root)/\(path)") else { continue }  // removed since
        if Files.isDirectory(status) {
          folders.append(path)
          continue
        }
        files.append(try file(path, status, root))
        guard files.count <= limits.maxPathCount else {
          throw .init(
            .limitReached, "\(TreePath.quoted(folder.utf8)) has more than \(limits.maxPathCount) files, which is maxPathCount")
        }
      }
    }
    guard !files.isEmpty else { throw .init(.invalidArgument, "\(TreePath.quoted(folder.utf8)) holds no file") }
    return files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  private static func file(_ path: String, _ status: stat, _ root: String) throws(ArtifactError) -> FolderFile {
    var location = "\(root)/\(path)"
    var status = status
    if status.st_mode & S_IFMT == S_IFLNK {
      do throws(ArtifactError) { location = try realPath(location) } catch {
        throw .init(.invalidArgument, "link \(TreePath.quoted(path.utf8)) leads nowhere: \(error.message)")
      }
      guard location == root || location.utf8.starts(with: "\(root)/".utf8) else {
        throw .init(
          .invalidArgument, "link \(TreePath.quoted(path.utf8)) leads out of the folder, to \(TreePath.quoted(location.utf8))")
      }
      guard let target = try Files.status(location), Files.isRegular(target) else {
        throw .init(
          .invalidArgument, "link \(TreePath.quoted(path.utf8)) leads to what is no file; only links to files are followed")
      }
      status = target
    }
    guard Files.isRegular(status) else {
      throw .init(.invalidArgument, "\(TreePath.quoted(path.utf8)) is neither a file nor a folder")
    }
    return FolderFile(
      path: path, location: location, size: Int64(status.st_size), isExecutable: status.st_mode & 0o111 != 0)
  }

  private static func realPath(_ path: String) throws(ArtifactError) -> String {
    guard let real = realpath(path, nil) else {
      let code = errno
      throw .init(
        code == ENOENT ? .notFound : .unavailable, "can't find \(TreePath.quoted(path.utf8)): \(String(cString: strerror(code)))")
    }
    defer { free(real) }
    return String(cString: real)
  }
}
