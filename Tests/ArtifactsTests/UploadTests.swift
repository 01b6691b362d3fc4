import Artifacts
import CrashTesting
import Testing

@Suite struct UploadTests {
  private let folder: TemporaryFolder
  private let store: ArtifactStore
  private let tree = TreeFixture(["a": "the first file", "b/c": "the second file", "empty": ""])

  init() throws {
    folder = try TemporaryFolder()
    store = try ArtifactStore(path: folder.path)
  }

  private func digest(_ text: String) -> Digest { Digest(of: Array(text.utf8)) }

  private func begin(_ store: ArtifactStore, now: Int64 = 1_000, owner: String = "ada") throws -> UploadStatus {
    try store.beginUpload(manifest: tree.manifest().text, owner: owner, now: now)
  }

  private func refusal(_ code: ArtifactError.Code, _ body: () throws(ArtifactError) -> Void) -> ArtifactError? {
    do throws(ArtifactError) { try body() } catch {
      #expect(error.code == code, "\(error)")
      return error
    }
    Issue.record("nothing was refused")
    return nil
  }

  @Test func `an upload says what is missing, takes it in pieces, and makes the tree`() throws {
    let status = try begin(store)
    let manifest = try tree.manifest()
    #expect(status.tree == manifest.digest)
    #expect(Set(status.missing.map(\.digest)) == [digest("the first file"), digest("the second file")])
    #expect(status.missing.allSatisfy { $0.offset == 0 })
    #expect(try store.append(Array("the first".utf8), to: digest("the first file"), at: 0, of: status.id) == 9)
    #expect(try store.uploadStatus(status.id).missing.first { $0.digest == digest("the first file") }?.offset == 9)
    #expect(try store.append(Array(" file".utf8), to: digest("the first file"), at: 9, of: status.id) == 14)
    let error = refusal(.incomplete) { () throws(ArtifactError) in _ = try store.completeUpload(status.id, now: 1) }
    #expect(error?.message.contains("'b/c'") == true && error?.message.contains("1 of 3") == true)
    try store.append(Array("the second file".utf8), to: digest("the second file"), at: 0, of: status.id)
    #expect(try store.completeUpload(status.id, now: 1_000) == manifest.digest)
    #expect(try store.manifest(manifest.digest) == manifest)
    #expect(try StoreInspection.flaws(in: folder.path) == [])
    _ = refusal(.notFound) { () throws(ArtifactError) in _ = try store.uploadStatus(status.id) }
  }

  @Test func `a tree whose blobs are all there needs no bytes`() throws {
    let first = try tree.upload(to: store)
    let status = try begin(store)
    #expect(status.missing == [])
    #expect(try store.completeUpload(status.id, now: 2_000) == first)
  }

  @Test func `an upload that is announced again goes on where it stopped, also in another process`() throws {
    let bytes = Array("the second file".utf8)
    let status = try begin(store)
    try store.append(Array(bytes[..<4]), to: Digest(of: bytes), at: 0, of: status.id)
    #expect(try begin(store).id == status.id)
    #expect(try begin(store, owner: "grace").id != status.id)

    let reopened = try ArtifactStore(path: folder.path)
    let resumed = try begin(reopened)
    #expect(resumed.id == status.id)
    #expect(resumed.missing.first { $0.digest == Digest(of: bytes) }?.offset == 4)
    #expect(try reopened.append(Array(bytes[4...]), to: Digest(of: bytes), at: 4, of: status.id) == 15)
    #expect(try tree.upload(to: reopened) == tree.manifest().digest)
    #expect(try StoreInspection.flaws(in: folder.path) == [])
  }

  @Test func `bytes that leave a hole or repeat are refused with where to go on`() throws {
    let blob = digest("the second file")
    let status = try begin(store)
    try store.append(Array("the ".utf8), to: blob, at: 0, of: status.id)
    for offset in [0, 3, 5, 99, -1] as [Int64] {
      let error = refusal(.wrongOffset) { () throws(ArtifactError) in
        try store.append(Array("x".utf8), to: blob, at: offset, of: status.id)
      }
      #expect(error?.offset == 4 && error?.message.contains("4 of 15") == true)
    }
  }

