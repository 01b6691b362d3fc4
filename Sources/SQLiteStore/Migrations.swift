internal import GRDB
internal import Stores

/// The forms that the file has had. Each step leads from one version to the next, and is never changed afterwards.
internal enum Migrations {
  /// Marks the file as ours: "Apus", at offset 68 of the SQLite header.
  static let applicationID: Int64 = 0x4170_7573

  /// The version of a file is the number of steps that it has been through.
  static var currentVersion: Int { steps.count }

  private static let steps: [String] = [
    // Version 1. STRICT: a number where text belongs is an error, not a conversion.
    """
    CREATE TABLE records (
      kind TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
      created INTEGER NOT NULL, modified INTEGER NOT NULL, PRIMARY KEY (kind, name)
    ) STRICT;
    CREATE TABLE revisions (latest INTEGER NOT NULL) STRICT;
    INSERT INTO revisions VALUES (0);
    CREATE TABLE entries (
      kind TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL, time INTEGER NOT NULL,
      PRIMARY KEY (kind, sequence)
    ) STRICT;
    CREATE TABLE logs (kind TEXT NOT NULL PRIMARY KEY, latest INTEGER NOT NULL) STRICT;
    """
  ]

  /// Looks at a file before anything is changed in it.
  ///
  /// - Throws: `.unavailable` if it is someone else's, or of a newer version.
  static func checkOrigin(of database: Database, path: String) throws {
    let application = try Int64.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    if application == applicationID {
      guard version <= currentVersion else {
        throw CatalogStoreError(
          .unavailable,
          "'\(path)' has version \(version) of the catalogue, and this program knows up to \(currentVersion): a newer apus "
            + "wrote it. Run that apus, or restore the backup made before the upgrade")
      }
      return
    }
    let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
    guard application == 0, version == 0, tables == 0 else {
      throw CatalogStoreError(
        .unavailable, "'\(path)' is an SQLite file of another program; choose another data directory, or move it away")
    }
  }

  /// Does the steps that the file lacks, all or none of them.
  static func run(on database: Database) throws {
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    guard version < currentVersion else { return }
    try database.inTransaction(.immediate) {
      for step in steps[version...] { try database.execute(sql: step) }
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      try database.execute(sql: "PRAGMA user_version = \(currentVersion)")
      return .commit
    }
  }
}
