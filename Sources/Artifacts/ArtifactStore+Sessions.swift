internal import Glibc

extension ArtifactStore.State {
  /// Bytes that uploads under way have announced and which are not whole blobs yet.
  var announcedBytes: Int64 { uploads.values.reduce(0) { $0 + $1.missing.values.reduce(0, +) } }
}

extension ArtifactStore {
  func partPath(_ blob: Digest, of id: UploadID) -> String { "\(uploadPath(id))/\(blob.hex).part" }

  /// How long an upload's activity may be newer than its file shows.
  private static let activityMilliseconds: Int64 = 60_000

  func noteActivity(_ id: UploadID, now: Int64, in state: inout State) throws(ArtifactError) {
    guard var upload = state.uploads[id] else { return }
    upload.lastActivity = max(upload.lastActivity, now)
    if upload.savedActivity < upload.lastActivity - Self.activityMilliseconds || upload.savedActivity == .min {
      try Files.setTime("\(uploadPath(id))/manifest", milliseconds: upload.lastActivity)
      upload.savedActivity = upload.lastActivity
    }
    state.uploads[id] = upload
  }

  /// The part of a blob, counted as in use by one more append.
  func openPart(_ blob: Digest, of id: UploadID, in state: inout State) -> UploadPart? {
    guard let upload = state.uploads[id], let size = upload.missing[blob] else { return nil }
    var used =
      upload.parts[blob]
      ?? .init(part: UploadPart(upload: id, digest: blob, size: size, path: partPath(blob, of: id)), uses: 0)
    used.uses += 1
    state.uploads[id]?.parts[blob] = used
    state.openParts.removeAll { $0 === used.part }
    state.openParts.append(used.part)
    if state.openParts.count > limits.maxOpenBlobs {
      let idle = state.openParts.first { state.uploads[$0.upload]?.parts[$0.digest]?.uses == 0 }
      if let idle { release(idle, in: &state) }
    }
    return used.part
  }

  func endUse(of part: UploadPart, in state: inout State) {
    guard state.uploads[part.upload]?.parts[part.digest]?.part === part else { return }
    state.uploads[part.upload]?.parts[part.digest]?.uses -= 1
  }

  /// Forgets the file of a blob, which closes it once no append needs it.
  private func release(_ part: UploadPart, in state: inout State) {
    state.openParts.removeAll { $0 === part }
    if state.uploads[part.upload]?.parts[part.digest]?.part === part {
      state.uploads[part.upload]?.parts[part.digest] = nil
    }
  }

  func finish(_ part: UploadPart, in state: inout State) throws(ArtifactError) {
    try publishBlob(part.path, part.digest, size: part.size, in: &state)
    release(part, in: &state)
  }

  /// No upload waits for this blob any more; what others have of it is not needed.
  func dropParts(of blob: Digest, in state: inout State) throws(ArtifactError) {
    for id in Array(state.uploads.keys) {  // in place: a second reference would have each blob copy all the missing ones
      guard state.uploads[id]?.missing.removeValue(forKey: blob) != nil else { continue }
      if let part = state.uploads[id]?.parts[blob]?.part { release(part, in: &state) }
      try Files.removeFile(partPath(blob, of: id))
    }
  }

  /// Bytes for a blob that is whole are taken as a repetition, if the manifest has room for them.
  func checkWhole(
    _ blob: Digest, of upload: Upload, _ count: Int, at offset: Int64
  ) throws(ArtifactError) -> UploadPart? {
    guard let size = upload.manifest.entries.first(where: { $0.digest == blob })?.size else {
      throw .init(.notFound, "the manifest of upload '\(upload.id)' has no blob \(blob)")
    }
    guard offset >= 0, offset <= size, count <= size - offset else {
      throw .init(
        .invalidArgument, "blob \(blob) has \(size) bytes and is whole; \(count) more at \(offset) are too many", offset: size)
    }
    return nil
  }

  func wholeSize(_ blob: Digest) -> Int64 {
    ((try? Files.status(blobPath(blob))) ?? nil).map { Int64($0.st_size) } ?? 0
  }

  /// Ends an upload: first for the file system, in one step, then here.
  func forget(_ id: UploadID, in state: inout State) throws(ArtifactError) {
    let leftover = temporaryPath(&state)
    try Files.move(uploadPath(id), to: leftover)
    state.openParts.removeAll { $0.upload == id }
    state.uploads[id] = nil
    try Files.removeTree(leftover)
  }

  static func missingBlobs(of manifest: Manifest, in path: String) throws(ArtifactError) -> [Digest: Int64] {
    var missing: [Digest: Int64] = [:]
    for (blob, size) in manifest.blobs {
      if try Files.status("\(path)/blobs/\(blob.hex.prefix(2))/\(blob.hex)") == nil { missing[blob] = size }
    }
    return missing
  }

  /// The uploads that an earlier process left. One whose manifest the disk lost is taken away.
  static func uploads(in path: String, _ limits: ArtifactLimits) throws(ArtifactError) -> [Upload] {
    var uploads: [Upload] = []
    for name in try Files.names(in: "\(path)/uploads") {
      let id = UploadID(rawValue: String(decoding: name, as: UTF8.self))
      let folder = "\(path)/uploads/\(id)"
      guard let upload = try? stored(id, folder, path) else {
        try Files.removeTree(folder)
        continue
      }
      uploads.append(upload)
    }
    return uploads
  }

  private static func stored(_ id: UploadID, _ folder: String, _ path: String) throws(ArtifactError) -> Upload? {
    let manifest = try Manifest.parse(Files.contents("\(folder)/manifest", limitBytes: .max), limits: boundless)
    let owner = String(decoding: try Files.contents("\(folder)/owner", limitBytes: 4096), as: UTF8.self)
    guard UploadID(owner: owner, tree: manifest.digest) == id, let status = try Files.status("\(folder)/manifest") else {
      return nil
    }
    let time = Files.time(status)
    return Upload(
      id: id, owner: owner, manifest: manifest, missing: try missingBlobs(of: manifest, in: path), lastActivity: time,
      savedActivity: time)
  }
}
