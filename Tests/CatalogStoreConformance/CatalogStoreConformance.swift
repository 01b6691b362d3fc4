package import Stores

/// What every store must do, as checks that a test runs one by one on a new store each.
package enum CatalogStoreConformance {
  package static let checks = recordChecks + listChecks + transactionChecks + logChecks
}

/// One promise of a store, named as a sentence.
package struct StoreCheck: Sendable, CustomStringConvertible {
  package var description: String
  /// Throws where the store breaks the promise. The clock is the one that the store was made with.
  package var run: @Sendable (_ store: any CatalogStore, _ clock: StoreClock) async throws -> Void

  init(_ description: String, _ run: @escaping @Sendable (any CatalogStore, StoreClock) async throws -> Void) {
    self.description = description
    self.run = run
  }
}

/// Where a store differs from what was promised.
package struct Unconformity: Error, CustomStringConvertible {
  package var description: String
}

internal func expect<Value: Equatable>(_ what: String, _ value: Value, is expected: Value) throws {
  guard value == expected else { throw Unconformity(description: "\(what) is \(value), not \(expected)") }
}

internal func expect(_ what: String, _ holds: Bool) throws {
  guard holds else { throw Unconformity(description: "not so: \(what)") }
}

/// - Returns: The error that the write failed with.
@discardableResult
internal func expectFailure(
  _ code: CatalogStoreError.Code, of store: any CatalogStore,
  _ body: @escaping @Sendable (any CatalogWriter) throws -> Void
) async throws -> CatalogStoreError {
  do {
    try await store.write(body)
  } catch let error as CatalogStoreError {
    try expect("the error's code", error.code, is: code)
    return error
  }
  throw Unconformity(description: "the write succeeded, where \(code) is expected")
}
