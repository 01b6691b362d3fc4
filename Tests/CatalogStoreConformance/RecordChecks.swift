internal import Stores

extension CatalogStoreConformance {
  static let recordChecks: [StoreCheck] = [
    StoreCheck("a record comes back as it was stored") { store, clock in
      let body = "{\"text\":\"Ünïcödé \u{1F985} \\u0000 'quoted' \\\"\"}"
      let stored = try await store.write { try $0.insert("model", "mnist/3", body: body) }
      try expect("the stored body", stored.body, is: body)
      try expect("created", stored.created, is: clock.now)
      try expect("modified", stored.modified, is: clock.now)
      try expect("the record read", try await store.read { try $0.record("model", "mnist/3") }, is: stored)
      try expect("a body's bytes", Array(stored.body.utf8), is: Array(body.utf8))
    },
    StoreCheck("a kind keeps its names apart from those of other kinds") { store, _ in
      try await store.write {
        try $0.insert("model", "churn", body: "1")
        try $0.insert("endpoint", "churn", body: "2")
      }
      let bodies = try await store.read { reader in
        [try reader.record("model", "churn")?.body, try reader.record("endpoint", "churn")?.body]
      }
      try expect("the bodies", bodies, is: ["1", "2"])
      try expect("a kind that holds nothing", try await store.read { try $0.record("secret", "churn") }, is: nil)
    },
    StoreCheck("two spellings of a letter are two names") { store, _ in
      let composed = "caf\u{E9}"
      let decomposed = "cafe\u{301}"
      try await store.write {
        try $0.insert("model", composed, body: "1")
        try $0.insert("model", decomposed, body: "2")
      }
      try expect("the composed one", try await store.read { try $0.record("model", composed)?.body }, is: "1")
      try expect("the decomposed one", try await store.read { try $0.record("model", decomposed)?.body }, is: "2")
    },
    StoreCheck("a name that is there can't be inserted again") { store, _ in
      let first = try await store.write { try $0.insert("model", "a", body: "1") }
      let error = try await expectFailure(.alreadyExists, of: store) { try $0.insert("model", "a", body: "2") }
      try expect("the message names it: \(error.message)", error.message.contains("model 'a'"))
      try expect("the record", try await store.read { try $0.record("model", "a") }, is: first)
    },
    StoreCheck("an update changes body, revision and time, and leaves the creation") { store, clock in
      let first = try await store.write { try $0.insert("model", "a", body: "1") }
      clock.set(5_000)
      let second = try await store.write {
        try $0.update("model", "a", body: "2", expectedRevision: first.revision)
      }
      try expect("body", second.body, is: "2")
      try expect("created", second.created, is: first.created)
      try expect("modified", second.modified, is: 5_000)
      try expect("the revision grew", second.revision > first.revision)
      try expect("the record read", try await store.read { try $0.record("model", "a") }, is: second)
    },
    StoreCheck("a clock that goes back does not take a record's time back") { store, clock in
      clock.set(9_000)
      try await store.write { try $0.insert("model", "a", body: "1") }
      clock.set(3_000)
      let second = try await store.write { try $0.put("model", "a", body: "2") }
      try expect("modified", second.modified, is: 9_000)
    },
    StoreCheck("a change of what has changed since is a conflict that names both revisions") { store, _ in
      let first = try await store.write { try $0.insert("model", "a", body: "1") }
      let second = try await store.write { try $0.update("model", "a", body: "2", expectedRevision: nil) }
      let changes: [@Sendable (any CatalogWriter) throws -> Void] = [
        { _ = try $0.update("model", "a", body: "3", expectedRevision: first.revision) },
        { _ = try $0.delete("model", "a", expectedRevision: first.revision) },
      ]
      for change in changes {
        let error = try await expectFailure(.conflict, of: store, change)
        try expect("expected", error.expectedRevision, is: first.revision)
        try expect("actual", error.actualRevision, is: second.revision)
      }
      try expect("the record", try await store.read { try $0.record("model", "a") }, is: second)
    },
    StoreCheck("what is not there can be neither updated nor deleted") { store, _ in
      try await expectFailure(.notFound, of: store) { try $0.update("model", "a", body: "1", expectedRevision: nil) }
      try await expectFailure(.notFound, of: store) { try $0.update("model", "a", body: "1", expectedRevision: 4) }
      try await expectFailure(.notFound, of: store) { try $0.delete("model", "a", expectedRevision: nil) }
      try await expectFailure(.notFound, of: store) { _ = try $0.existingRecord("model", "a") }
    },
    StoreCheck("put inserts, then updates") { store, clock in
      let first = try await store.write { try $0.put("model", "a", body: "1") }
      clock.set(2_000)
      let second = try await store.write { try $0.put("model", "a", body: "2") }
      try expect("created", second.created, is: first.created)
      try expect("modified", second.modified, is: 2_000)
      try expect("the revision grew", second.revision > first.revision)
    },
    StoreCheck("a deleted name is free, and its next record is a new one") { store, clock in
      let first = try await store.write { try $0.insert("model", "a", body: "1") }
      let deleted = try await store.write { try $0.delete("model", "a", expectedRevision: first.revision) }
      try expect("what was deleted", deleted, is: first)
      try expect("the record", try await store.read { try $0.record("model", "a") }, is: nil)
      clock.set(7_000)
      let again = try await store.write { try $0.insert("model", "a", body: "2") }
      try expect("created", again.created, is: 7_000)
      try expect("the revision was never used before", again.revision > first.revision + 1)
    },
    StoreCheck("every change has a higher revision than all before, and reading changes none") { store, _ in
      var latest = try await store.read { try $0.latestRevision() }
      try expect("of an empty store", latest, is: 0)
      let changes: [@Sendable (any CatalogWriter) throws -> Void] = [
        { _ = try $0.insert("model", "a", body: "1") },
        { _ = try $0.insert("endpoint", "b", body: "1") },
        { _ = try $0.update("model", "a", body: "2", expectedRevision: nil) },
        { _ = try $0.put("model", "a", body: "2") },
        { _ = try $0.delete("endpoint", "b", expectedRevision: nil) },
      ]
      for change in changes {
        try await store.write(change)
        let next = try await store.read { try $0.latestRevision() }
        try expect("\(next) > \(latest)", next > latest)
        latest = next
      }
      let record = try await store.read { try $0.record("model", "a") }
      try expect("the record's revision is not above the store's", (record?.revision ?? .max) <= latest)
      try expect("after reading", try await store.read { try $0.latestRevision() }, is: latest)
    },
    StoreCheck("what is past a limit is refused with the limit, and what is at it is kept") { store, _ in
      let name = String(repeating: "n", count: CatalogLimits.maxNameBytes)
      let body = String(repeating: "7", count: CatalogLimits.maxBodyBytes)
      let kind = RecordKind(String(repeating: "k", count: CatalogLimits.maxKindBytes))
      try await store.write { try $0.insert(kind, name, body: body) }
      try expect("the body's size", try await store.read { try $0.record(kind, name)?.body.utf8.count }, is: body.utf8.count)

      try await expectFailure(.invalidArgument, of: store) { try $0.insert("model", name + "n", body: "1") }
      try await expectFailure(.invalidArgument, of: store) { try $0.insert("model", "", body: "1") }
      try await expectFailure(.invalidArgument, of: store) { try $0.put("model", "a\0b", body: "1") }
      try await expectFailure(.invalidArgument, of: store) { try $0.put("model", "a", body: "\0") }
      try await expectFailure(.invalidArgument, of: store) { try $0.insert("", "a", body: "1") }
      let error = try await expectFailure(.invalidArgument, of: store) { try $0.put("model", "a", body: body + "7") }
      try expect("the message has the limit: \(error.message)", error.message.contains("\(CatalogLimits.maxBodyBytes)"))
    },
  ]
}