  @Test func `more bytes than announced are refused before any is taken`() throws {
    let blob = digest("the second file")
    let status = try begin(store)
    let error = refusal(.invalidArgument) { () throws(ArtifactError) in
      try store.append(Array("the second file and more".utf8), to: blob, at: 0, of: status.id)
    }
    #expect(error?.message.contains("15 bytes; 24 more") == true)
    #expect(try store.uploadStatus(status.id).missing.allSatisfy { $0.offset == 0 })
  }

  @Test func `other bytes than announced are thrown away, and the blob begins anew`() throws {
    let blob = digest("the second file")
    let status = try begin(store)
    try store.append(Array("the sec".utf8), to: blob, at: 0, of: status.id)
    let error = refusal(.wrongDigest) { () throws(ArtifactError) in
      try store.append(Array("XXX file".utf8), to: blob, at: 7, of: status.id)
    }
    #expect(error?.message.contains(digest("the secXXX file").hex) == true && error?.offset == 0)
    #expect(try store.uploadStatus(status.id).missing.allSatisfy { $0.offset == 0 })
    #expect(try tree.upload(to: store) == tree.manifest().digest)
  }

  @Test func `a blob that is not of the manifest, and an upload that is none, are refused`() throws {
    let status = try begin(store)
    _ = refusal(.notFound) { () throws(ArtifactError) in
      try store.append([1], to: digest("another"), at: 0, of: status.id)
    }
    let other = UploadID(rawValue: "../../etc")
    _ = refusal(.notFound) { () throws(ArtifactError) in try store.append([1], to: digest("a"), at: 0, of: other) }
    _ = refusal(.notFound) { () throws(ArtifactError) in _ = try store.completeUpload(other, now: 1) }
  }

