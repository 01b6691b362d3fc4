package import Stores

/// Changes of a catalogue that a seed decides, numbered from 1: who knows the seed knows what each leaves behind.
package struct CatalogScript: Sendable {
  private struct Withdrawal: Error {}

  package var seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  /// How many operations a store has been through.
  package static func count(_ store: any CatalogStore) async throws -> Int {
    try await store.read { try $0.record("script", "count").flatMap { Int($0.body) } ?? 0 }
  }

  /// One write, of which all or nothing must be seen; before some, another that is withdrawn.
  package func run(_ number: Int, on store: any CatalogStore) async throws {
    let changes = makeChanges(number)
    if number % 5 == 0 {
      do {
        try await store.write { writer in
          try writer.put("model", "never", body: String(repeating: "x", count: 9_000))
          for change in changes { try change(writer) }
          throw Withdrawal()
        }
      } catch is Withdrawal {}
    }
    try await store.write { writer in
      for change in changes { try change(writer) }
      try writer.put("script", "count", body: "\(number)")
    }
  }

  /// All that a store holds of the script.
  package static func contents(_ store: any CatalogStore) async throws -> [String] {
    try await store.read { reader in
      var lines: [String] = ["latest \(try reader.latestRevision())"]
      for kind in ["script", "model"] as [RecordKind] {
        for record in try reader.allRecords(kind) {
          lines.append("\(kind) \(record.name) \(record.revision) \(record.body)")
        }
      }
      for entry in try reader.newestEntries("audit", limit: CatalogLimits.maxPageCount) {
        lines.append("audit \(entry.sequence) \(entry.body)")
      }
      return lines
    }
  }

  private func makeChanges(_ number: Int) -> [@Sendable (any CatalogWriter) throws -> Void] {
    var random = SplitMix(seed: seed &+ UInt64(number) &* 0x1_0000_0001)
    return (0..<Int.random(in: 1...5, using: &random)).map { _ in
      let name = "m/\(Int.random(in: 0..<12, using: &random))"
      // Some bodies fill several pages of the file.
      let size = Int.random(in: 0..<4, using: &random) == 0 ? 20_000 : 50
      let body = String(repeating: "\(number) ", count: Int.random(in: 1...size, using: &random) / 4 + 1)
      switch Int.random(in: 0..<8, using: &random) {
      case 0: return { _ = try? $0.insert("model", name, body: body) }
      case 1, 2: return { writer in if try writer.record("model", name) != nil { try writer.delete("model", name, expectedRevision: nil) } }
      case 3: return { _ = try $0.append("audit", body: body) }
      case 4: return { _ = try $0.trim("audit", keepingNewest: 20) }
      default: return { _ = try $0.put("model", name, body: body) }
      }
    }
  }
}
