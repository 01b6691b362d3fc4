internal import CLinux
internal import Glibc
internal import Threads

extension ArtifactStore {
  /// Takes in a folder of this machine, as an upload would, and leaves the folder as it is.
  ///
  /// Where the file system can share bytes between two files, none are copied.
  ///
  /// - Parameter now: Milliseconds since 1970.
  /// - Returns: The tree. It is there whole, or, when this throws, not at all.
  /// - Throws: `.invalidArgument` with the path that no tree can hold; `.limitReached`; `.full`; `.unavailable`.
  package func ingest(
    folder: String, now: Int64, progress: (FolderProgress) -> Void = { _ in }
  ) throws(ArtifactError) -> Digest {
    let files = try FolderScan.files(in: folder, limits)
    var report = FolderProgress(path: "", bytesDone: 0, bytesTotal: files.reduce(0) { $0 + $1.size })
    try checkRoom(for: report.bytesTotal)
    let staging = state.withLock { state in temporaryPath(&state) }
    try Files.makeDirectory(staging)
    defer { try? Files.removeTree(staging) }
    var entries: [ManifestEntry] = []
    for file in files {
      report.path = file.path
      progress(report)
      let done = report.bytesDone
      let (digest, size) = try copy(file, into: staging) { count in
        report.bytesDone = done + count
        progress(report)
      }
      entries.append(ManifestEntry(path: file.path, size: size, digest: digest, isExecutable: file.isExecutable))
    }
    let manifest = try Manifest(entries: entries, limits: limits)
    try state.withLock { (state) throws(ArtifactError) in
      do throws(ArtifactError) {
        for (blob, size) in manifest.blobs { try publishBlob("\(staging)/\(blob)", blob, size: size, in: &state) }
        try publishTree(manifest, now: now, in: &state)
      } catch {
        try? removeUnreferenced(Set(manifest.blobs.keys), in: &state)
        throw error
      }
    }
    return manifest.digest
  }

  private func checkRoom(for bytes: Int64) throws(ArtifactError) {
    guard bytes <= limits.maxTreeBytes else {
      throw .init(.limitReached, "the folder has \(bytes) bytes; maxTreeBytes is \(limits.maxTreeBytes)")
    }
    let taken = usage.blobBytes + usage.announcedBytes
    guard bytes <= limits.maxStoreBytes - min(taken, limits.maxStoreBytes) else {
      throw .init(
        .limitReached, "\(bytes) more bytes don't fit: \(taken) are stored or announced; maxStoreBytes is \(limits.maxStoreBytes)")
    }
  }

  /// Makes `staging/<digest>` of the file, on the disk.
  private func copy(
    _ file: FolderFile, into staging: String, progress: (Int64) -> Void
  ) throws(ArtifactError) -> (Digest, Int64) {
    let source = try Files.open(file.location, O_RDONLY)
    defer { close(source) }
    let place = "\(staging)/next"
    let target = try Files.open(place, O_RDWR | O_CREAT | O_TRUNC)
    defer { close(target) }
    // A clone is read itself, so that what is hashed is what is kept, whatever happens to the original.
    let isClone = linux_clone_file(target, source) == 0
    var running = RunningDigest()
    var size: Int64 = 0
    try Files.readThrough(isClone ? target : source, file.location) { (bytes) throws(ArtifactError) in
      running.update(bytes)
      size += Int64(bytes.count)
      guard size <= limits.maxBlobBytes else {
        throw .init(.limitReached, "path '\(file.path)' has more than \(limits.maxBlobBytes) bytes, which is maxBlobBytes")
      }
      var written = 0
      if !isClone { try Files.write(bytes, to: target, place, written: &written) }
      progress(size)
    }
    try Files.sync(target, place)
    let digest = running.finish()
    try Files.move(place, to: "\(staging)/\(digest)")
    return (digest, size)
  }
}
