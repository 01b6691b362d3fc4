import Artifacts
import CrashTesting
import Glibc
import Testing

@Suite struct FolderTests {
  private let folder: TemporaryFolder
  private let store: ArtifactStore
  private let source: String

  init() throws {
    folder = try TemporaryFolder()
    store = try ArtifactStore(path: folder.path + "/store")
    source = folder.path + "/model"
  }

  private func refusal(_ code: ArtifactError.Code, _ body: () throws(ArtifactError) -> Void) -> String {
    do throws(ArtifactError) { try body() } catch {
      #expect(error.code == code, "\(error)")
      return error.message
    }
    return "nothing was refused"
  }

  /// The ways into the store and out of it agree: in memory, from a folder, uploaded, taken in, checked out.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func `every tree comes out as it went in, whichever way`(_ seed: UInt64) throws {
    let tree = TreeFixture(seed: seed, maxFileBytes: 3_000)
    let manifest = try tree.manifest()
    try tree.write(to: source)
    let read = try FolderManifest(of: source)
    #expect(read.manifest == manifest)
    for (digest, location) in read.locations { #expect(try Digest(of: StoreInspection.contents(location)) == digest) }

    let uploaded = seed % 2 == 0
    let digest = uploaded ? try tree.upload(to: store, pieceBytes: 700) : try store.ingest(folder: source, now: 1)
    #expect(digest == manifest.digest)
    let checkout = try store.checkout(digest)
    #expect(try FolderManifest(of: checkout).manifest == manifest)
    #expect(try store.checkout(digest) == checkout)
    #expect(try StoreInspection.flaws(in: store.path) == [])
    #expect(store.usage.blobBytes == Set(tree.files.map(\.bytes)).reduce(0) { $0 + Int64($1.count) })
  }

  @Test func `a checkout copies nothing, and its files can't be written to`() throws {
    let digest = try TreeFixture(["a/b": "bytes", "c": "bytes"]).upload(to: store)
    let checkout = try store.checkout(digest)
    var status = stat()
    #expect(stat(checkout + "/a/b", &status) == 0)
    #expect(status.st_nlink == 3)
    #expect(status.st_mode & 0o222 == 0)
  }

  @Test func `a checkout of what is not there, or no longer whole, is refused`() throws {
    let unknown = Digest(of: [1])
    #expect(refusal(.notFound) { () throws(ArtifactError) in _ = try store.checkout(unknown) }.contains(unknown.hex))
    let tree = try TreeFixture(["a": "bytes"]).upload(to: store)
    let blob = Digest(of: Array("bytes".utf8)).hex
    unlink("\(store.path)/blobs/\(blob.prefix(2))/\(blob)")
    #expect(refusal(.corrupt) { () throws(ArtifactError) in _ = try store.checkout(tree) }.contains("'a'"))
    #expect(StoreInspection.names(store.path + "/checkouts") == [])
    #expect(StoreInspection.names(store.path + "/temporary") == [])
  }

  @Test func `a link within the folder counts as its file; one that leads out is refused with both paths`() throws {
    try TreeFixture(["model": "bytes"]).write(to: source)
    symlink("model", source + "/link")
    let manifest = try FolderManifest(of: source).manifest
    #expect(manifest.entries.map(\.path) == ["link", "model"])
    #expect(try FolderManifest(of: store.checkout(store.ingest(folder: source, now: 1))).manifest == manifest)

    symlink("/etc/hostname", source + "/out")
    for _ in 0..<2 {
      let message = refusal(.invalidArgument) { () throws(ArtifactError) in _ = try store.ingest(folder: source, now: 1) }
      #expect(message.contains("'out' leads out of the folder, to '/etc/hostname'"))
    }
    unlink(source + "/out")
    mkdir(source + "-beside", 0o755)  // a name that begins like the folder's
    try TreeFixture(["f": "x"]).write(to: source + "-beside")
    symlink("../model-beside/f", source + "/out")
    #expect(refusal(.invalidArgument) { () throws(ArtifactError) in _ = try FolderManifest(of: source) }.contains("leads out"))
  }

  @Test func `what a tree can't hold is refused by name`() throws {
    func refused(_ make: (String) -> Void) throws -> String {
      let place = folder.path + "/odd\(Int.random(in: 0..<Int.max))"
      try TreeFixture(["f": "x"]).write(to: place)
      make(place)
      return refusal(.invalidArgument) { () throws(ArtifactError) in _ = try store.ingest(folder: place, now: 1) }
    }
    #expect(try refused { mkfifo($0 + "/pipe", 0o600) }.contains("'pipe' is neither a file nor a folder"))
    #expect(try refused { symlink(".", $0 + "/loop") }.contains("'loop' leads to what is no file"))
    #expect(try refused { symlink("itself", $0 + "/itself") }.contains("'itself' leads nowhere"))
    #expect(try refused { symlink("gone", $0 + "/gone") }.contains("'gone' leads nowhere"))
    #expect(try refused { mkdir($0 + "/d", 0o755); symlink("d", $0 + "/l") }.contains("'l' leads to what is no file"))
    #expect(try refused { close(open($0 + "/a\nb", O_CREAT | O_WRONLY, 0o600)) }.contains("'a\\x0ab'"))
    #expect(try refused { unlink($0 + "/f") }.contains("holds no file"))
    #expect(StoreInspection.leftovers(in: store.path) == [])
    let missing = folder.path + "/missing"
    #expect(refusal(.notFound) { () throws(ArtifactError) in _ = try FolderManifest(of: missing) }.contains(missing))
  }

