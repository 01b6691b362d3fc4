/// Why a store did not do what it was asked.
///
/// The message names the record and never holds a body. Names are safe to show: the caller gave them.
package struct CatalogStoreError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// A kind, name, body or number that no store takes: see `CatalogLimits`.
    case invalidArgument
    /// No record of that kind and name.
    case notFound
    /// A record of that kind and name is there already.
    case alreadyExists
    /// The record has changed since the caller saw it. Read it again, and decide again.
    case conflict
    /// No room to write. Reading goes on; writing does once there is room.
    case full
    /// What is stored can't be trusted any more: bring it back from a backup.
    case corrupt
    /// The store can't be reached or opened. The message says why and what to do.
    case unavailable
    /// Someone else holds it for now. Try again.
    case busy
  }

  package var code: Code
  package var message: String
  /// With `.conflict`: what the caller expected, and what is there.
  package var expectedRevision: Int64?
  package var actualRevision: Int64?

  package init(_ code: Code, _ message: String, expectedRevision: Int64? = nil, actualRevision: Int64? = nil) {
    self.code = code
    self.message = message
    self.expectedRevision = expectedRevision
    self.actualRevision = actualRevision
  }

  package static func notFound(_ kind: RecordKind, _ name: String) -> Self {
    .init(.notFound, "there is no \(kind) '\(name)'")
  }

  package static func alreadyExists(_ kind: RecordKind, _ name: String) -> Self {
    .init(.alreadyExists, "\(kind) '\(name)' exists already")
  }

  package static func conflict(_ record: CatalogRecord, expected: Int64) -> Self {
    .init(
      .conflict,
      "\(record.kind) '\(record.name)' is at revision \(record.revision), not \(expected): it has changed since",
      expectedRevision: expected, actualRevision: record.revision)
  }

  package var description: String { "\(code): \(message)" }
}
