/// The name of an upload under way. Whoever announces the same manifest again gets the same one, and goes on with it.
package struct UploadID: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: String
  package init(rawValue: String) { self.rawValue = rawValue }

  /// 32 hexadecimal digits, of the owner and the tree. It is no secret: who may use it is the caller's business.
  init(owner: String, tree: Digest) {
    rawValue = String(Digest(of: Array("\(owner)\0\(tree.hex)".utf8)).hex.prefix(32))
  }

  package var description: String { rawValue }
}

/// An upload under way, as the store keeps it.
struct Upload: Sendable {
  var id: UploadID
  var owner: String
  var manifest: Manifest
  /// Blobs that are not whole yet, with their size.
  var missing: [Digest: Int64]
  /// Those of which bytes have come since the opening.
  var parts: [Digest: PartInUse] = [:]
  /// Milliseconds since 1970.
  var lastActivity: Int64
  /// The activity that the manifest's file shows, for the time after a crash.
  var savedActivity: Int64

  struct PartInUse: Sendable {
    var part: UploadPart
    /// Appends that are being done at this moment: until they end, the part stays the only one of its file.
    var uses: Int
  }

  var isInUse: Bool { parts.values.contains { $0.uses > 0 } }
}

/// How far an upload is.
package struct UploadStatus: Hashable, Sendable {
  /// A blob that is not whole yet.
  package struct MissingBlob: Hashable, Sendable {
    package var digest: Digest
    package var size: Int64
    /// Where its next bytes begin.
    package var offset: Int64
  }

  package var id: UploadID
  package var owner: String
  /// Of the whole, once it is complete.
  package var tree: Digest
  /// In the order of their digests; none: complete it.
  package var missing: [MissingBlob]
  package var totalBytes: Int64
}
