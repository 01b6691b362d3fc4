import Artifacts
import CatalogueTesting
import Control
import CrashTesting
import Documents
import Testing

/// A process takes steps on a data directory and is killed; then another control plane starts on the directory, and what it
/// has is compared with what the process said. The steps go on from there, so that damage would pile up.
@Suite(.serialized) struct ControlCrashTests {
  @Test(arguments: [1, 2] as [UInt64])
  func `what is acknowledged survives a kill at any system call and works, and nothing is half done`(_ seed: UInt64) async throws {
    var random = SplitMix(seed: seed)
    let folder = try TemporaryFolder()
    var options = CatalogueWorld.Options()
    options.isDurable = true
    options.isOpen = false
    var (kills, acknowledged, undone) = (0, 0, 0)
    for round in 0..<12 {
      // Every other round ends early, in the midst of a start; the others get somewhere.
      let step = Int.random(in: 1...(round.isMultiple(of: 2) ? 400 : 4000), using: &random)
      let subject = try await Subject.run(["control", folder.path, "\(seed * 1000 + UInt64(round))", "40", "kill=\(step)"])
      let lines = subject.lines
      try #require(!lines.contains { $0.hasPrefix("error") }, "round \(round): \(lines.last ?? "")")
      kills += subject.wasKilled ? 1 : 0
      acknowledged += lines.count { $0 == "ack" }

      let world = try await CatalogueWorld(options, in: folder)
      await world.plane.settle()
      let flaws = try await CatalogueScript.flaws(of: world)
      #expect(flaws.isEmpty, "round \(round), killed at \(step): \(flaws)")
      // Of a process that was killed before it said anything, nothing is known.
      if let last = lines.last(where: { $0.hasPrefix("state ") }) {
        let tail = lines[(lines.lastIndex { $0.hasPrefix("state ") } ?? 0)...]
        let trial = tail.first { $0.hasPrefix("try ") }
        let before = try Document(json: Array(last.dropFirst("state ".count).utf8))
        var now = try await CatalogueScript.state(of: world)
        now["audit"] = "\(try await world.audit().count)"
        let places = Set(now.keys).union(before.object?.keys ?? [])
        let changed = places.filter { now[$0] != before[$0]?.string }.sorted()
        if tail.contains("ack") {
          #expect(changed.contains("audit"), "round \(round): \(trial ?? "") was acknowledged and is lost")
        } else if !changed.contains("audit") {
          undone += trial == nil ? 0 : 1
          #expect(changed.isEmpty, "round \(round): \(trial ?? "") has left a trace in \(changed)")
        }
        let scope = trial?.split(separator: " ")[1] ?? "nothing"
        let foreign = changed.filter { $0 != "audit" && !$0.hasPrefix(scope) }
        #expect(foreign.isEmpty, "round \(round): \(trial ?? "") changed \(foreign)")
      }
      try await world.end()
      let damage = try StoreInspection.flaws(in: folder.path + "/artifacts")
      #expect(damage.isEmpty, "round \(round)")
    }
    #expect(kills >= 4 && acknowledged >= 5, "\(kills) kills, \(acknowledged) acknowledged, \(undone) undone")
  }
}
