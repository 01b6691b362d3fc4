import CatalogStoreConformance
import CrashTesting
import SQLiteStore
import Stores
import Testing

@Suite struct SQLiteConformanceTests {
  @Test(arguments: CatalogStoreConformance.checks)
  func `the SQLite store keeps the promises of a store`(_ check: StoreCheck) async throws {
    let folder = try TemporaryFolder()
    let clock = StoreClock()
    let store = try SQLiteStore(path: folder.path + "/catalogue.db", clock: { clock.now })
    try await check.run(store, clock)
    try store.close()
  }
}
