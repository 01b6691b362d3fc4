import Artifacts
import CFaults
import CrashTesting

/// Uploads two trees, checks them out, takes a folder in and collects garbage: `artifacts PATH SEED FOLDER FAULT`.
///
/// When the disk is full it says so, gets room, and does the same thing again.
enum ArtifactSubject {
  static func run(_ arguments: [String]) throws {
    let (path, seed) = (arguments[0], UInt64(arguments[1])!)
    let first = TreeFixture(seed: seed)
    var second = TreeFixture(seed: seed + 1)
    second.files.append(.init(path: "shared", bytes: first.files[0].bytes, isExecutable: first.files[0].isExecutable))
    let store = try ArtifactStore(path: path)
    CrashSubject.setFault(arguments[3])

    let firstTree = try again { try first.upload(to: store) }
    CrashSubject.say("tree \(firstTree)")
    _ = try again { try store.checkout(firstTree) }
    let secondTree = try again { try second.upload(to: store) }
    CrashSubject.say("tree \(secondTree)")
    let ingested = try again { try store.ingest(folder: arguments[2], now: 1_000) }
    CrashSubject.say("tree \(ingested)")
    CrashSubject.say("dead \(firstTree)")
    try again {
      _ = try store.collectGarbage(live: [secondTree, ingested], keepingNewerThan: 2_000)
    }
    _ = try again { try store.checkout(secondTree) }
    CrashSubject.say("end \(faults_steps())")
  }

  private static func again<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as ArtifactError where error.code == .full {
      CrashSubject.say("full \(error.message)")
      faults_full_from(0)
      return try body()
    }
  }
}
