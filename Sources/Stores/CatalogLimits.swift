/// How large what a store keeps may be, the same for every store.
package enum CatalogLimits {
  package static let maxKindBytes = 64
  package static let maxNameBytes = 1024
  package static let maxBodyBytes = 4 << 20
  /// Most records or entries in one answer.
  package static let maxPageCount = 1000

  /// - Throws: `.invalidArgument` if no store may keep it.
  package static func check(_ kind: RecordKind, _ name: String, body: String) throws(CatalogStoreError) {
    try check(kind)
    guard (1...maxNameBytes).contains(name.utf8.count) else {
      throw .init(
        .invalidArgument, "the name of \(kind) '\(name.prefix(40))' has \(name.utf8.count) bytes; 1 to \(maxNameBytes) are allowed")
    }
    guard !name.utf8.contains(0) else {
      throw .init(.invalidArgument, "the name of a \(kind) holds a NUL byte at \(name.utf8.prefix { $0 != 0 }.count)")
    }
    try check(body, of: "\(kind) '\(name)'")
  }

  /// - Throws: `.invalidArgument` if no log may keep it.
  package static func check(_ log: RecordKind, body: String) throws(CatalogStoreError) {
    try check(log)
    try check(body, of: "an entry of log '\(log)'")
  }

  /// The limit that counts for one answer.
  ///
  /// - Throws: `.invalidArgument` if it is below 1.
  package static func pageCount(_ limit: Int) throws(CatalogStoreError) -> Int {
    guard limit >= 1 else { throw .init(.invalidArgument, "limit is \(limit); at least 1 is expected") }
    return min(limit, maxPageCount)
  }

  /// - Throws: `.invalidArgument` if so many entries of a log can't be kept.
  package static func checkKept(_ count: Int, of log: RecordKind) throws(CatalogStoreError) {
    guard count >= 0 else {
      throw .init(.invalidArgument, "log '\(log)' can't keep \(count) entries; at least 0 are expected")
    }
  }

  private static func check(_ kind: RecordKind) throws(CatalogStoreError) {
    guard (1...maxKindBytes).contains(kind.rawValue.utf8.count), !kind.rawValue.utf8.contains(0) else {
      throw .init(
        .invalidArgument, "kind '\(kind.rawValue.prefix(maxKindBytes))' is not 1 to \(maxKindBytes) bytes without NUL")
    }
  }

  private static func check(_ body: String, of owner: String) throws(CatalogStoreError) {
    guard body.utf8.count <= maxBodyBytes else {
      throw .init(.invalidArgument, "the body of \(owner) has \(body.utf8.count) bytes; at most \(maxBodyBytes) are allowed")
    }
    guard !body.utf8.contains(0) else {
      throw .init(.invalidArgument, "the body of \(owner) holds a NUL byte, which no JSON text has")
    }
  }
}
