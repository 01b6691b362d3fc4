internal import Access
internal import Documents
internal import Stores
internal import Telemetry
internal import Threads

/// Changes that take time.
extension ControlPlane {
  internal func newOperation(_ kind: Operation.Kind, _ resource: String) -> Operation {
    Operation(id: ControlPlane.newID(), kind: kind, resource: resource, started: clock())
  }

  /// An operation that ends in the transaction in which it begins.
  internal func finishedOperation(
    _ kind: Operation.Kind, _ resource: String, warnings: [String] = [], in store: any CatalogWriter
  ) throws -> Operation {
    var operation = newOperation(kind, resource)
    operation.warnings = warnings
    operation.status = .succeeded
    operation.percent = 100
    operation.ended = operation.started
    try store.save(operation)
    try trimOperations(in: store)
    return operation
  }

  internal func note(_ operation: Operation, _ percent: Int, _ step: String) {
    progress.withLock { $0[operation.id] = (percent, step) }
  }

  /// Writes down how an operation ended, together with what else that changes.
  internal func finish(
    _ operation: Operation, failure: ControlError? = nil,
    _ change: @escaping @Sendable (any CatalogWriter) throws -> Void
  ) async {
    let step = progress.withLock { $0[operation.id]?.step } ?? operation.step
    var ended = operation
    ended.status = failure == nil ? .succeeded : .failed
    ended.error = failure
    ended.percent = failure == nil ? 100 : operation.percent
    ended.step = step
    ended.ended = clock()
    let final = ended
    let write: @Sendable () async throws -> Void = { [self] in
      try await store.write { store in
        try change(store)
        try store.save(final)
        try self.trimOperations(in: store)
      }
    }
    do { try await write() } catch {
      // The store has the operation as going on still. It is told again when it may have room, and a start of the server
      // takes the operation up.
      log.error("the end of an operation could not be written", ["operation": operation.id, "error": "\(error)"])
      unwritten.withLock { $0.append(write) }
    }
    _ = progress.withLock { $0.removeValue(forKey: operation.id) }
    if let failure {
      log.error("operation failed", ["operation": operation.id, "resource": operation.resource, "error": failure.message])
    } else {
      log.info("operation succeeded", ["operation": operation.id, "kind": operation.kind.rawValue, "resource": operation.resource])
    }
  }

  /// Writes the ends of operations that the store had no room for.
  internal func writeUnwritten() async {
    for write in unwritten.withLock({ all in
      defer { all = [] }
      return all
    }) {
      do { try await write() } catch { unwritten.withLock { $0.append(write) } }
    }
  }

  /// Forgets the oldest of too many ended operations.
  private func trimOperations(in store: any CatalogWriter) throws {
    let all = try store.allRecords(Operation.recordKind)
    guard all.count > options.maxOperations else { return }
    var excess = all.count - options.maxOperations
    for record in all.sorted(by: { $0.revision < $1.revision }) where excess > 0 {
      guard try Operation(stored: record).status.isEnd else { continue }
      try store.delete(Operation.recordKind, record.name, expectedRevision: nil)
      excess -= 1
    }
  }

  internal func operation(_ id: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    let operation = try await store.read { try $0.operation(id) }
    // Who has a role at an endpoint may follow what happens to it.
    try require(.readOperation, on: operation?.endpoint, request)
    guard let operation else {
      throw ControlError(.notFound, "there is no operation '\(id)': it may have been long ago")
    }
    return ControlResponse(
      status: 200, body: rendered(operation), retryAfterSeconds: operation.status.isEnd ? nil : 1)
  }

  private func rendered(_ operation: Operation) -> Document {
    let live = operation.status.isEnd ? nil : progress.withLock { $0[operation.id] }
    var document: Document.Object = [
      "id": .string(id("operations/\(operation.id)")), "name": .string(operation.id),
      "kind": .string(operation.kind.rawValue), "resource": .string(operation.resource),
      "status": .string(operation.status.rawValue),
      "startTime": .string(WallClock.text(milliseconds: operation.started)),
      "percentComplete": .int(live?.percent ?? operation.percent),
    ]
    let step = live?.step ?? operation.step
    if !step.isEmpty { document["message"] = .string(step) }
    if let ended = operation.ended { document["endTime"] = .string(WallClock.text(milliseconds: ended)) }
    if let error = operation.error { document["error"] = error.stored }
    if !operation.warnings.isEmpty {
      document["properties"] = ["warnings": .array(operation.warnings.map { .string($0) })]
    }
    return .object(document)
  }
}

extension ControlPlane {
  /// Where an operation is looked at.
  package func address(ofOperation id: String) -> String { self.id("operations/\(id)") }
}
