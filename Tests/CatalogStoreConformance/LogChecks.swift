internal import Stores

extension CatalogStoreConformance {
  static let logChecks: [StoreCheck] = [
    StoreCheck("a log numbers its entries from 1, and each log its own") { store, clock in
      let entries = try await store.write { writer in
        [
          try writer.append("audit", body: "a"), try writer.append("events", body: "b"),
          try writer.append("audit", body: "c"),
        ]
      }
      try expect("the sequences", entries.map(\.sequence), is: [1, 1, 2])
      try expect("the times", entries.map(\.time), is: [clock.now, clock.now, clock.now])
      let read = try await store.read { try $0.newestEntries("audit", limit: 5) }
      try expect("the log", read, is: [entries[2], entries[0]])
      try expect("no record came of it", try await store.read { try $0.allRecords("audit").count }, is: 0)
      try expect("nor a revision", try await store.read { try $0.latestRevision() }, is: 0)
    },
    StoreCheck("a range of a log can be read from either end") { store, _ in
      try await store.write { writer in for index in 1...10 { try writer.append("audit", body: "\(index)") } }
      for (range, order, limit, expected) in [
        (1...Int64.max, LogOrder.oldestFirst, 3, ["1", "2", "3"]), (1...Int64.max, .newestFirst, 3, ["10", "9", "8"]),
        (4...6, .oldestFirst, 9, ["4", "5", "6"]), (4...6, .newestFirst, 2, ["6", "5"]), (11...20, .newestFirst, 9, []),
        (Int64.min...0, .oldestFirst, 9, []),
      ] {
        let bodies = try await store.read { try $0.entries("audit", in: range, order: order, limit: limit).map(\.body) }
        try expect("\(range), \(order), \(limit)", bodies, is: expected)
      }
    },
    StoreCheck("trimming keeps the newest, and no number is used twice") { store, _ in
      try await store.write { writer in
        for index in 1...10 { try writer.append("audit", body: "\(index)") }
        try writer.append("events", body: "kept")
      }
      try expect("the removed", try await store.write { try $0.trim("audit", keepingNewest: 3) }, is: 7)
      let kept = try await store.read { try $0.entries("audit", in: 1...99, order: .oldestFirst, limit: 99) }
      try expect("the kept", kept.map(\.sequence), is: [8, 9, 10])
      try expect("again", try await store.write { try $0.trim("audit", keepingNewest: 3) }, is: 0)
      try expect("more than there are", try await store.write { try $0.trim("audit", keepingNewest: 50) }, is: 0)
      try expect("all", try await store.write { try $0.trim("audit", keepingNewest: 0) }, is: 3)
      try expect("the next", try await store.write { try $0.append("audit", body: "x").sequence }, is: 11)
      try expect("of no log", try await store.write { try $0.trim("nothing", keepingNewest: 0) }, is: 0)
      try expect("the other log", try await store.read { try $0.newestEntries("events", limit: 9).count }, is: 1)
      try await expectFailure(.invalidArgument, of: store) { try $0.trim("audit", keepingNewest: -1) }
    },
  ]
}
