/// How much the store takes. What is past a limit is refused with the limit's name.
package struct ArtifactLimits: Hashable, Sendable {
  /// Most bytes of a manifest's text.
  package var maxManifestBytes = 8 << 20
  /// Most files of a tree.
  package var maxPathCount = 50_000
  /// Most bytes of one file.
  package var maxBlobBytes: Int64 = 1 << 40
  /// Most bytes of all files of a tree together.
  package var maxTreeBytes: Int64 = 4 << 40
  /// Most bytes of all blobs in the store, those announced by uploads under way included.
  package var maxStoreBytes: Int64 = .max
  /// Most uploads under way.
  package var maxUploads = 32
  /// Most uploads under way of one owner.
  package var maxUploadsOfOwner = 8
  /// Most blobs whose file and running digest are kept open. One more costs reading another's bytes again.
  package var maxOpenBlobs = 64

  package init() {}
}
