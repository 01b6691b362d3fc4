/// What a record is about, such as "onlineEndpoint". The store gives it no meaning beyond keeping kinds apart.
package struct RecordKind: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  package var rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }
  package init(_ rawValue: String) { self.rawValue = rawValue }
  package init(stringLiteral value: String) { rawValue = value }

  package var description: String { rawValue }
}

/// One thing that must survive: an endpoint, a role, an operation. Found by its kind and name.
package struct CatalogRecord: Hashable, Sendable {
  package var kind: RecordKind
  /// A path within the kind, such as "churn/blue". Two names are one only if their UTF-8 bytes are the same.
  package var name: String
  /// Of the record's latest change. Every change in a store gets a higher revision than all changes before it.
  package var revision: Int64
  /// JSON text, which the store never looks into.
  package var body: String
  /// Milliseconds since 1970, UTC.
  package var created: Int64
  /// Milliseconds since 1970, UTC; never before `created`.
  package var modified: Int64

  package init(
    kind: RecordKind, name: String, revision: Int64, body: String, created: Int64, modified: Int64
  ) {
    self.kind = kind
    self.name = name
    self.revision = revision
    self.body = body
    self.created = created
    self.modified = modified
  }
}

/// One line of a log that only grows at its end, such as the audit log. It has no name and never changes.
package struct LogEntry: Hashable, Sendable {
  /// The log it stands in.
  package var kind: RecordKind
  /// Its place in that log, from 1. Higher than that of all entries before it, also of those trimmed away.
  package var sequence: Int64
  /// JSON text.
  package var body: String
  /// When it was appended: milliseconds since 1970, UTC.
  package var time: Int64

  package init(kind: RecordKind, sequence: Int64, body: String, time: Int64) {
    self.kind = kind
    self.sequence = sequence
    self.body = body
    self.time = time
  }
}
