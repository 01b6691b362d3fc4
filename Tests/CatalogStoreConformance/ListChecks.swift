internal import Stores

extension CatalogStoreConformance {
  static let listChecks: [StoreCheck] = [
    StoreCheck("a list is in the order of the names' bytes") { store, _ in
      let names = ["b", "a", "ab", "a/b", "B", "é", "e\u{301}", "z", "a-b", "\u{1F985}", "\u{FFFD}"]
      try await store.write { writer in for name in names { try writer.insert("model", name, body: name) } }
      let listed = try await store.read { try $0.records("model", prefix: "", after: nil, limit: 100).map(\.name) }
      let expected = names.map { Array($0.utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
      try expect("the order", listed.map { Array($0.utf8) }, is: expected)
    },
    StoreCheck("a prefix chooses the names that begin with its bytes") { store, _ in
      try await store.write { writer in
        for name in ["churn", "churn/blue", "churn/green", "churn2", "churm", "cafe\u{301}", "caf\u{E9}", "50%", "5_0"] {
          try writer.insert("deployment", name, body: "{}")
        }
        try writer.insert("model", "churn/blue", body: "{}")
      }
      for (prefix, expected) in [
        ("churn/", ["churn/blue", "churn/green"]), ("churn", ["churn", "churn/blue", "churn/green", "churn2"]),
        ("50%", ["50%"]), ("5_", ["5_0"]), ("d", []), ("cafe", ["cafe\u{301}"]), ("C", []),
      ] {
        let names = try await store.read {
          try $0.records("deployment", prefix: prefix, after: nil, limit: 10).map(\.name)
        }
        try expect("the names with '\(prefix)'", names, is: expected)
      }
    },
    StoreCheck("pages join without a gap or a repetition") { store, _ in
      let names = (0..<25).map { "m/\($0 < 10 ? "0" : "")\($0)" }
      try await store.write { writer in
        for name in names { try writer.insert("model", name, body: "{}") }
        try writer.insert("model", "l", body: "{}")
        try writer.insert("model", "n", body: "{}")
      }
      for limit in [1, 4, 5, 25, 26, 5_000] {
        var collected: [String] = []
        while true {
          let after = collected.last
          let page = try await store.read { try $0.records("model", prefix: "m/", after: after, limit: limit) }
          try expect("the page holds at most \(limit)", page.count <= limit)
          if page.isEmpty { break }
          collected += page.map(\.name)
        }
        try expect("all pages of \(limit)", collected, is: names)
      }
    },
    StoreCheck("a page may begin after a name that is not there") { store, _ in
      try await store.write { writer in for name in ["a", "c", "d"] { try writer.insert("model", name, body: "{}") } }
      let names = try await store.read { try $0.records("model", prefix: "", after: "b", limit: 10).map(\.name) }
      try expect("the names", names, is: ["c", "d"])
    },
    StoreCheck("a page has at most the most that an answer may hold, and all of them come page after page") { store, _ in
      let count = CatalogLimits.maxPageCount + 3
      try await store.write { writer in for index in 0..<count { try writer.insert("model", "\(index)", body: "{}") } }
      let page = try await store.read { try $0.records("model", prefix: "", after: nil, limit: count).count }
      try expect("the page", page, is: CatalogLimits.maxPageCount)
      try expect("all", try await store.read { try $0.allRecords("model").count }, is: count)
    },
    StoreCheck("a page of no records can't be asked for") { store, _ in
      try await expectFailure(.invalidArgument, of: store) { _ = try $0.records("model", prefix: "", after: nil, limit: 0) }
    },
  ]
}
