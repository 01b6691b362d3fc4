internal import Glibc
internal import Threads

/// Model files by their content, in a directory of one process: each content is there once, whoever uploaded it.
///
///     blobs/ab/abcd…           contents, read-only, named by their SHA-256
///     trees/1234…              manifests, named by their digest; one is there only when all its blobs are
///     checkouts/1234…/         folders of links to blobs, for backends
///     uploads/<id>/            what arrived of uploads under way: manifest, owner, <sha256>.part
///     temporary/               whatever is not whole yet; emptied at the opening
///
/// Everything appears under its name by a rename, whole: a kill at any moment leaves nothing that only looks complete.
/// Its calls block, and may be made from any thread; bytes of different blobs are written side by side.
package final class ArtifactStore: Sendable {
  package let path: String
  package let limits: ArtifactLimits
  let state: Locked<State>

  struct State {
    var uploads: [UploadID: Upload] = [:]
    /// Blobs that have an open file, the one used last at the end.
    var openParts: [UploadPart] = []
    var blobBytes: Int64 = 0
    var blobCount = 0
    private(set) var temporaryCount = 0

    /// A number that no other temporary file has.
    mutating func nextTemporary() -> Int {
      temporaryCount += 1
      return temporaryCount
    }
  }

  /// Opens the store, made if it is not there, and takes up the uploads that were under way. The caller sees to it that
  /// no other process has it open.
  ///
  /// - Throws: `.unavailable`, `.full`.
  package init(path: String, limits: ArtifactLimits = ArtifactLimits()) throws(ArtifactError) {
    self.path = path
    self.limits = limits
    try Files.makeDirectory(path)
    for folder in ["blobs", "trees", "checkouts", "uploads", "temporary"] {
      try Files.makeDirectory("\(path)/\(folder)")
    }
    for prefix in Self.blobPrefixes { try Files.makeDirectory("\(path)/blobs/\(prefix)") }
    try Files.syncDirectory("\(path)/blobs")
    try Files.syncDirectory(path)
    for name in try Files.names(in: "\(path)/temporary") {
      try Files.removeTree("\(path)/temporary/" + String(decoding: name, as: UTF8.self))
    }
    var state = State()
    for (_, size) in try Self.blobs(in: path) {
      state.blobBytes += size
      state.blobCount += 1
    }
    for upload in try Self.uploads(in: path, limits) { state.uploads[upload.id] = upload }
    self.state = Locked(state)
  }

  /// What the store holds.
  package struct Usage: Hashable, Sendable {
    package var blobCount: Int
    /// Bytes of whole blobs.
    package var blobBytes: Int64
    package var uploadCount: Int
    /// Bytes that uploads under way have announced, and which are not whole blobs yet.
    package var announcedBytes: Int64

    package init(blobCount: Int = 0, blobBytes: Int64 = 0, uploadCount: Int = 0, announcedBytes: Int64 = 0) {
      self.blobCount = blobCount
      self.blobBytes = blobBytes
      self.uploadCount = uploadCount
      self.announcedBytes = announcedBytes
    }
  }

  package var usage: Usage {
    state.withLock { state in
      Usage(
        blobCount: state.blobCount, blobBytes: state.blobBytes, uploadCount: state.uploads.count,
        announcedBytes: state.announcedBytes)
    }
  }

  /// The manifest of a tree.
  ///
  /// - Throws: `.notFound`; `.corrupt` if its file was changed.
  package func manifest(_ tree: Digest) throws(ArtifactError) -> Manifest {
    let file = treePath(tree)
    guard try Files.status(file) != nil else { throw .init(.notFound, "there is no artifact '\(tree)'") }
    let text = try Files.contents(file, limitBytes: .max)
    guard Digest(of: text) == tree else { throw .init(.corrupt, "'\(file)' is not what it was: its digest differs") }
    return try Manifest.parse(text, limits: Self.boundless)
  }

  /// What is stored was taken under the limits of its time.
  static let boundless: ArtifactLimits = {
    var limits = ArtifactLimits()
    limits.maxManifestBytes = .max
    limits.maxPathCount = .max
    limits.maxBlobBytes = .max
    limits.maxTreeBytes = .max
    return limits
  }()

  // MARK: Layout

  func blobPath(_ blob: Digest) -> String { "\(path)/blobs/\(blob.hex.prefix(2))/\(blob.hex)" }
  func treePath(_ tree: Digest) -> String { "\(path)/trees/\(tree.hex)" }
  func checkoutPath(_ tree: Digest) -> String { "\(path)/checkouts/\(tree.hex)" }
  func uploadPath(_ upload: UploadID) -> String { "\(path)/uploads/\(upload.rawValue)" }
  func temporaryPath(_ state: inout State) -> String { "\(path)/temporary/\(state.nextTemporary())" }

  private static var blobPrefixes: [String] {
    (0..<256).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
  }

  /// All blobs with their sizes.
  static func blobs(in path: String) throws(ArtifactError) -> [(Digest, Int64)] {
    var blobs: [(Digest, Int64)] = []
    for prefix in blobPrefixes {
      for name in try Files.names(in: "\(path)/blobs/\(prefix)") {
        guard let digest = Digest(hex: String(decoding: name, as: UTF8.self)),
          let status = try Files.status("\(path)/blobs/\(prefix)/\(digest.hex)")
        else { continue }
        blobs.append((digest, Int64(status.st_size)))
      }
    }
    return blobs
  }

  /// The digests that name the entries of a folder.
  func digests(in folder: String) throws(ArtifactError) -> [Digest] {
    try Files.names(in: "\(path)/\(folder)").compactMap { Digest(hex: String(decoding: $0, as: UTF8.self)) }
  }
}
