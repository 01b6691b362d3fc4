import Artifacts
import CrashTesting
import Testing

/// A process uploads, checks out, takes in and collects, and is killed at each of its system calls in turn; the
/// directory that it leaves is looked at without the store's help, and then the same work is done to its end.
@Suite struct ArtifactCrashTests {
  private static let seed: UInt64 = 11

  @Test func `a kill at any step leaves nothing that looks complete and is not, and the work can go on`() async throws {
    try await onOwnThread {
      let steps = try forEachFault("kill") { subject, step in
        #expect(subject.wasKilled, "step \(step)")
      }
      #expect(steps > 100)
    }
  }

  @Test func `a disk that fills up at any step is named, and the same call works once there is room`() async throws {
    try await onOwnThread {
      var refusals = 0
      try forEachFault("full", every: 3) { subject, step in
        #expect(!subject.wasKilled && subject.lines.last?.hasPrefix("end") == true, "step \(step): \(subject.lines)")
        let refusal = subject.lines.first { $0.hasPrefix("full") }
        if let refusal { #expect(refusal.contains("make room"), "\(refusal)") }
        refusals += refusal == nil ? 0 : 1
      }
      #expect(refusals > 10)
    }
  }

  /// Most steps of an opening make folders that are there already, so only some are tried.
  @Test func `a kill in the midst of an opening does no harm`() async throws {
    try await onOwnThread {
      for step in [1, 2, 5, 6, 7, 100, 262, 263] {
        let folder = try TemporaryFolder()
        let subject = try Subject.runBlocking(["opening", folder.path + "/store", "kill=\(step)"])
        #expect(subject.wasKilled, "step \(step): \(subject.lines)")
        _ = try TreeFixture(seed: 1).upload(to: ArtifactStore(path: folder.path + "/store"))
        #expect(try StoreInspection.flaws(in: folder.path + "/store") == [])
      }
    }
  }

  /// - Returns: How many steps the work has.
  @discardableResult
  private func forEachFault(_ fault: String, every stride: Int = 1, _ check: (Subject, Int) throws -> Void) throws -> Int {
    let source = try TemporaryFolder()
    try TreeFixture(seed: Self.seed + 2).write(to: source.path + "/model")
    func run(_ path: String, _ fault: String) throws -> Subject {
      try Subject.runBlocking(["artifacts", path, "\(Self.seed)", source.path + "/model", fault])
    }
    let whole = try TemporaryFolder()
    let end = try #require(try run(whole.path, "none").lines.last)
    let steps = try #require(end.hasPrefix("end ") ? Int(end.dropFirst(4)) : nil)
    for step in Swift.stride(from: 1, through: steps, by: stride) {
      let folder = try TemporaryFolder()
      let subject = try run(folder.path, "\(fault)=\(step)")
      try check(subject, step)
      let store = try ArtifactStore(path: folder.path)
      #expect(try StoreInspection.flaws(in: folder.path) == [], "step \(step)")
      // What was said to be there is there, unless it was given up since.
      let given = Set(subject.lines.compactMap { $0.hasPrefix("dead ") ? $0.dropFirst(5) : nil })
      for line in subject.lines where line.hasPrefix("tree ") && !given.contains(line.dropFirst(5)) {
        #expect(throws: Never.self, "step \(step)") { try store.manifest(Digest(hex: line.dropFirst(5))!) }
      }
      let rest = try run(folder.path, "none")
      #expect(rest.lines.last?.hasPrefix("end") == true, "step \(step): \(rest.lines)")
      #expect(try StoreInspection.flaws(in: folder.path) == [], "step \(step), at the end")
      let reopened = try ArtifactStore(path: folder.path)
      #expect(reopened.usage.uploadCount == 0, "step \(step)")
      try reopened.collectGarbage(live: [], keepingNewerThan: .max)
      #expect(StoreInspection.leftovers(in: folder.path) == [], "step \(step)")
      #expect(reopened.usage == .init(), "step \(step)")
    }
    return steps
  }
}
