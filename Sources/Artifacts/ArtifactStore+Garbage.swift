internal import Glibc
internal import Threads

extension ArtifactStore {
  /// What a collection took away.
  package struct Collected: Hashable, Sendable {
    package var treeCount = 0
    package var blobCount = 0
    /// Of the blobs. A checkout that a backend still reads keeps its bytes on the disk until it lets go.
    package var bytes: Int64 = 0

    package init(treeCount: Int = 0, blobCount: Int = 0, bytes: Int64 = 0) {
      self.treeCount = treeCount
      self.blobCount = blobCount
      self.bytes = bytes
    }
  }

  /// Takes away the trees that nothing refers to, their checkouts, and the blobs that no tree and no upload needs.
  ///
  /// - Parameters:
  ///   - live: The trees that are referred to.
  ///   - newerThan: A tree that was made, or completed again, at this instant or later stays all the same: its model may
  ///     be about to be registered. Milliseconds since 1970.
  /// - Throws: `.corrupt` if a manifest can't be trusted: then nothing was taken away.
  @discardableResult
  package func collectGarbage(live: Set<Digest>, keepingNewerThan instant: Int64) throws(ArtifactError) -> Collected {
    try state.withLock { (state) throws(ArtifactError) in
      var collected = Collected()
      var dead: [Digest] = []
      var kept: Set<Digest> = []
      for tree in try digests(in: "trees") {
        let time = try Files.status(treePath(tree)).map(Files.time) ?? .min
        if live.contains(tree) || time >= instant { kept.insert(tree) } else { dead.append(tree) }
      }
      let referenced = try blobs(of: kept, in: state)
      // Trees first: from here on a kill leaves blobs without a tree, never a tree without blobs.
      for tree in dead {
        try Files.removeFile(treePath(tree))
        collected.treeCount += 1
      }
      if !dead.isEmpty { try Files.syncDirectory("\(path)/trees") }
      for checkout in try digests(in: "checkouts") where !kept.contains(checkout) {
        let leftover = temporaryPath(&state)
        try Files.move(checkoutPath(checkout), to: leftover)
        try Files.removeTree(leftover)
      }
      for (blob, size) in try Self.blobs(in: path) where !referenced.contains(blob) {
        try Files.removeFile(blobPath(blob))
        state.blobBytes -= size
        state.blobCount -= 1
        collected.blobCount += 1
        collected.bytes += size
      }
      return collected
    }
  }

  /// Takes away those of the blobs that no tree and no upload needs.
  func removeUnreferenced(_ candidates: Set<Digest>, in state: inout State) throws(ArtifactError) {
    guard !candidates.isEmpty else { return }
    let referenced = try blobs(of: Set(try digests(in: "trees")), in: state)
    for blob in candidates.subtracting(referenced) {
      guard let status = try Files.status(blobPath(blob)) else { continue }
      try Files.removeFile(blobPath(blob))
      state.blobBytes -= Int64(status.st_size)
      state.blobCount -= 1
    }
  }

  /// The blobs that these trees and the uploads under way need.
  private func blobs(of trees: Set<Digest>, in state: State) throws(ArtifactError) -> Set<Digest> {
    var blobs: Set<Digest> = []
    for tree in trees { blobs.formUnion(try manifest(tree).blobs.keys) }
    for upload in state.uploads.values { blobs.formUnion(upload.manifest.blobs.keys) }
    return blobs
  }
}
