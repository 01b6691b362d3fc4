internal import GRDB
internal import Stores

/// SQLite's result codes in the words of the store. What it says of a statement stays; it never names a value.
internal enum SQLiteErrors {
  static func translated<Result>(
    _ path: String, _ body: () throws -> Result
  ) throws(CatalogStoreError) -> Result {
    do {
      return try body()
    } catch let error as CatalogStoreError {
      throw error
    } catch let error as DatabaseError {
      throw translation(of: error, path)
    } catch {
      throw .init(.unavailable, "can't use '\(path)': \(error)")
    }
  }

  /// As `translated`, for bodies whose own errors go through as they are.
  static func translatedIfSQLite<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let error as DatabaseError { throw translation(of: error, path) }
  }

  private static func translation(of error: DatabaseError, _ path: String) -> CatalogStoreError {
    let reason = error.message ?? "\(error.resultCode)"
    switch error.resultCode {
    // SHMSIZE: the -shm file can't grow, which "may indicate that the underlying filesystem volume is out of space"
    // (sqlite.org/rescode.html#ioerr_shmsize).
    case _ where error.resultCode == .SQLITE_FULL || error.extendedResultCode == .SQLITE_IOERR_SHMSIZE:
      return .init(
        .full, "no room to write '\(path)': \(reason). Nothing of this change was kept; make room on the disk and repeat it")
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return .init(.busy, "'\(path)' is locked by another program: \(reason)")
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
      return .init(
        .corrupt, "'\(path)' is damaged: \(reason). Put the file aside, with its -wal and -shm, and restore a backup")
    default:
      return .init(.unavailable, "can't use '\(path)': \(reason) (\(error.extendedResultCode))")
    }
  }
}
