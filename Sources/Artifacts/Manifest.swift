/// One file of a tree.
package struct ManifestEntry: Hashable, Sendable {
  /// Where it lies in the folder, parts separated by "/".
  package var path: String
  package var size: Int64
  package var digest: Digest
  /// Whether it may be run. It belongs to the content: a checkout shows the bit where any tree has it for that digest.
  package var isExecutable: Bool

  package init(path: String, size: Int64, digest: Digest, isExecutable: Bool) {
    self.path = path
    self.size = size
    self.digest = digest
    self.isExecutable = isExecutable
  }
}

/// What a folder holds: its files with their digests, in the one form that its own digest is taken of.
///
/// The text has a line for each file, in the order of the paths' bytes, each ended by a newline:
///
///     apus-tree 1
///     <SHA-256, 64 hex digits> <size in bytes> <x or -> <path>
///
/// The same files give the same text. Empty folders, owners and times are not part of it.
package struct Manifest: Hashable, Sendable {
  package let entries: [ManifestEntry]
  package let text: [UInt8]
  /// The tree's name in the store: the digest of the text.
  package let digest: Digest
  package let totalBytes: Int64

  static let header = "apus-tree 1\n"

  /// - Throws: `.invalidArgument`, `.limitReached`: as for `parse`.
  package init(entries: [ManifestEntry], limits: ArtifactLimits = ArtifactLimits()) throws(ArtifactError) {
    let sorted = entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    var text = Array(Self.header.utf8)
    for entry in sorted {
      text += "\(entry.digest.hex) \(entry.size) \(entry.isExecutable ? "x" : "-") \(entry.path)\n".utf8
    }
    try Self.check(sorted, limits)
    guard text.count <= limits.maxManifestBytes else { throw Self.tooLong(text.count, limits) }
    self.entries = sorted
    self.text = text
    digest = Digest(of: text)
    totalBytes = sorted.reduce(0) { $0 + $1.size }
  }

  /// The distinct contents: a blob that several paths share is one.
  var blobs: [Digest: Int64] {
    var sizes: [Digest: Int64] = [:]
    for entry in entries { sizes[entry.digest] = entry.size }
    return sizes
  }

  static func tooLong(_ count: Int, _ limits: ArtifactLimits) -> ArtifactError {
    .init(.limitReached, "the manifest has \(count) bytes; maxManifestBytes is \(limits.maxManifestBytes)")
  }

  /// The rules beyond the form of a line.
  private static func check(_ entries: [ManifestEntry], _ limits: ArtifactLimits) throws(ArtifactError) {
    guard !entries.isEmpty else { throw .init(.invalidArgument, "the manifest names no file; at least 1 is expected") }
    guard entries.count <= limits.maxPathCount else {
      throw .init(.limitReached, "the manifest has \(entries.count) paths; maxPathCount is \(limits.maxPathCount)")
    }
    var sizes: [Digest: Int64] = [:]
    var total: Int64 = 0
    for (index, entry) in entries.enumerated() {
      let path = TreePath.quoted(entry.path.utf8)
      if let flaw = TreePath.flaw(in: entry.path.utf8) { throw .init(.invalidArgument, "path \(path) \(flaw)") }
      if index > 0 && entries[index - 1].path.utf8.elementsEqual(entry.path.utf8) {
        throw .init(.invalidArgument, "path \(path) is there twice")
      }
      guard entry.size >= 0 else { throw .init(.invalidArgument, "path \(path) has the size \(entry.size)") }
      guard entry.size <= limits.maxBlobBytes else {
        throw .init(.limitReached, "path \(path) has \(entry.size) bytes; maxBlobBytes is \(limits.maxBlobBytes)")
      }
      let (sum, overflow) = total.addingReportingOverflow(entry.size)
      guard !overflow, sum <= limits.maxTreeBytes else {
        throw .init(
          .limitReached, "the files up to \(path) have more than \(limits.maxTreeBytes) bytes, which is maxTreeBytes")
      }
      total = sum
      guard sizes.updateValue(entry.size, forKey: entry.digest) ?? entry.size == entry.size,
        (entry.size == 0) == (entry.digest == .empty)
      else { throw .init(.invalidArgument, "path \(path) has \(entry.size) bytes, which its digest contradicts") }
    }
    try checkFolders(entries)
  }

  /// No path is both a file and the folder of another. The entries are sorted, so each parent is looked up.
  private static func checkFolders(_ entries: [ManifestEntry]) throws(ArtifactError) {
    let files = Set(entries.map { Array($0.path.utf8) })
    for entry in entries {
      let bytes = Array(entry.path.utf8)
      for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "/") {
        guard !files.contains(Array(bytes[..<index])) else {
          throw .init(
            .invalidArgument,
            "path \(TreePath.quoted(bytes[..<index])) is a file, and the folder of \(TreePath.quoted(bytes))")
        }
      }
    }
  }
}
