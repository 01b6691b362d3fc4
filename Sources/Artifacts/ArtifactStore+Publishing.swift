internal import Glibc

extension ArtifactStore {
  /// Puts a whole, checked, synced file in its place as a blob.
  ///
  /// - Parameter file: Is gone afterwards: it is the blob now, or one was there already.
  func publishBlob(
    _ file: String, _ blob: Digest, size: Int64, in state: inout State
  ) throws(ArtifactError) {
    let place = blobPath(blob)
    if try Files.status(place) != nil {
      try Files.removeFile(file)
    } else {
      guard chmod(file, 0o444) == 0 else { throw Files.failure("set the mode of", file, errno) }
      try Files.move(file, to: place)
      state.blobBytes += size
      state.blobCount += 1
    }
    try dropParts(of: blob, in: &state)
  }

  /// Has a tree be there, if all its blobs are. Everything that it is made of is on the disk before its name is.
  ///
  /// - Throws: `.incomplete` if a blob is missing.
  func publishTree(_ manifest: Manifest, now: Int64, in state: inout State) throws(ArtifactError) {
    var prefixes: Set<Substring> = []
    for (blob, size) in manifest.blobs {
      guard let status = try Files.status(blobPath(blob)) else { throw .init(.incomplete, "blob \(blob) is missing") }
      guard Int64(status.st_size) == size else {
        throw .init(.corrupt, "'\(blobPath(blob))' has \(status.st_size) bytes, not \(size)")
      }
      prefixes.insert(blob.hex.prefix(2))
    }
    for prefix in prefixes { try Files.syncDirectory("\(path)/blobs/\(prefix)") }
    let place = treePath(manifest.digest)
    if try Files.status(place) == nil {
      let file = temporaryPath(&state)
      try Files.create(file, manifest.text)
      try Files.move(file, to: place)
      try Files.syncDirectory("\(path)/trees")
    }
    // The garbage collector leaves young trees alone: whoever put it there may be about to refer to it.
    try Files.setTime(place, milliseconds: now)
  }
}
