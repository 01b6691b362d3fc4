internal import GRDB
internal import Stores

/// One transaction of the file, in the words of the catalogue. Belongs to the connection that runs it.
internal final class SQLiteTransaction: CatalogWriter {
  let now: Int64
  /// The first failure of SQLite itself. It may have undone the transaction by then, and would commit each later
  /// statement alone: so nothing is done after a failure, even where the body goes on.
  private(set) var failure: CatalogStoreError?
  private let database: Database
  private let path: String

  init(database: Database, path: String, now: Int64) {
    self.database = database
    self.path = path
    self.now = now
  }

  func latestRevision() throws(CatalogStoreError) -> Int64 {
    try checked { try Int64.fetchOne(statement("SELECT latest FROM revisions")) ?? 0 }
  }

  func record(_ kind: RecordKind, _ name: String) throws(CatalogStoreError) -> CatalogRecord? {
    try checked {
      let row = try Row.fetchOne(
        statement("SELECT name, revision, body, created, modified FROM records WHERE kind = ? AND name = ?"),
        arguments: [kind.rawValue, name])
      return row.map { Self.record(kind, $0) }
    }
  }

  func records(
    _ kind: RecordKind, prefix: String, after: String?, limit: Int
  ) throws(CatalogStoreError) -> [CatalogRecord] {
    let limit = try CatalogLimits.pageCount(limit)
    return try checked {
      // The names with a prefix lie side by side, so the first without it ends the page.
      let rows = try Row.fetchCursor(
        statement(
          """
          SELECT name, revision, body, created, modified FROM records
          WHERE kind = ?1 AND name >= ?2 AND (?3 IS NULL OR name > ?3) ORDER BY name LIMIT ?4
          """),
        arguments: [kind.rawValue, prefix, after, limit])
      var records: [CatalogRecord] = []
      while let row = try rows.next() {
        let record = Self.record(kind, row)
        guard record.name.utf8.starts(with: prefix.utf8) else { break }
        records.append(record)
      }
      return records
    }
  }

  func entries(
    _ log: RecordKind, in range: ClosedRange<Int64>, order: LogOrder, limit: Int
  ) throws(CatalogStoreError) -> [LogEntry] {
    let limit = try CatalogLimits.pageCount(limit)
    let direction = order == .oldestFirst ? "ASC" : "DESC"
    return try checked {
      let rows = try Row.fetchAll(
        statement(
          """
          SELECT sequence, body, time FROM entries
          WHERE kind = ? AND sequence BETWEEN ? AND ? ORDER BY sequence \(direction) LIMIT ?
          """),
        arguments: [log.rawValue, range.lowerBound, range.upperBound, limit])
      return rows.map { LogEntry(kind: log, sequence: $0[0], body: $0[1], time: $0[2]) }
    }
  }

  func insert(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord {
    guard try record(kind, name) == nil else { throw .alreadyExists(kind, name) }
    return try store(kind, name, body, created: now, notBefore: now)
  }

  func update(
    _ kind: RecordKind, _ name: String, body: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord {
    let former = try self.former(kind, name, expectedRevision)
    return try store(kind, name, body, created: former.created, notBefore: former.modified)
  }

  func put(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord {
    let former = try record(kind, name)
    return try store(kind, name, body, created: former?.created ?? now, notBefore: former?.modified ?? now)
  }

  func delete(
    _ kind: RecordKind, _ name: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord {
    let former = try self.former(kind, name, expectedRevision)
    try checked {
      try statement("DELETE FROM records WHERE kind = ? AND name = ?").execute(arguments: [kind.rawValue, name])
    }
    _ = try nextRevision()
    return former
  }

  func append(_ log: RecordKind, body: String) throws(CatalogStoreError) -> LogEntry {
    try CatalogLimits.check(log, body: body)
    return try checked {
      let sequence = try Int64.fetchOne(
        statement(
          """
          INSERT INTO logs (kind, latest) VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET latest = latest + 1
          RETURNING latest
          """), arguments: [log.rawValue])!  // RETURNING gives the row that was written
      try statement("INSERT INTO entries (kind, sequence, body, time) VALUES (?, ?, ?, ?)")
        .execute(arguments: [log.rawValue, sequence, body, now])
      return LogEntry(kind: log, sequence: sequence, body: body, time: now)
    }
  }

  func trim(_ log: RecordKind, keepingNewest count: Int) throws(CatalogStoreError) -> Int {
    try CatalogLimits.checkKept(count, of: log)
    return try checked {
      try statement(
        """
        DELETE FROM entries WHERE kind = ?1 AND sequence <=
          (SELECT sequence FROM entries WHERE kind = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2)
        """
      ).execute(arguments: [log.rawValue, count])
      return database.changesCount
    }
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
    let record = CatalogRecord(
      kind: kind, name: name, revision: try nextRevision(), body: body, created: created, modified: max(now, notBefore))
    try checked {
      try statement(
        """
        INSERT INTO records (kind, name, revision, body, created, modified) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (kind, name) DO UPDATE
        SET revision = excluded.revision, body = excluded.body, modified = excluded.modified
        """
      ).execute(
        arguments: [kind.rawValue, name, record.revision, body, record.created, record.modified])
    }
    return record
  }

  private func nextRevision() throws(CatalogStoreError) -> Int64 {
    try checked {
      try Int64.fetchOne(statement("UPDATE revisions SET latest = latest + 1 RETURNING latest"))!  // its one row
    }
  }

  /// Columns: name, revision, body, created, modified.
  private static func record(_ kind: RecordKind, _ row: Row) -> CatalogRecord {
    CatalogRecord(kind: kind, name: row[0], revision: row[1], body: row[2], created: row[3], modified: row[4])
  }

  private func statement(_ sql: String) throws -> Statement { try database.cachedStatement(sql: sql) }

  private func checked<Result>(_ body: () throws -> Result) throws(CatalogStoreError) -> Result {
    if let failure { throw failure }
    do {
      return try SQLiteErrors.translated(path, body)
    } catch {
      failure = error
      throw error
    }
  }
}
