internal import Glibc
internal import Threads

extension ArtifactStore {
  /// A tree as a plain folder of read-only files, for backends. It is made once, of links: no byte is copied.
  ///
  /// It stays until `collectGarbage` is told that the tree is not live.
  ///
  /// - Returns: The folder's path.
  /// - Throws: `.notFound`; `.corrupt` if a blob is gone; `.full`.
  package func checkout(_ tree: Digest) throws(ArtifactError) -> String {
    try state.withLock { (state) throws(ArtifactError) in
      let manifest = try manifest(tree)
      let place = checkoutPath(tree)
      if try Files.status(place) != nil { return place }
      let folder = temporaryPath(&state)
      do throws(ArtifactError) {
        try fill(folder, with: manifest)
        try Files.move(folder, to: place)
      } catch {
        try? Files.removeTree(folder)
        throw error
      }
      try Files.syncDirectory("\(path)/checkouts")
      return place
    }
  }

  private func fill(_ folder: String, with manifest: Manifest) throws(ArtifactError) {
    try Files.makeDirectory(folder, mode: 0o755)
    var folders: [String] = [""]
    for entry in manifest.entries {
      let parts = entry.path.split(separator: "/")
      for count in 1..<max(1, parts.count) {
        let parent = "/" + parts[..<count].joined(separator: "/")
        // Sorted paths: the folders of one path, that are there already, are those of the path before.
        guard !folders.contains(parent) else { continue }
        try Files.makeDirectory(folder + parent, mode: 0o755)
        folders.removeAll { !parent.hasPrefix($0 + "/") }
        folders.append(parent)
      }
      try link(entry, at: "\(folder)/\(entry.path)", depth: parts.count)
    }
    // Nothing of it may be missing when its name has survived a loss of power.
    try syncFolders(folder)
  }

  private func link(_ entry: ManifestEntry, at place: String, depth: Int) throws(ArtifactError) {
    let blob = blobPath(entry.digest)
    guard let status = try Files.status(blob), Int64(status.st_size) == entry.size else {
      throw .init(.corrupt, "blob \(entry.digest) of '\(entry.path)' is gone or has another size; upload it again")
    }
    if entry.isExecutable && status.st_mode & 0o111 == 0 {
      guard chmod(blob, 0o555) == 0 else { throw Files.failure("set the mode of", blob, errno) }
    }
    if Glibc.link(blob, place) == 0 { return }
    // Too many links to one file, or a file system that has none.
    guard [EMLINK, EPERM, EOPNOTSUPP].contains(errno) else { throw Files.failure("link", place, errno) }
    let target = String(repeating: "../", count: depth + 1) + "blobs/\(entry.digest.hex.prefix(2))/\(entry.digest.hex)"
    guard symlink(target, place) == 0 else { throw Files.failure("link", place, errno) }
  }

  private func syncFolders(_ folder: String) throws(ArtifactError) {
    for name in try Files.names(in: folder) {
      let inner = folder + "/" + String(decoding: name, as: UTF8.self)
      if let status = try Files.status(inner), Files.isDirectory(status) { try syncFolders(inner) }
    }
    try Files.syncDirectory(folder)
  }
}
