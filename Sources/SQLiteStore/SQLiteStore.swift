internal import GRDB
package import Stores

/// The catalogue in one SQLite file, for one server on one machine.
///
/// A write has reached the disk when it returns: it survives `kill -9` and the loss of power, if the disk does not lie
/// about what it wrote. Reads run beside a write and see the state before it. While it is open, a second server is
/// refused, also by another process.
package final class SQLiteStore: CatalogStore {
  /// How long a write waits for another program that has the file locked, such as a backup, before it fails as `.busy`.
  package static let defaultBusySeconds = 5.0
  /// Reads that run at the same time; more wait for their turn.
  private static let maxReaderCount = 4

  private let path: String
  private let pool: DatabasePool
  private let lock: FileLock
  private let clock: @Sendable () -> Int64

  /// Opens the file at `path`, made if it is not there, and brings an older form of it up to date. Blocks.
  ///
  /// - Parameters:
  ///   - clock: Milliseconds since 1970.
  ///   - busySeconds: See `defaultBusySeconds`.
  /// - Throws: `.busy` if another process has it open, with that process's id; `.corrupt` if what it holds can't be
  ///   trusted; `.unavailable` if it can't be opened, or a newer version wrote it: the message says what to do; `.full`.
  package init(
    path: String, clock: @escaping @Sendable () -> Int64, busySeconds: Double = defaultBusySeconds
  ) throws(CatalogStoreError) {
    let lock = try FileLock(path: path + ".lock", subject: path)
    try DatabaseFile.create(path)
    var configuration = Configuration()
    configuration.label = "catalogue"
    configuration.busyMode = .timeout(busySeconds)
    configuration.maximumReaderCount = Self.maxReaderCount
    configuration.prepareDatabase { database in try Migrations.checkOrigin(of: database, path: path) }
    pool = try SQLiteErrors.translated(path) {
      let pool = try DatabasePool(path: path, configuration: configuration)
      try pool.writeWithoutTransaction { database in
        try DatabaseFile.makeDurable(database, path: path)
        try DatabaseFile.checkIntegrity(database, path: path)
        try Migrations.run(on: database)
      }
      return pool
    }
    self.path = path
    self.lock = lock
    self.clock = clock
  }

  /// Writes what is in the log back into the file, and lets others open it. What is asked afterwards fails.
  package func close() throws(CatalogStoreError) {
    try SQLiteErrors.translated(path) { try pool.close() }
    lock.release()
  }

  package func read<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogReader) throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      pool.asyncRead { [path, clock] opened in
        continuation.resume(
          with: Swift.Result {
            try SQLiteErrors.translatedIfSQLite(path) {
              try body(SQLiteTransaction(database: opened.get(), path: path, now: clock()))
            }
          })
      }
    }
  }

  /// A cancelled task's write runs to its end all the same, so that a caller who went away leaves no doubt.
  @discardableResult
  package func write<Result: Sendable>(
    _ body: @escaping @Sendable (any CatalogWriter) throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      pool.asyncWriteWithoutTransaction { [path, clock] database in
        continuation.resume(
          with: Swift.Result {
            try SQLiteErrors.translatedIfSQLite(path) {
              // Immediate: two programs that both read first and write later would else end in a deadlock.
              var result: Result?
              try database.inTransaction(.immediate) {
                let transaction = SQLiteTransaction(database: database, path: path, now: clock())
                result = try body(transaction)
                if let failure = transaction.failure { throw failure }
                return .commit
              }
              return result!  // the transaction threw, or ran the closure
            }
          })
      }
    }
  }
}
