import CrashTesting
import GRDB
import Glibc
import SQLiteStore
import Stores
import Testing

@Suite struct SQLiteOpeningTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = folder.path + "/catalogue.db"
  }

  private func open() throws(CatalogStoreError) -> SQLiteStore { try SQLiteStore(path: path, clock: { 1_000 }) }

  private func refusal(_ code: CatalogStoreError.Code) -> String {
    do {
      try open().close()
      return "opened"
    } catch {
      #expect(error.code == code, "\(error)")
      return error.message
    }
  }

  /// Changes the file as another program would.
  private func edit(_ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
    try queue.close()
  }

  @Test func `what was written is there when it is opened again`() async throws {
    let first = try open()
    let record = try await first.write { try $0.insert("model", "a", body: "1") }
    try first.close()
    let second = try open()
    #expect(try await second.read { try $0.record("model", "a") } == record)
    #expect(try await second.write { try $0.insert("model", "b", body: "1").revision } > record.revision)
    try second.close()
  }

  @Test func `only its own user can read the files`() async throws {
    let former = umask(0)
    defer { umask(former) }
    let store = try open()
    try await store.write { try $0.insert("secret", "a", body: "1") }
    for file in [path, path + "-wal", path + "-shm", path + ".lock"] {
      var status = stat()
      #expect(stat(file, &status) == 0)
      #expect(status.st_mode & 0o777 == 0o600, "\(file)")
    }
    try store.close()
  }

  @Test func `a second server on the same file is refused with the process that has it`() throws {
    let store = try open()
    let message = refusal(.busy)
    #expect(message.contains("process \(getpid())") && message.contains("'\(path)'"), "\(message)")
    try store.close()
    try open().close()
  }

  @Test func `a file that a newer version wrote is refused, unchanged, with what to do`() throws {
    try open().close()
    try edit("PRAGMA user_version = 99")
    let message = refusal(.unavailable)
    #expect(message.contains("version 99") && message.contains("newer apus"), "\(message)")
    try edit("PRAGMA user_version = 1")
    try open().close()
  }

  @Test func `another program's SQLite file is refused, unchanged`() throws {
    try edit("CREATE TABLE birds (name TEXT)")
    #expect(refusal(.unavailable).contains("another program"))
    let queue = try DatabaseQueue(path: path)
    let mode = try queue.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
    #expect(mode == "delete")
    try queue.close()
  }

  @Test func `a file that is no database is refused as damaged`() throws {
    let file = try #require(fopen(path, "w"))
    for _ in 0..<1000 { fputs("not a database\n", file) }
    fclose(file)
    let message = refusal(.corrupt)
    #expect(message.contains("'\(path)'") && message.contains("backup"), "\(message)")
  }

  /// Overwrites one page after the other; a page may be one whose loss nothing shows, such as a free one.
  @Test func `a damaged page is found at the opening`() async throws {
    let store = try open()
    try await store.write { writer in
      for index in 0..<200 { try writer.insert("model", "m/\(index)", body: String(repeating: "x", count: 500)) }
    }
    try store.close()
    let file = try #require(fopen(path, "r+"))
    fseek(file, 0, SEEK_END)
    let pages = ftell(file) / 4096
    try #require(pages > 20)
    fseek(file, 4096 * 8, SEEK_SET)
    for _ in 0..<4096 { fputc(0x5A, file) }
    fclose(file)
    #expect(refusal(.corrupt).contains("damaged"))
  }

  @Test func `a directory that is not there is named`() throws {
    let store = Result { () throws(CatalogStoreError) in
      try SQLiteStore(path: folder.path + "/missing/catalogue.db", clock: { 1 })
    }
    #expect(throws: CatalogStoreError.self) { try store.get() }
    if case .failure(let error) = store { #expect(error.message.contains("/missing/catalogue.db"), "\(error)") }
  }

  @Test func `a program that has the file locked makes a write wait, and then fail as busy`() async throws {
    let store = try SQLiteStore(path: path, clock: { 1_000 }, busySeconds: 0.05)
    var configuration = Configuration()
    configuration.allowsUnsafeTransactions = true  // one that stays open between two accesses
    let other = try DatabaseQueue(path: path, configuration: configuration)
    try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
    let error = await #expect(throws: CatalogStoreError.self) { try await store.write { try $0.put("model", "a", body: "1") } }
    #expect(error?.code == .busy, "\(String(describing: error))")
    #expect(try await store.read { try $0.allRecords("model") } == [])
    try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
    try await store.write { try $0.put("model", "a", body: "1") }
    try other.close()
    try store.close()
  }

  @Test func `a closed store says so`() async throws {
    let store = try open()
    try store.close()
    let error = await #expect(throws: CatalogStoreError.self) { try await store.write { try $0.put("model", "a", body: "1") } }
    #expect(error?.code == .unavailable)
    await #expect(throws: CatalogStoreError.self) { try await store.read { try $0.latestRevision() } }
  }

  /// The task ends before its write may begin.
  @Test func `a cancelled task's write is done all the same`() async throws {
    let store = try open()
    let task = Task {
      withUnsafeCurrentTask { $0?.cancel() }
      try await store.write { try $0.put("model", "a", body: "1") }
    }
    try await task.value
    #expect(try await store.read { try $0.record("model", "a")?.body } == "1")
    try store.close()
  }
}