  @Test func `progress goes from nothing to all of it`() throws {
    try TreeFixture(["a": "12345", "b": "123"]).write(to: source)
    for read in [
      { progress in _ = try FolderManifest(of: source, progress: progress) },
      { progress in _ = try store.ingest(folder: source, now: 1, progress: progress) },
    ] as [((FolderProgress) -> Void) throws -> Void] {
      var seen: [FolderProgress] = []
      try read { seen.append($0) }
      #expect(seen.first == FolderProgress(path: "a", bytesDone: 0, bytesTotal: 8))
      #expect(seen.last == FolderProgress(path: "b", bytesDone: 8, bytesTotal: 8))
      #expect(seen.map(\.bytesDone) == seen.map(\.bytesDone).sorted())
    }
  }

  @Test func `a folder past a limit is refused with the limit, and leaves nothing`() throws {
    try TreeFixture(["a": "12345", "b": "123"]).write(to: source)
    let changes: [(String, (inout ArtifactLimits) -> Void)] = [
      ("maxPathCount", { $0.maxPathCount = 1 }), ("maxBlobBytes", { $0.maxBlobBytes = 4 }),
      ("maxTreeBytes", { $0.maxTreeBytes = 7 }), ("maxStoreBytes", { $0.maxStoreBytes = 7 }),
    ]
    for (name, change) in changes {
      var limits = ArtifactLimits()
      change(&limits)
      let store = try ArtifactStore(path: folder.path + "/small", limits: limits)
      let message = refusal(.limitReached) { () throws(ArtifactError) in _ = try store.ingest(folder: source, now: 1) }
      #expect(message.contains(name), "\(message)")
      #expect(StoreInspection.leftovers(in: store.path) == [])
    }
  }

  @Test func `garbage is what no live tree, no upload and no young tree needs`() throws {
    let shared = "shared by the first two"
    let live = try TreeFixture(["a": shared, "b": "live"]).upload(to: store, now: 1_000)
    let dead = try TreeFixture(["a": shared, "b": "dead"]).upload(to: store, now: 1_000)
    let young = try TreeFixture(["a": "young"]).upload(to: store, now: 5_000)
    let pending = TreeFixture(["a": "pending", "b": "not sent"])
    let status = try store.beginUpload(manifest: pending.manifest().text, owner: "ada", now: 1_000)
    try store.append(Array("pending".utf8), to: Digest(of: Array("pending".utf8)), at: 0, of: status.id)
    let (kept, gone) = (try store.checkout(live), try store.checkout(dead))

    let collected = try store.collectGarbage(live: [live], keepingNewerThan: 5_000)
    #expect(collected == .init(treeCount: 1, blobCount: 1, bytes: 4))
    #expect(StoreInspection.names(store.path + "/trees") == [live.hex, young.hex].sorted())
    #expect(StoreInspection.names(kept).count == 2)
    #expect(StoreInspection.names(gone).isEmpty)
    #expect(try StoreInspection.flaws(in: store.path) == [])
    #expect(try pending.upload(to: store) == pending.manifest().digest)
    #expect(refusal(.notFound) { () throws(ArtifactError) in _ = try store.checkout(dead) }.contains(dead.hex))
  }

  @Test func `a manifest that was changed on the disk stops the collection before it takes anything`() throws {
    let tree = try TreeFixture(["a": "bytes"]).upload(to: store)
    let other = try TreeFixture(["a": "other"]).upload(to: store)
    let file = try #require(fopen("\(store.path)/trees/\(tree)", "a"))
    fputs("\n", file)
    fclose(file)
    #expect(refusal(.corrupt) { () throws(ArtifactError) in
      try store.collectGarbage(live: [tree], keepingNewerThan: .max)
    }.contains(tree.hex))
    #expect(StoreInspection.names(store.path + "/trees").contains(other.hex))
  }

  @Test func `an executable stays one`() throws {
    let script = Array("#!/bin/sh\n".utf8)
    let tree = TreeFixture(files: [.init(path: "run", bytes: script, isExecutable: true)])
    let checkout = try store.checkout(tree.upload(to: store))
    var status = stat()
    #expect(stat(checkout + "/run", &status) == 0)
    #expect(status.st_mode & 0o777 == 0o555)
  }
}
