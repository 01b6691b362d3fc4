internal import Access
internal import Artifacts
internal import Documents
internal import Stores
internal import Telemetry

/// `uploads`: the files of models on their way in. Resumable, and checked against their digests.
///
/// ```
/// POST uploads {manifest} ─▶ what is missing, and from where
/// PATCH uploads/{id}/blobs/{sha256} (Content-Range) ─▶ `append`, streamed by the gateway
/// POST uploads/{id}/complete ─▶ the digest that a model's `modelUri` names
/// ```
extension ControlPlane {
  internal func beginUpload(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, .post, for: request)
    if request.method == .get {
      try require(.readUpload, request)
      let all = try await uploadWork { store throws(ArtifactError) in try store.uploadStatuses() }
      let own = all.filter { $0.owner == request.principal?.id.description }
      return ControlResponse(status: 200, body: ["value": .array(own.map(ControlPlane.rendered))])
    }
    try require(.writeUpload, request)
    let body = try requireBody(request)
    guard let manifest = body["manifest"]?.string else {
      throw ControlError(.badArgument, "manifest is \(body["manifest"]?.quoted ?? "missing"): expected the text of a manifest")
    }
    let owner = request.principal?.id.description ?? ""
    let now = clock()
    let status = try await uploadWork { store throws(ArtifactError) in
      try store.beginUpload(manifest: Array(manifest.utf8), owner: owner, now: now)
    }
    return ControlResponse(status: 201, body: ControlPlane.rendered(status))
  }

  internal func upload(_ id: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, .delete, for: request)
    try require(request.method == .get ? .readUpload : .writeUpload, request)
    let id = UploadID(rawValue: id)
    let status = try await ownUpload(id, request.principal)
    guard request.method == .delete else { return ControlResponse(status: 200, body: ControlPlane.rendered(status)) }
    try await uploadWork { store throws(ArtifactError) in try store.cancelUpload(id) }
    return ControlResponse(status: 200)
  }

  internal func uploadAction(_ id: String, _ action: String, _ request: ControlRequest) async throws -> ControlResponse {
    guard action == "complete" else { throw ControlError(.notFound, "an upload has nothing called '\(action)'") }
    try allow(.post, for: request)
    try require(.writeUpload, request)
    let id = UploadID(rawValue: id)
    _ = try await ownUpload(id, request.principal)
    let now = clock()
    let tree = try await uploadWork { store throws(ArtifactError) in try store.completeUpload(id, now: now) }
    return ControlResponse(
      status: 200, body: ["digest": .string(tree.hex), "modelUri": .string(ModelAsset.scheme + tree.hex)])
  }

  /// Whether somebody may add bytes to an upload: asked once for each stretch of them, before the first.
  package func checkUpload(_ id: String, _ request: ControlRequest) async throws(ControlError) {
    try require(.writeUpload, request)
    do { _ = try await ownUpload(UploadID(rawValue: id), request.principal) } catch let error as ControlError {
      throw error
    } catch { throw ControlError(.internalError, "\(error)") }
  }

  /// Adds bytes to a blob of an upload; see `checkUpload`.
  ///
  /// - Returns: Where the next bytes begin.
  package func append(
    _ bytes: [UInt8], toBlob sha256: String, at offset: Int64, ofUpload id: String
  ) async throws(ControlError) -> Int64 {
    guard let digest = Digest(hex: sha256) else {
      throw ControlError(.badArgument, "'\(sha256.prefix(80))' is no SHA-256: expected 64 hexadecimal digits in lower case")
    }
    let now = clock()
    return try await uploadWork { store throws(ArtifactError) in
      let result = bytes.withUnsafeBytes { bytes in
        Result { () throws(ArtifactError) in
          try store.append(bytes, to: digest, at: offset, of: UploadID(rawValue: id), now: now)
        }
      }
      return try result.get()
    }
  }

  /// - Throws: `.notFound`, also for somebody else's upload.
  private func ownUpload(_ id: UploadID, _ principal: Principal?) async throws -> UploadStatus {
    let status = try await uploadWork { store throws(ArtifactError) in try store.uploadStatus(id) }
    guard status.owner == principal?.id.description else {
      throw ControlError(.notFound, "there is no upload '\(id)': it is completed, cancelled or too old")
    }
    return status
  }

  internal func uploadWork<Value: Sendable>(
    _ work: @escaping @Sendable (ArtifactStore) throws(ArtifactError) -> Value
  ) async throws(ControlError) -> Value {
    let result = await onOwnThread { [artifacts] in Result { () throws(ArtifactError) in try work(artifacts) } }
    do throws(ArtifactError) { return try result.get() } catch { throw ControlError(error) }
  }

  private static func rendered(_ status: UploadStatus) -> Document {
    [
      "uploadId": .string(status.id.rawValue), "digest": .string(status.tree.hex), "totalBytes": .int(Int(status.totalBytes)),
      "missing": .array(
        status.missing.map {
          ["sha256": .string($0.digest.hex), "size": .int(Int($0.size)), "offset": .int(Int($0.offset))]
        }),
    ]
  }

  // MARK: - What nobody needs any more

  /// An upload that nothing was added to for so long is given up.
  internal static let uploadIdleMilliseconds: Int64 = 7 * 86_400_000
  /// A completed upload has so long to become a model.
  internal static let treeGraceMilliseconds: Int64 = 86_400_000

  /// Takes away abandoned uploads, and files that no model refers to.
  internal func collectGarbage() {
    let now = clock()
    work.start { [self] in
      do {
        let live = try await store.read { store in
          try store.allRecords(ModelAsset.kind).compactMap { Digest(hex: try ModelAsset(stored: $0).tree) }
        }
        let collected = try await uploadWork { store throws(ArtifactError) in
          try store.expireUploads(idleSince: now - ControlPlane.uploadIdleMilliseconds)
          return try store.collectGarbage(live: Set(live), keepingNewerThan: now - ControlPlane.treeGraceMilliseconds)
        }
        if collected.treeCount > 0 {
          log.info("took files away that no model refers to", ["trees": "\(collected.treeCount)", "bytes": "\(collected.bytes)"])
        }
      } catch {
        log.warning("files that nobody needs could not be taken away", ["error": "\(error)"])
      }
    }
  }
}

extension ControlError {
  internal init(_ error: ArtifactError) {
    let code: Code =
      switch error.code {
      case .invalidArgument: .badArgument
      case .notFound: .notFound
      case .wrongOffset, .wrongDigest, .incomplete: .conflict
      case .limitReached: .tooLarge
      case .full: .storageFull
      case .corrupt: .internalError
      case .unavailable: .unavailable
      }
    self.init(code, error.message, details: error.offset.map { ["offset: \($0)"] } ?? [])
  }
}
