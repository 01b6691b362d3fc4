internal import Glibc
internal import Threads

extension ArtifactStore {
  /// Announces a tree, or goes on with an upload that this owner announced before, also before a crash.
  ///
  /// - Parameters:
  ///   - text: The manifest's text.
  ///   - owner: Who uploads, for the limit and for whoever asks; at most 256 bytes count.
  ///   - now: Milliseconds since 1970.
  /// - Throws: `.invalidArgument` with line and path; `.limitReached`; `.full`.
  package func beginUpload(manifest text: [UInt8], owner: String, now: Int64) throws(ArtifactError) -> UploadStatus {
    let manifest = try Manifest.parse(text, limits: limits)
    let owner = String(owner.prefix(256))
    let id = UploadID(owner: owner, tree: manifest.digest)
    try state.withLock { (state) throws(ArtifactError) -> Void in
      if state.uploads[id] == nil {
        let missing = try Self.missingBlobs(of: manifest, in: path)
        try checkRoom(for: missing, owner, in: state)
        try makeUploadFolder(id, owner, manifest, in: &state)
        state.uploads[id] = Upload(
          id: id, owner: owner, manifest: manifest, missing: missing, lastActivity: now, savedActivity: .min)
      }
      try noteActivity(id, now: now, in: &state)
      try finishEmptyBlob(of: id, in: &state)
    }
    return try uploadStatus(id)
  }

  /// How far an upload is.
  ///
  /// - Throws: `.notFound`.
  package func uploadStatus(_ id: UploadID) throws(ArtifactError) -> UploadStatus {
    let status = try currentStatus(id)
    // A kill may have come between the last byte and the blob's name: the next one to look finishes it.
    let unfinished = status.missing.filter { $0.offset == $0.size }
    if unfinished.isEmpty { return status }
    for blob in unfinished {
      do throws(ArtifactError) {
        try append(UnsafeRawBufferPointer(start: nil, count: 0), to: blob.digest, at: blob.size, of: id, now: .min)
      } catch {
        guard error.code == .wrongDigest || error.code == .wrongOffset else { throw error }  // it begins anew
      }
    }
    return try currentStatus(id)
  }

  /// Every upload under way.
  package func uploadStatuses() throws(ArtifactError) -> [UploadStatus] {
    try state.withLock { (state) throws(ArtifactError) in
      var statuses: [UploadStatus] = []
      for id in state.uploads.keys.sorted(by: { $0.rawValue < $1.rawValue }) {
        statuses.append(try status(of: existing(id, in: state)))
      }
      return statuses
    }
  }

  /// Adds bytes to a blob of an upload. Appends to different blobs run side by side.
  ///
  /// - Returns: Where the next bytes begin. At the blob's size it is whole, checked and on the disk; bytes for a blob
  ///   that is whole already, from whatever upload, change nothing.
  /// - Throws: `.notFound`; `.wrongOffset`, `.wrongDigest`, `.full`: each with the offset to go on from;
  ///   `.invalidArgument` if there are more bytes than the manifest says.
  @discardableResult
  package func append(
    _ bytes: UnsafeRawBufferPointer, to blob: Digest, at offset: Int64, of id: UploadID, now: Int64
  ) throws(ArtifactError) -> Int64 {
    let part = try state.withLock { (state) throws(ArtifactError) in
      let upload = try existing(id, in: state)
      guard upload.missing[blob] != nil else {
        return try checkWhole(blob, of: upload, bytes.count, at: offset)
      }
      try noteActivity(id, now: now, in: &state)
      return openPart(blob, of: id, in: &state)
    }
    guard let part else { return wholeSize(blob) }
    defer { state.withLock { state in endUse(of: part, in: &state) } }
    let next = try part.append(bytes, at: offset)
    if next == part.size {
      try state.withLock { (state) throws(ArtifactError) in
        // Cancelled in the meantime, or another append was first.
        guard state.uploads[id]?.parts[blob]?.part === part else { return }
        try finish(part, in: &state)
      }
    }
    return next
  }

  /// Makes the tree, if all its blobs are there; the upload is over then. All or nothing.
  ///
  /// - Throws: `.notFound`; `.incomplete`; `.full`.
  package func completeUpload(_ id: UploadID, now: Int64) throws(ArtifactError) -> Digest {
    try state.withLock { (state) throws(ArtifactError) in
      let upload = try existing(id, in: state)
      if let first = upload.missing.keys.min() {
        let path = upload.manifest.entries.first { $0.digest == first }?.path ?? ""
        throw .init(
          .incomplete, "\(upload.missing.count) of \(upload.manifest.blobs.count) blobs are missing, the first is \(first) of '\(path)'")
      }
      try publishTree(upload.manifest, now: now, in: &state)
      try forget(id, in: &state)
      return upload.manifest.digest
    }
  }

