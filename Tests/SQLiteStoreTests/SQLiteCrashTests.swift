import CrashTesting
import SQLiteStore
import Stores
import Testing

/// A process runs a script of numbered writes and says which are done; it is killed, and what it left is compared with
/// the same script run in memory. The writes go on from there, in the same file, so that damage would pile up.
@Suite struct SQLiteCrashTests {
  /// The moment is a system call: every file stands as it did just before it, or in the middle of a write.
  @Test(arguments: [1, 2] as [UInt64])
  func `what is acknowledged survives a kill at any system call, and nothing is half done`(_ seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    try await survive(seed: seed, rounds: 60) { path, seed in
      // A write takes some five steps, opening and recovery a few more.
      let fault = "kill=\(Int.random(in: 1...120, using: &random))"
      return try await Subject.run(["catalogue", path, "\(seed)", "60", fault])
    }
  }

  /// The moment is anywhere between two system calls too.
  @Test(arguments: [3, 4] as [UInt64])
  func `what is acknowledged survives a kill from outside, and nothing is half done`(_ seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    try await survive(seed: seed, rounds: 60) { path, seed in
      let kill = Subject.Kill(
        afterLines: Int.random(in: 0...12, using: &random), rounds: Int.random(in: 0...3000, using: &random))
      return try await Subject.run(["catalogue", path, "\(seed)", "1000", "none"], kill: kill)
    }
  }

  private func survive(
    seed: UInt64, rounds: Int, _ run: (_ path: String, _ seed: UInt64) async throws -> Subject
  ) async throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/catalogue.db"
    let script = CatalogScript(seed: seed)
    let model = MemoryStore(clock: { 1_000 })
    var count = 0
    var kills = 0
    for round in 0..<rounds {
      let subject = try await run(path, seed)
      try #require(!subject.lines.contains { $0.hasPrefix("error") }, "round \(round): \(subject.lines)")
      kills += subject.wasKilled ? 1 : 0
      let acknowledged = subject.lines.compactMap { $0.hasPrefix("done ") ? Int($0.dropFirst(5)) : nil }.last ?? count

      let store = try SQLiteStore(path: path, clock: { 1_000 })
      let found = try await CatalogScript.count(store)
      // The kill may have come between the commit and the word of it.
      try #require(found == acknowledged || found == acknowledged + 1, "round \(round)")
      while count < found {
        count += 1
        try await script.run(count, on: model)
      }
      let expected = try await CatalogScript.contents(model)
      let contents = try await CatalogScript.contents(store)
      try #require(contents == expected, "round \(round), after \(found) operations")
      try store.close()
    }
    #expect(kills > rounds / 2, "most rounds end by a kill: \(kills) of \(rounds)")
    #expect(count > rounds, "and between them something gets done: \(count) operations")
  }

  /// The disk fills up at each of the first steps, also in the middle of a write.
  @Test func `a full disk refuses the write by name and keeps what was there, and writes go on once there is room`()
    async throws
  {
    let script = CatalogScript(seed: 9)
    var refusals = 0
    for step in stride(from: 1, through: 120, by: 4) {
      let folder = try TemporaryFolder()
      let path = folder.path + "/catalogue.db"
      let subject = try await Subject.run(["catalogue", path, "9", "12", "full=\(step)"])
      let lines = subject.lines
      try #require(!subject.wasKilled)
      let last = try #require(lines.last)
      if last.hasPrefix("error") {
        // No room to open it: said, and nothing is broken.
        #expect(last.contains("error: full") && last.contains(folder.path), "step \(step): \(last)")
      } else {
        let refusal = try #require(lines.first { $0.hasPrefix("full ") }, "step \(step): \(lines)")
        #expect(refusal.contains("'\(path)'"))
        refusals += 1
      }
      let store = try SQLiteStore(path: path, clock: { 1_000 })
      let model = MemoryStore(clock: { 1_000 })
      let found = try await CatalogScript.count(store)
      #expect(found == lines.compactMap { $0.hasPrefix("done ") ? Int($0.dropFirst(5)) : nil }.last ?? 0)
      for number in 0..<found { try await script.run(number + 1, on: model) }
      #expect(try await CatalogScript.contents(store) == CatalogScript.contents(model), "step \(step)")
      try store.close()
    }
    #expect(refusals > 10)
  }
}
