/// Where the catalogue survives the server: records by kind and name, and logs.
///
/// It knows nothing of what the records say. `CatalogStoreConformance` is what every store must pass.
package protocol CatalogStore: Sendable {
  /// Looks at one consistent state: no write is seen half, however many questions `body` asks.
  ///
  /// - Throws: What `body` throws; `CatalogStoreError` of code `.corrupt`, `.unavailable` or `.busy`.
  func read<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogReader) throws -> Result
  ) async throws -> Result

  /// Changes records as one transaction. When it returns, all of it is durable; when it throws, none of it happened.
  ///
  /// Writes run one after another. `body` may be run again from the start by a store that many servers share, so it
  /// has no effects beside those on the writer.
  ///
  /// - Throws: What `body` throws; `CatalogStoreError`, also of code `.full`.
  @discardableResult
  func write<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogWriter) throws -> Result
  ) async throws -> Result
}

/// One consistent state of a store. Only valid within the body that it was given to.
package protocol CatalogReader {
  /// The revision of the latest change to any record, a deletion too; 0 if there was none. Equal answers mean that no
  /// record changed in between.
  func latestRevision() throws(CatalogStoreError) -> Int64

  /// The record of that name; nil if there is none.
  func record(_ kind: RecordKind, _ name: String) throws(CatalogStoreError) -> CatalogRecord?

  /// The first `limit` records whose name begins with `prefix`, in the order of their names' UTF-8 bytes.
  ///
  /// - Parameters:
  ///   - after: The last name of the page before; nil begins at the first.
  ///   - limit: At least 1; more than `CatalogLimits.maxPageCount` counts as that many.
  func records(
    _ kind: RecordKind, prefix: String, after: String?, limit: Int
  ) throws(CatalogStoreError) -> [CatalogRecord]

  /// The first `limit` entries of a log whose sequence lies in `range`, counted from the end that `order` names.
  func entries(
    _ log: RecordKind, in range: ClosedRange<Int64>, order: LogOrder, limit: Int
  ) throws(CatalogStoreError) -> [LogEntry]
}

package enum LogOrder: Hashable, Sendable { case oldestFirst, newestFirst }

/// The state of a store in the midst of a write: it shows what the body has changed so far.
package protocol CatalogWriter: CatalogReader {
  /// The time of this write, milliseconds since 1970: the stamp of all that it changes.
  var now: Int64 { get }

  /// Adds a record.
  ///
  /// - Throws: `.alreadyExists`.
  @discardableResult
  func insert(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord

  /// Changes a record's body. `created` stays.
  ///
  /// - Parameter expectedRevision: The revision that the caller has seen; nil changes whatever is there.
  /// - Throws: `.notFound`; `.conflict`, with both revisions, if someone else changed it since: look again and decide.
  @discardableResult
  func update(
    _ kind: RecordKind, _ name: String, body: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord

  /// Inserts, or updates what is there.
  @discardableResult
  func put(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) -> CatalogRecord

  /// Takes a record away and returns what it was. Its name is free from then on.
  ///
  /// - Throws: `.notFound`, `.conflict`: as for `update`.
  @discardableResult
  func delete(
    _ kind: RecordKind, _ name: String, expectedRevision: Int64?
  ) throws(CatalogStoreError) -> CatalogRecord

  /// Adds an entry at the end of a log, which comes into being with its first entry.
  @discardableResult
  func append(_ log: RecordKind, body: String) throws(CatalogStoreError) -> LogEntry

  /// Removes all but the newest `count` entries of a log.
  ///
  /// - Returns: How many it removed.
  @discardableResult
  func trim(_ log: RecordKind, keepingNewest count: Int) throws(CatalogStoreError) -> Int
}

extension CatalogReader {
  /// Every record whose name begins with `prefix`, page after page.
  package func allRecords(_ kind: RecordKind, prefix: String = "") throws(CatalogStoreError) -> [CatalogRecord] {
    var all: [CatalogRecord] = []
    while true {
      let page = try records(kind, prefix: prefix, after: all.last?.name, limit: CatalogLimits.maxPageCount)
      all += page
      if page.count < CatalogLimits.maxPageCount { return all }
    }
  }

  /// The record of that name.
  ///
  /// - Throws: `.notFound`.
  package func existingRecord(_ kind: RecordKind, _ name: String) throws(CatalogStoreError) -> CatalogRecord {
    guard let record = try record(kind, name) else { throw .notFound(kind, name) }
    return record
  }

  package func newestEntries(_ log: RecordKind, limit: Int) throws(CatalogStoreError) -> [LogEntry] {
    try entries(log, in: 1...Int64.max, order: .newestFirst, limit: limit)
  }
}
