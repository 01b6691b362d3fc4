internal import GRDB
internal import Glibc
internal import Stores

/// What makes a file one that keeps the store's promises.
internal enum DatabaseFile {
  /// Makes an empty file that only this user can read, where none is. SQLite gives its log the same mode.
  static func create(_ path: String) throws(CatalogStoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileLock.unavailable("open", path, errno) }
    defer { close(descriptor) }
    // The file's name must survive a loss of power too.
    let directory = open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileLock.unavailable("open the directory of", path, errno) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw FileLock.unavailable("write the directory of", path, errno) }
  }

  /// Has every commit wait for the disk.
  ///
  /// Source: "If an application requires durability … synchronous=FULL … In WAL mode … transactions are durable"
  /// (sqlite.org/pragma.html#pragma_synchronous): with NORMAL, a loss of power may roll back the latest ones.
  static func makeDurable(_ database: Database, path: String) throws {
    try database.execute(sql: "PRAGMA synchronous = FULL")
    // SQLite answers what it does, which need not be what it was asked.
    let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode")
    let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous")
    guard mode == "wal", synchronous == 2 else {
      throw CatalogStoreError(
        .unavailable,
        "SQLite can't keep '\(path)' durable: journal mode is \(mode ?? "none") and synchronous is \(synchronous ?? 0), "
          + "where wal and 2 are expected; use a local file system")
    }
  }

  static func checkIntegrity(_ database: Database, path: String) throws {
    let finding = try String.fetchOne(database, sql: "PRAGMA integrity_check(1)") ?? "no answer"
    guard finding == "ok" else {
      throw CatalogStoreError(
        .corrupt, "'\(path)' is damaged: \(finding). Put the file aside, with its -wal and -shm, and restore a backup")
    }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}
