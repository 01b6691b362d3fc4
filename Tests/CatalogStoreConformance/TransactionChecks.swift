internal import Stores

extension CatalogStoreConformance {
  private struct Withdrawal: Error {}

  static let transactionChecks: [StoreCheck] = [
    StoreCheck("a write that throws has changed nothing") { store, _ in
      let first = try await store.write { try $0.insert("model", "a", body: "1") }
      let revision = try await store.read { try $0.latestRevision() }
      do {
        try await store.write { writer in
          try writer.update("model", "a", body: "2", expectedRevision: nil)
          try writer.insert("model", "b", body: "2")
          try writer.append("audit", body: "{}")
          throw Withdrawal()
        }
        throw Unconformity(description: "the body's error did not come out")
      } catch is Withdrawal {}
      try expect("the records", try await store.read { try $0.allRecords("model") }, is: [first])
      try expect("the log", try await store.read { try $0.newestEntries("audit", limit: 9) }, is: [])
      try expect("the revision", try await store.read { try $0.latestRevision() }, is: revision)
    },
    StoreCheck("a body that gets over a refusal keeps what it did besides") { store, _ in
      try await store.write { writer in
        try writer.insert("model", "a", body: "1")
        _ = try? writer.insert("model", "a", body: "2")
        try writer.insert("model", "b", body: "1")
      }
      try expect("the bodies", try await store.read { try $0.allRecords("model").map(\.body) }, is: ["1", "1"])
    },
    StoreCheck("a write sees its own changes") { store, _ in
      try await store.write { writer in
        let first = try writer.insert("model", "a", body: "1")
        try expect("the record", try writer.record("model", "a"), is: first)
        try expect("the revision", try writer.latestRevision(), is: first.revision)
        try writer.delete("model", "a", expectedRevision: first.revision)
        try expect("the list", try writer.allRecords("model"), is: [])
        try writer.append("audit", body: "1")
        try expect("the log", try writer.newestEntries("audit", limit: 9).map(\.body), is: ["1"])
      }
    },
    StoreCheck("all changes of one write bear its time") { store, clock in
      clock.set(4_000)
      let times = try await store.write { writer in
        let first = try writer.insert("model", "a", body: "1")
        clock.set(6_000)
        let second = try writer.insert("model", "b", body: "1")
        return [first.created, second.created, writer.now, try writer.append("audit", body: "{}").time]
      }
      try expect("the times", times, is: [4_000, 4_000, 4_000, 4_000])
    },
    StoreCheck("writes that run at once lose none of their changes") { store, _ in
      try await store.write { try $0.insert("setting", "count", body: "0") }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<4 {
          group.addTask {
            for step in 0..<25 {
              try await store.write { transaction in
                let count = Int(try transaction.existingRecord("setting", "count").body)!
                try transaction.update("setting", "count", body: "\(count + 1)", expectedRevision: nil)
                try transaction.append("audit", body: "\(writer)/\(step)")
              }
            }
          }
        }
        try await group.waitForAll()
      }
      try expect("the count", try await store.read { try $0.record("setting", "count")?.body }, is: "100")
      let entries = try await store.read { try $0.newestEntries("audit", limit: 1_000) }
      try expect("the entries", Set(entries.map(\.body)).count, is: 100)
    },
    StoreCheck("a read beside writes sees both halves of each or neither") { store, _ in
      try await store.write { writer in
        try writer.put("setting", "left", body: "0")
        try writer.put("setting", "right", body: "0")
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          for step in 1...50 {
            try await store.write { writer in
              try writer.put("setting", "left", body: "\(step)")
              try writer.put("setting", "right", body: "\(step)")
            }
          }
        }
        group.addTask {
          for _ in 1...50 {
            try await store.read { reader in
              let left = try reader.existingRecord("setting", "left").body
              try expect("the right half", try reader.existingRecord("setting", "right").body, is: left)
            }
          }
        }
        try await group.waitForAll()
      }
    },
    StoreCheck("of many that change what they saw, one wins and the others are told") { store, _ in
      let seen = try await store.write { try $0.insert("model", "a", body: "0") }
      let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
        for writer in 1...8 {
          group.addTask {
            do {
              try await store.write { try $0.update("model", "a", body: "\(writer)", expectedRevision: seen.revision) }
              return true
            } catch let error as CatalogStoreError where error.code == .conflict {
              return false
            }
          }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      try expect("the winners", wins, is: 1)
    },
  ]
}