  /// Gives an upload up. What only it needs goes away.
  ///
  /// - Throws: `.notFound`.
  package func cancelUpload(_ id: UploadID) throws(ArtifactError) {
    try state.withLock { (state) throws(ArtifactError) in
      let upload = try existing(id, in: state)
      try forget(id, in: &state)
      try removeUnreferenced(Set(upload.manifest.blobs.keys), in: &state)
    }
  }

  /// Gives up every upload to which nothing has been added since an instant, in milliseconds since 1970.
  ///
  /// - Returns: Those that it gave up.
  @discardableResult
  package func expireUploads(idleSince instant: Int64) throws(ArtifactError) -> [UploadID] {
    try state.withLock { (state) throws(ArtifactError) in
      let idle = state.uploads.values.filter { $0.lastActivity < instant && !$0.isInUse }
      for upload in idle { try forget(upload.id, in: &state) }
      try removeUnreferenced(idle.reduce(into: []) { $0.formUnion($1.manifest.blobs.keys) }, in: &state)
      return idle.map(\.id)
    }
  }

  private func existing(_ id: UploadID, in state: State) throws(ArtifactError) -> Upload {
    guard let upload = state.uploads[id] else {
      throw .init(.notFound, "there is no upload '\(id.rawValue.prefix(64))': it is over, or announce it again")
    }
    return upload
  }

  private func currentStatus(_ id: UploadID) throws(ArtifactError) -> UploadStatus {
    try state.withLock { (state) throws(ArtifactError) in try status(of: existing(id, in: state)) }
  }

  private func status(of upload: Upload) throws(ArtifactError) -> UploadStatus {
    var missing: [UploadStatus.MissingBlob] = []
    for (digest, size) in upload.missing.sorted(by: { $0.key < $1.key }) {
      let offset = try UploadPart.offset(partPath(digest, of: upload.id))
      missing.append(.init(digest: digest, size: size, offset: offset <= size ? offset : 0))
    }
    return UploadStatus(
      id: upload.id, owner: upload.owner, tree: upload.manifest.digest, missing: missing,
      totalBytes: upload.manifest.totalBytes)
  }

  private func checkRoom(
    for missing: [Digest: Int64], _ owner: String, in state: State
  ) throws(ArtifactError) {
    guard state.uploads.count < limits.maxUploads else {
      throw .init(.limitReached, "\(state.uploads.count) uploads are under way; maxUploads is \(limits.maxUploads)")
    }
    let own = state.uploads.values.count { $0.owner == owner }
    guard own < limits.maxUploadsOfOwner else {
      throw .init(
        .limitReached, "\(own) uploads of '\(owner)' are under way; maxUploadsOfOwner is \(limits.maxUploadsOfOwner)")
    }
    let needed = missing.values.reduce(0, +)
    let taken = state.blobBytes + state.announcedBytes
    guard needed <= limits.maxStoreBytes - min(taken, limits.maxStoreBytes) else {
      throw .init(
        .limitReached, "\(needed) more bytes don't fit: \(taken) are stored or announced; maxStoreBytes is \(limits.maxStoreBytes)")
    }
  }

  /// There is either the whole folder of an upload or none.
  private func makeUploadFolder(
    _ id: UploadID, _ owner: String, _ manifest: Manifest, in state: inout State
  ) throws(ArtifactError) {
    let folder = temporaryPath(&state)
    try Files.makeDirectory(folder)
    do throws(ArtifactError) {
      try Files.create("\(folder)/manifest", manifest.text)
      try Files.create("\(folder)/owner", Array(owner.utf8))
      try Files.move(folder, to: uploadPath(id))
    } catch {
      try? Files.removeTree(folder)
      throw error
    }
  }

  /// The blob of no bytes needs none sent.
  private func finishEmptyBlob(of id: UploadID, in state: inout State) throws(ArtifactError) {
    guard state.uploads[id]?.missing[.empty] != nil else { return }
    let file = temporaryPath(&state)
    try Files.create(file, [])
    try publishBlob(file, .empty, size: 0, in: &state)
  }
}
