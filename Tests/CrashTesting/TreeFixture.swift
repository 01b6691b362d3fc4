package import Artifacts
internal import Glibc

/// The files of a tree, in memory.
package struct TreeFixture: Sendable {
  package struct File: Sendable {
    package var path: String
    package var bytes: [UInt8]
    package var isExecutable: Bool

    package init(path: String, bytes: [UInt8], isExecutable: Bool) {
      self.path = path
      self.bytes = bytes
      self.isExecutable = isExecutable
    }
  }

  package var files: [File]

  package init(files: [File]) { self.files = files }

  /// Files with contents of a line each.
  package init(_ contents: KeyValuePairs<String, String>) {
    files = contents.map { File(path: $0, bytes: Array($1.utf8), isExecutable: false) }
  }

  /// Files in nested folders, some of them equal, some empty, some executable.
  ///
  /// The first byte of a content says whether it is executable, so that equal contents agree in that.
  package init(seed: UInt64, maxFileBytes: Int = 40_000) {
    var random = SplitMix(seed: seed)
    var paths: Set<String> = []
    let names = ["model.onnx", "a b", "é", "weights-0", "config.pbtxt", ".hidden", "ü/ß", "x;rm -rf", "𝄞", "a+b"]
    for _ in 0..<Int.random(in: 1...8, using: &random) {
      let depth = Int.random(in: 0...3, using: &random)
      let folder = (0..<depth).map { _ in "d\(Int.random(in: 0..<3, using: &random))/" }.joined()
      paths.insert(folder + names.randomElement(using: &random)!)
    }
    let contents = (0..<5).map { _ in
      let count = [0, 1, Int.random(in: 2...maxFileBytes, using: &random)].randomElement(using: &random)!
      return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
    files = paths.sorted().map { path in
      let bytes = contents.randomElement(using: &random)!
      return File(path: path, bytes: bytes, isExecutable: bytes.first ?? 1 < 60)
    }
  }

  package func manifest(limits: ArtifactLimits = ArtifactLimits()) throws(ArtifactError) -> Manifest {
    try Manifest(
      entries: files.map {
        ManifestEntry(
          path: $0.path, size: Int64($0.bytes.count), digest: Digest(of: $0.bytes), isExecutable: $0.isExecutable)
      }, limits: limits)
  }

  package func bytes(of digest: Digest) -> [UInt8]? { files.first { Digest(of: $0.bytes) == digest }?.bytes }

  /// Makes the folder.
  package func write(to folder: String) throws {
    mkdir(folder, 0o755)
    for file in files {
      let parts = file.path.split(separator: "/")
      for count in 1..<max(1, parts.count) { mkdir(folder + "/" + parts[..<count].joined(separator: "/"), 0o755) }
      let descriptor = open("\(folder)/\(file.path)", O_WRONLY | O_CREAT | O_EXCL, 0o600)
      guard descriptor >= 0 else { throw TestFailure("open \(file.path): errno \(errno)") }
      defer { close(descriptor) }
      guard Glibc.write(descriptor, file.bytes, file.bytes.count) == file.bytes.count else {
        throw TestFailure("write \(file.path): errno \(errno)")
      }
      fchmod(descriptor, file.isExecutable ? 0o755 : 0o644)
    }
  }

  /// Uploads what is missing, in pieces, from where it stopped, and completes.
  package func upload(
    to store: ArtifactStore, owner: String = "ada", pieceBytes: Int = 16_000, now: Int64 = 1_000
  ) throws(ArtifactError) -> Digest {
    let status = try store.beginUpload(manifest: manifest().text, owner: owner, now: now)
    for blob in status.missing {
      guard let bytes = bytes(of: blob.digest) else { continue }
      var offset = Int(blob.offset)
      while offset < bytes.count {
        let piece = Array(bytes[offset..<min(bytes.count, offset + pieceBytes)])
        offset = Int(try store.append(piece, to: blob.digest, at: Int64(offset), of: status.id, now: now))
      }
    }
    return try store.completeUpload(status.id, now: now)
  }
}

extension ArtifactStore {
  @discardableResult
  package func append(
    _ bytes: [UInt8], to blob: Digest, at offset: Int64, of id: UploadID, now: Int64 = 1_000
  ) throws(ArtifactError) -> Int64 {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(ArtifactError) in try append(bytes, to: blob, at: offset, of: id, now: now) }
    }
    return try result.get()
  }
}
