internal import Glibc

/// How far the reading of a folder is.
package struct FolderProgress: Hashable, Sendable {
  /// The file being read.
  package var path: String
  package var bytesDone: Int64
  package var bytesTotal: Int64

  package init(path: String, bytesDone: Int64, bytesTotal: Int64) {
    self.path = path
    self.bytesDone = bytesDone
    self.bytesTotal = bytesTotal
  }
}

/// A local folder as a manifest, with where each blob is to be read from: what an upload needs.
package struct FolderManifest: Sendable {
  package let manifest: Manifest
  /// A file for each blob.
  package let locations: [Digest: String]

  /// Reads every file of the folder once, holding little of it at a time.
  ///
  /// - Throws: `.invalidArgument` with the path that no tree can hold; `.limitReached`; `.unavailable`.
  package init(
    of folder: String, limits: ArtifactLimits = ArtifactLimits(), progress: (FolderProgress) -> Void = { _ in }
  ) throws(ArtifactError) {
    let files = try FolderScan.files(in: folder, limits)
    var report = FolderProgress(path: "", bytesDone: 0, bytesTotal: files.reduce(0) { $0 + $1.size })
    var entries: [ManifestEntry] = []
    var locations: [Digest: String] = [:]
    for file in files {
      report.path = file.path
      progress(report)
      let descriptor = try Files.open(file.location, O_RDONLY)
      defer { close(descriptor) }
      var running = RunningDigest()
      var size: Int64 = 0
      try Files.readThrough(descriptor, file.location) { bytes in
        running.update(bytes)
        size += Int64(bytes.count)
        report.bytesDone += Int64(bytes.count)
        progress(report)
      }
      let digest = running.finish()
      entries.append(ManifestEntry(path: file.path, size: size, digest: digest, isExecutable: file.isExecutable))
      locations[digest] = file.location
    }
    manifest = try Manifest(entries: entries, limits: limits)
    self.locations = locations
  }
}
