internal import Documents
package import Stores

extension ControlPlane {
  private static let setting: RecordKind = "setting"

  /// Writes what a new catalogue begins with. Of an earlier try that did not end, nothing is left.
  ///
  /// - Parameter tokenKey: The key that signs the server's tokens, sealed.
  package static func setUp(_ store: any CatalogStore, tokenKey: String) async throws {
    try await store.write { store in
      for kind in [RoleRecords.principal, RoleRecords.secret, RoleRecords.assignment] {
        for record in try store.allRecords(kind) { try store.delete(kind, record.name, expectedRevision: nil) }
      }
      let body: Document = ["sealed": .string(tokenKey)]
      try store.put(setting, "tokenSigningKey", body: body.json())
    }
  }

  /// The key that `setUp` was given.
  package static func tokenKey(in store: any CatalogStore) async throws -> String {
    let record = try await store.read { try $0.existingRecord(setting, "tokenSigningKey") }
    guard let sealed = try Document(json: record.body)["sealed"]?.string else {
      throw ControlError(.internalError, "setting 'tokenSigningKey' can't be read from the store")
    }
    return sealed
  }
}
