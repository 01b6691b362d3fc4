internal import Documents
internal import Resources
internal import Stores

/// The catalogue's records by what they are, in a look at the store.
extension CatalogReader {
  internal func endpoint(_ name: String) throws -> EndpointRecord? {
    try record(EndpointRecord.kind, name).map { try EndpointRecord(stored: $0) }
  }

  /// - Throws: `ControlError.notFound`.
  internal func existingEndpoint(_ name: String) throws -> EndpointRecord {
    guard let record = try endpoint(name) else { throw ControlError(.notFound, "there is no online endpoint '\(name)'") }
    return record
  }

  internal func allEndpoints() throws -> [EndpointRecord] {
    try allRecords(EndpointRecord.kind).map { try EndpointRecord(stored: $0) }
  }

  internal func deployment(_ name: DeploymentName) throws -> DeploymentRecord? {
    try record(DeploymentRecord.kind, name.description).map { try DeploymentRecord(stored: $0) }
  }

  /// - Throws: `ControlError.notFound`.
  internal func existingDeployment(_ name: DeploymentName) throws -> DeploymentRecord {
    if let record = try deployment(name) { return record }
    _ = try existingEndpoint(name.endpoint)
    throw ControlError(.notFound, "endpoint '\(name.endpoint)' has no deployment '\(name.deployment)'")
  }

  internal func deployments(of endpoint: String) throws -> [DeploymentRecord] {
    try allRecords(DeploymentRecord.kind, prefix: "\(endpoint)/").map { try DeploymentRecord(stored: $0) }
  }

  internal func allDeployments() throws -> [DeploymentRecord] {
    try allRecords(DeploymentRecord.kind).map { try DeploymentRecord(stored: $0) }
  }

  internal func operation(_ id: String) throws -> Operation? {
    try record(Operation.recordKind, id).map { try Operation(stored: $0) }
  }

  internal func model(_ name: String, _ version: String) throws -> ModelAsset? {
    try record(ModelAsset.kind, "\(name)/\(version)").map { try ModelAsset(stored: $0) }
  }

  /// Versions of one model, in the order in which they were registered.
  internal func models(_ name: String) throws -> [ModelAsset] {
    try allRecords(ModelAsset.kind, prefix: "\(name)/").map { try ModelAsset(stored: $0) }
      .sorted { ($0.created, $0.revision) < ($1.created, $1.revision) }
  }

  internal func environment(_ name: String, _ version: String) throws -> EnvironmentAsset? {
    try record(EnvironmentAsset.kind, "\(name)/\(version)").map { try EnvironmentAsset(stored: $0) }
  }

  internal func environments(_ name: String) throws -> [EnvironmentAsset] {
    try allRecords(EnvironmentAsset.kind, prefix: "\(name)/").map { try EnvironmentAsset(stored: $0) }
      .sorted { ($0.created, $0.revision) < ($1.created, $1.revision) }
  }
}

extension CatalogWriter {
  /// Writes a record back, if nobody changed it since it was read; a new one if it has no revision yet.
  @discardableResult
  internal func save(_ record: EndpointRecord) throws -> EndpointRecord {
    try EndpointRecord(stored: save(EndpointRecord.kind, record.endpoint.name, record.stored(), record.revision))
  }

  @discardableResult
  internal func save(_ record: DeploymentRecord) throws -> DeploymentRecord {
    try DeploymentRecord(
      stored: save(DeploymentRecord.kind, record.id.description, record.stored(), record.revision))
  }

  @discardableResult
  internal func save(_ asset: ModelAsset) throws -> ModelAsset {
    let name = "\(asset.model.name ?? "")/\(asset.model.version ?? "")"
    return try ModelAsset(stored: save(ModelAsset.kind, name, asset.stored(), asset.revision))
  }

  @discardableResult
  internal func save(_ asset: EnvironmentAsset) throws -> EnvironmentAsset {
    let name = "\(asset.environment.name ?? "")/\(asset.environment.version ?? "")"
    return try EnvironmentAsset(stored: save(EnvironmentAsset.kind, name, asset.stored(), asset.revision))
  }

  internal func save(_ operation: Operation) throws {
    try put(Operation.recordKind, operation.id, body: operation.stored().json())
  }

  /// Takes a deployment away with what is kept beside it; does nothing if there is none.
  internal func deleteDeployment(_ name: DeploymentName) throws {
    for kind in [DeploymentRecord.kind, AutoscaleDriver.kind] where try record(kind, name.description) != nil {
      try delete(kind, name.description, expectedRevision: nil)
    }
  }

  private func save(
    _ kind: RecordKind, _ name: String, _ body: Document, _ revision: Int64
  ) throws -> CatalogRecord {
    let text = body.json()
    return revision == 0
      ? try insert(kind, name, body: text) : try update(kind, name, body: text, expectedRevision: revision)
  }

  /// Adds a line to the audit log and keeps it within its length.
  internal func audit(_ entry: AuditEntry) throws {
    let added = try append(AuditEntry.log, body: entry.stored().json())
    if added.sequence % 1000 == 0 { try trim(AuditEntry.log, keepingNewest: AuditEntry.mostKept) }
  }
}

/// One change of the control plane: who did what to what, and how it ended.
package struct AuditEntry: Hashable, Sendable {
  internal static let log: RecordKind = "audit"
  /// Older lines are dropped.
  package static let mostKept = 100_000

  package var principal: String
  /// Such as `onlineEndpoints/write`.
  package var action: String
  package var resource: String
  /// `accepted`, or the code of the refusal.
  package var outcome: String
  /// What changed, in words; never a secret.
  package var summary: String

  package init(principal: String, action: String, resource: String, outcome: String = "accepted", summary: String = "") {
    self.principal = principal
    self.action = action
    self.resource = resource
    self.outcome = outcome
    self.summary = summary
  }

  internal func stored() -> Document {
    [
      "principal": .string(principal), "action": .string(action), "resource": .string(resource),
      "outcome": .string(outcome), "summary": .string(summary),
    ]
  }
}

extension Operation {
  internal static let recordKind: RecordKind = "operation"

  internal func stored() -> Document {
    var document: Document.Object = [
      "kind": .string(kind.rawValue), "resource": .string(resource), "status": .string(status.rawValue),
      "started": .int(Int(started)), "percent": .int(percent), "step": .string(step),
    ]
    if let ended { document["ended"] = .int(Int(ended)) }
    if let error { document["error"] = error.stored }
    if !warnings.isEmpty { document["warnings"] = .array(warnings.map { .string($0) }) }
    return .object(document)
  }

  internal init(stored record: CatalogRecord) throws {
    let body = try Document(json: record.body)
    guard let kind = body["kind"]?.string.flatMap(Kind.init(rawValue:)), let resource = body["resource"]?.string,
      let status = body["status"]?.string.flatMap(Status.init(rawValue:)), let started = body["started"]?.int
    else { throw ControlError(.internalError, "operation '\(record.name)' can't be read from the store") }
    self.init(id: record.name, kind: kind, resource: resource, started: Int64(started))
    self.status = status
    ended = body["ended"]?.int.map(Int64.init)
    percent = body["percent"]?.int ?? 0
    step = body["step"]?.string ?? ""
    error = ControlError(stored: body["error"])
    warnings = body["warnings"]?.array?.compactMap(\.string) ?? []
  }
}
