import CatalogStoreConformance
import Stores
import Testing

@Suite struct MemoryStoreTests {
  @Test(arguments: CatalogStoreConformance.checks)
  func `the memory store keeps the promises of a store`(_ check: StoreCheck) async throws {
    let clock = StoreClock()
    try await check.run(MemoryStore(clock: { clock.now }), clock)
  }
}