  @Test func `a repetition of what is whole changes nothing`() throws {
    let status = try begin(store)
    let bytes = Array("the second file".utf8)
    for _ in 0..<2 { #expect(try store.append(bytes, to: Digest(of: bytes), at: 0, of: status.id) == 15) }
    _ = refusal(.invalidArgument) { () throws(ArtifactError) in
      try store.append(bytes, to: Digest(of: bytes), at: 1, of: status.id)
    }
  }

  @Test func `a blob that one upload finishes is there for all`() throws {
    let bytes = Array("the second file".utf8)
    let one = try begin(store, owner: "ada")
    let two = try begin(store, owner: "grace")
    try store.append(Array(bytes[..<5]), to: Digest(of: bytes), at: 0, of: one.id)
    try store.append(Array(bytes), to: Digest(of: bytes), at: 0, of: two.id)
    #expect(try store.uploadStatus(one.id).missing.map(\.digest) == [digest("the first file")])
    #expect(try store.append(Array(bytes[5...]), to: Digest(of: bytes), at: 5, of: one.id) == 15)
    #expect(try tree.upload(to: store, owner: "ada") == tree.upload(to: store, owner: "grace"))
    #expect(store.usage == .init(blobCount: 3, blobBytes: 29))
  }

  /// Four threads, two owners, trees that share blobs; whoever meets another's bytes looks where to go on.
  @Test func `uploads that share blobs run at once, from several threads each`() async throws {
    let store = store
    let trees = (0..<4).map { number in
      TreeFixture(files: (0..<6).map { file in
        .init(path: "f\(file)", bytes: Array(repeating: UInt8(file + (file == 0 ? number : 0)), count: 30_000 + file), isExecutable: false)
      })
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          try await onOwnThread {
            let tree = trees[thread % 4]
            while true {
              do throws(ArtifactError) {
                let digest = try tree.upload(to: store, owner: "owner \(thread % 2)", pieceBytes: 7_000)
                #expect(try digest == tree.manifest().digest)
                return
              } catch {
                // Another thread of the same upload was faster: with these bytes, or with all of it.
                guard [.wrongOffset, .notFound, .incomplete].contains(error.code) else { throw error }
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try StoreInspection.flaws(in: folder.path) == [])
    #expect(store.usage.uploadCount == 0)
    #expect(StoreInspection.names(folder.path + "/trees").count == 4)
  }

  @Test func `more open blobs than the limit cost time, not correctness`() throws {
    var limits = ArtifactLimits()
    limits.maxOpenBlobs = 2
    let store = try ArtifactStore(path: folder.path, limits: limits)
    let tree = TreeFixture(files: (0..<6).map { number in
      .init(path: "\(number)", bytes: (0..<100).map { UInt8($0 ^ number) }, isExecutable: false)
    })
    let status = try store.beginUpload(manifest: tree.manifest().text, owner: "ada", now: 1)
    for offset in stride(from: 0, to: 100, by: 20) {
      for file in tree.files {
        try store.append(Array(file.bytes[offset..<offset + 20]), to: Digest(of: file.bytes), at: Int64(offset), of: status.id)
      }
    }
    #expect(try store.completeUpload(status.id, now: 1) == tree.manifest().digest)
    #expect(try StoreInspection.flaws(in: folder.path) == [])
  }

  @Test func `an upload that nothing was added to for long is given up, with all that only it had`() throws {
    let kept = try TreeFixture(["a": "the first file"]).upload(to: store)
    let status = try begin(store, now: 1_000)
    try store.append(Array("the second file".utf8), to: digest("the second file"), at: 0, of: status.id, now: 500_000)
    #expect(try store.expireUploads(idleSince: 500_000) == [])
    #expect(try ArtifactStore(path: folder.path).expireUploads(idleSince: 500_000) == [], "the activity is kept on the disk")
    #expect(try store.expireUploads(idleSince: 500_001) == [status.id])
    #expect(
      Set(StoreInspection.leftovers(in: folder.path)) == ["blobs/\(digest("the first file"))", "trees/\(kept)"])
    #expect(store.usage == .init(blobCount: 1, blobBytes: 14))
  }

  @Test func `a cancelled upload leaves nothing behind`() throws {
    let status = try begin(store)
    try store.append(Array("the second file".utf8), to: digest("the second file"), at: 0, of: status.id)
    try store.append(Array("the".utf8), to: digest("the first file"), at: 0, of: status.id)
    try store.cancelUpload(status.id)
    #expect(StoreInspection.leftovers(in: folder.path) == [])
    _ = refusal(.notFound) { () throws(ArtifactError) in
      try store.append(Array("x".utf8), to: digest("the first file"), at: 3, of: status.id)
    }
  }

  @Test func `the limits on uploads are named`() throws {
    var limits = ArtifactLimits()
    limits.maxUploads = 3
    limits.maxUploadsOfOwner = 2
    limits.maxStoreBytes = 40
    let store = try ArtifactStore(path: folder.path, limits: limits)
    func begin(_ text: String, _ owner: String) throws(ArtifactError) {
      _ = try store.beginUpload(manifest: TreeFixture(["f": text]).manifest().text, owner: owner, now: 1)
    }
    try begin("one", "ada")
    try begin("two", "ada")
    let own = refusal(.limitReached) { () throws(ArtifactError) in try begin("three", "ada") }
    #expect(own?.message.contains("maxUploadsOfOwner is 2") == true)
    let bytes = refusal(.limitReached) { () throws(ArtifactError) in
      try begin(String(repeating: "x", count: 35), "grace")
    }
    #expect(bytes?.message.contains("maxStoreBytes is 40") == true)
    try begin(String(repeating: "x", count: 34), "grace")
    let all = refusal(.limitReached) { () throws(ArtifactError) in try begin("", "alan") }
    #expect(all?.message.contains("maxUploads is 3") == true)
    try begin("one", "ada")  // no new one
  }
}
