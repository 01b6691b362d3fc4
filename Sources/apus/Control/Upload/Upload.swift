internal import Artifacts
internal import Documents
internal import Foundation

/// Brings a file or folder to the server's store.
///
/// The server is told what there is, and says what it lacks and from where: what it has, from this or any other upload, is
/// not sent again. So an upload that was cut off goes on where it stopped when the command is run again; a connection that
/// breaks is taken up again by itself, `maxAttempts` times in a row.
struct Upload {
  let client: ControlClient
  let isQuiet: Bool

  static let maxAttempts = 6
  /// One request's share of a file: what is lost at most when a connection breaks before the server has taken it in.
  static let requestBytes: Int64 = 64 << 20

  /// - Returns: The tree's digest, by which a model version names its content.
  func send(_ path: String) async throws -> Digest {
    let name = (path as NSString).lastPathComponent
    let reading = TransferProgress("reading \(name)", isQuiet: isQuiet)
    let tree = try LocalTree(at: path) { reading.show(done: $0, total: $1) }
    reading.end()
    let text = Document.string(String(decoding: tree.manifest.text, as: UTF8.self))
    let opened = try await client.send(.post, "/uploads", body: ["manifest": text]).body
    guard let id = opened["uploadId"]?.string else {
      throw UnreachableError("\(client.session.address) answered an upload without an uploadId: is it an Apus server?")
    }
    let upload = "/uploads/\(Session.escaped(id))"
    let missing = try Upload.missing(in: opened)
    let sizes = Dictionary(tree.manifest.entries.map { ($0.digest, $0.size) }) { first, _ in first }
    let wanted = missing.reduce(Int64(0)) { $0 + (sizes[$1.digest] ?? 0) - $1.offset }
    let progress = TransferProgress("sending \(name)", isQuiet: isQuiet, total: wanted)
    if wanted > 0, wanted < tree.manifest.totalBytes {
      progress.say("sending \(name): the server has \(ByteText.size(tree.manifest.totalBytes - wanted)) of it already")
    }
    for blob in missing {
      guard let source = tree.sources[blob.digest], let size = sizes[blob.digest] else {
        throw UnreachableError("\(client.session.address) asks for a content that was not offered: \(blob.digest)")
      }
      try await send(blob, size: size, from: source, to: upload, progress)
    }
    let done = try await client.send(.post, "\(upload)/complete", body: .object(.init())).body
    progress.end()
    guard let digest = done["digest"]?.string, digest == tree.manifest.digest.hex else {
      throw UnreachableError("\(client.session.address) has made another content of the upload than was sent")
    }
    return tree.manifest.digest
  }

  private struct Missing {
    let digest: Digest
    let offset: Int64
  }

  private static func missing(in answer: Document) throws -> [Missing] {
    try (answer["missing"]?.array ?? []).map { blob in
      guard let digest = blob["sha256"]?.string.flatMap({ Digest(hex: $0) }) else {
        throw UnreachableError("the server says that something is missing, but not what")
      }
      return Missing(digest: digest, offset: Int64(blob["offset"]?.int ?? 0))
    }
  }

  private func send(
    _ blob: Missing, size: Int64, from source: String, to upload: String, _ progress: TransferProgress
  ) async throws {
    var offset = blob.offset
    var failures = 0
    // A request broke: the server may have taken in more or less of it than was sent.
    var isUncertain = false
    while offset < size {
      let count = min(size - offset, Upload.requestBytes)
      do {
        if isUncertain {
          let left = try await Upload.missing(in: client.send(.get, upload).body)
          let now = left.first { $0.digest == blob.digest }?.offset ?? size
          progress.place(correctedBy: now - offset, sent: count)
          offset = now
          isUncertain = false
          continue
        }
        let start = offset
        _ = try await client.send(
          .patch, "\(upload)/blobs/\(blob.digest)",
          headers: [
            "content-range": "bytes \(start)-\(start + count - 1)/\(size)", "content-type": "application/octet-stream",
          ], length: count
        ) { FileChunks(path: source, offset: start, count: count) { progress.add($0) } }
        offset += count
        failures = 0
      } catch let error where Upload.isWorthAnotherTry(error) {
        isUncertain = true
        failures += 1
        if failures == Upload.maxAttempts { throw error }
        try await Task.sleep(for: .milliseconds(250 << failures))
        progress.say("\(error); going on")
      }
    }
  }

  private static func isWorthAnotherTry(_ error: any Error) -> Bool {
    switch error {
    case is UnreachableError: true
    // 409: the offset is another than we think. 5xx and 429: later; but a full disk (507) stays full.
    case let error as ControlError: error.status == 409 || error.status == 429 || (error.status >= 500 && error.status != 507)
    default: false
    }
  }
}
