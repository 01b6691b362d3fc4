internal import Access
internal import Artifacts
internal import Documents
internal import Glibc
internal import Stores
internal import Threads

/// `models/{name}/versions/{version}/files`: what a version holds.
extension ControlPlane {
  internal func modelFiles(_ name: String, _ version: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    let manifest = try await manifest(of: name, version, request)
    let page = try Page(request, count: manifest.entries.count)
    let values = manifest.entries[page.range].map { entry -> Document in
      [
        "path": .string(entry.path), "size": .int(Int(entry.size)), "sha256": .string(entry.digest.hex),
        "isExecutable": .bool(entry.isExecutable),
      ]
    }
    return ControlResponse(status: 200, body: page.answer(values))
  }

  /// The manifest of a version's files: one line of JSON for each.
  ///
  /// - Throws: `.notFound`; `.unauthenticated` and `.forbidden`.
  package func modelManifest(
    _ name: String, _ version: String, _ request: ControlRequest
  ) async throws(ControlError) -> [UInt8] {
    do { return try await manifest(of: name, version, request).text } catch { throw ControlError(anything: error) }
  }

  /// Opens one file of a version.
  ///
  /// - Parameter path: Within the version's tree, with `/` between folders.
  /// - Throws: `.notFound`, also for a path that leaves the tree; `.unauthenticated` and `.forbidden`.
  package func modelFile(
    _ name: String, _ version: String, path: String, _ request: ControlRequest
  ) async throws(ControlError) -> ModelFileReading {
    do {
      let manifest = try await manifest(of: name, version, request)
      guard let entry = manifest.entries.first(where: { $0.path.utf8.elementsEqual(path.utf8) }) else {
        throw ControlError(.notFound, "version '\(version)' of model '\(name)' has no file '\(path.prefix(256))'")
      }
      let tree = manifest.digest
      let folder = try await uploadWork { store throws(ArtifactError) in try store.checkout(tree) }
      return try ModelFileReading(location: "\(folder)/\(entry.path)", entry: entry)
    } catch { throw ControlError(anything: error) }
  }

  private func manifest(of name: String, _ version: String, _ request: ControlRequest) async throws -> Manifest {
    try require(.readModel, request)
    let asset = try await store.read { store in
      version == "latest" ? try store.models(name).last { !$0.isArchived } : try store.model(name, version)
    }
    guard let asset, let tree = Digest(hex: asset.tree) else { throw ControlPlane.noVersion(version, of: "model", name) }
    return try await uploadWork { store throws(ArtifactError) in try store.manifest(tree) }
  }
}

/// One file of a model on its way to somebody, read piece by piece.
package final class ModelFileReading: Sendable {
  /// Largest piece.
  private static let pieceBytes = 1 << 20

  package let size: Int64
  /// 64 hexadecimal digits.
  package let sha256: String
  private let descriptor: Int32
  private let offset = Locked<Int64>(0)

  internal init(location: String, entry: ManifestEntry) throws(ControlError) {
    descriptor = open(location, O_RDONLY | O_CLOEXEC)
    size = entry.size
    sha256 = entry.digest.hex
    guard descriptor >= 0 else { throw ControlError(.internalError, "'\(entry.path)' can't be read: errno \(errno)") }
  }

  deinit { close(descriptor) }

  /// The next bytes; none at the end. Called by one reader, piece after piece.
  package func next() async throws(ControlError) -> [UInt8] {
    let start = offset.withLock { $0 }
    let wanted = Int(min(Int64(Self.pieceBytes), size - start))
    guard wanted > 0 else { return [] }
    let (bytes, code) = await onOwnThread { [descriptor] () -> ([UInt8], Int32) in
      var code: Int32 = 0
      let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
        let read = pread(descriptor, buffer.baseAddress, wanted, off_t(start))
        code = read < 0 ? errno : 0
        count = max(read, 0)
      }
      return (bytes, code)
    }
    // It has as many bytes as its entry says, or the disk lies.
    guard code == 0, !bytes.isEmpty else { throw ControlError(.internalError, "a model's file can't be read: errno \(code)") }
    offset.withLock { $0 = start + Int64(bytes.count) }
    return bytes
  }
}
