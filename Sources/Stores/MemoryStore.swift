/// A catalogue that ends with its process: for tests, and for a server that shall keep nothing.
package actor MemoryStore: CatalogStore {
  private var contents = MemoryContents()
  private let clock: @Sendable () -> Int64

  /// - Parameter clock: Milliseconds since 1970.
  package init(clock: @escaping @Sendable () -> Int64) { self.clock = clock }

  package func read<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogReader) throws -> Result
  ) async throws -> Result {
    try body(MemoryTransaction(contents: contents, now: clock()))
  }

  @discardableResult
  package func write<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogWriter) throws -> Result
  ) async throws -> Result {
    let transaction = MemoryTransaction(contents: contents, now: clock())
    let result = try body(transaction)
    contents = transaction.contents
    return result
  }
}

/// Names as their bytes: Swift takes two spellings of "é" for one string, a store does not.
private struct MemoryContents {
  var latestRevision: Int64 = 0
  var records: [RecordKind: [[UInt8]: CatalogRecord]] = [:]
  var logs: [RecordKind: (lastSequence: Int64, entries: [LogEntry])] = [:]
}

/// The contents as one body sees and changes them. The store keeps them only if the body returns.
private final class MemoryTransaction: CatalogWriter {
  var contents: MemoryContents
  let now: Int64

  init(contents: MemoryContents, now: Int64) {
    self.contents = contents
    self.now = now
  }

  func latestRevision() -> Int64 { contents.latestRevision }

  func record(_ kind: RecordKind, _ name: String) -> CatalogRecord? { contents.records[kind]?[Array(name.utf8)] }

  func records(
    _ kind: RecordKind, prefix: String, after: String?, limit: Int
  ) throws(CatalogStoreError) -> [CatalogRecord] {
    let limit = try CatalogLimits.pageCount(limit)
    let after = after.map { Array($0.utf8) }
    let names = (contents.records[kind] ?? [:]).keys.filter { name in
      name.starts(with: prefix.utf8) && after.map { $0.lexicographicallyPrecedes(name) } ?? true
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit).compactMap { contents.records[kind]?[$0] }
  }

  func entries(
    _ log: RecordKind, in range: ClosedRange<Int64>, order: LogOrder, limit: Int
  ) throws(CatalogStoreError) -> [LogEntry] {
    let limit = try CatalogLimits.pageCount(limit)
    let entries = (contents.logs[log]?.entries ?? []).filter { range.contains($0.sequence) }
    return order == .oldestFirst ? Array(entries.prefix(limit)) : entries.suffix(limit).reversed()
  }

  func insert(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord {
    guard record(kind, name) == nil else { throw .alreadyExists(kind, name) }
    return try store(kind, name, body, created: now, notBefore: now)
  }

  func update(
    _ kind: RecordKind, _ name: String, body: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord {
    let former = try self.former(kind, name, expectedRevision)
    return try store(kind, name, body, created: former.created, notBefore: former.modified)
  }

  func put(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord {
    let former = record(kind, name)
    return try store(kind, name, body, created: former?.created ?? now, notBefore: former?.modified ?? now)
  }

  func delete(
    _ kind: RecordKind, _ name: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord {
    let former = try self.former(kind, name, expectedRevision)
    contents.records[kind]?[Array(name.utf8)] = nil
    contents.latestRevision += 1
    return former
  }

  func append(_ log: RecordKind, body: String) throws(CatalogStoreError) -> LogEntry {
    try CatalogLimits.check(log, body: body)
    let sequence = (contents.logs[log]?.lastSequence ?? 0) + 1
    let entry = LogEntry(kind: log, sequence: sequence, body: body, time: now)
    contents.logs[log, default: (0, [])].entries.append(entry)
    contents.logs[log]?.lastSequence = sequence
    return entry
  }

  func trim(_ log: RecordKind, keepingNewest count: Int) throws(CatalogStoreError) -> Int {
    try CatalogLimits.checkKept(count, of: log)
    let surplus = max(0, (contents.logs[log]?.entries.count ?? 0) - count)
    contents.logs[log]?.entries.removeFirst(surplus)
    return surplus
  }

  private func former(
    _ kind: RecordKind, _ name: String, _ expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord {
    let former = try existingRecord(kind, name)
    if let expectedRevision, expectedRevision != former.revision {
      throw .conflict(former, expected: expectedRevision)
    }
    return former
  }

  private func store(
    _ kind: RecordKind, _ name: String, _ body: String, created: Int64, notBefore: Int64
  ) throws(CatalogStoreError) -> CatalogRecord {
    try CatalogLimits.check(kind, name, body: body)
    contents.latestRevision += 1
    let record = CatalogRecord(
      kind: kind, name: name, revision: contents.latestRevision, body: body, created: created,
      modified: max(now, notBefore))
    contents.records[kind, default: [:]][Array(name.utf8)] = record
    return record
  }
}
