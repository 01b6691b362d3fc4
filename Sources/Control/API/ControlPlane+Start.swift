internal import Resources
internal import Stores
internal import Telemetry

extension ControlPlane {
  /// Reads who may do what. Until then nobody may do anything, so it goes before anybody can ask.
  package func readRoles() async throws(ControlError) {
    do {
      try await store.read { [self] store in try security.reload(from: store) }
    } catch { throw ControlError(anything: error) }
  }

  /// Brings everything back as the catalogue has it, and takes up what was under way when the server last stopped.
  ///
  /// Returns when every deployment that served serves again, or can't: that is in the log and in the deployment's state.
  package func start() async throws(ControlError) {
    let endpoints: [EndpointRecord]
    let deployments: [DeploymentRecord]
    let operations: [Operation]
    do {
      (endpoints, deployments, operations) = try await store.read { [self] store in
        try security.reload(from: store)
        return (
          try store.allEndpoints(), try store.allDeployments(),
          try store.allRecords(Operation.recordKind).map { try Operation(stored: $0) }.filter { !$0.status.isEnd })
      }
    } catch let error as CatalogStoreError {
      throw ControlError(error)
    } catch {
      throw ControlError(.internalError, "the catalogue can't be read: \(error)")
    }
    reconciler.apply(endpoints.filter { $0.state != .deleting }.map { ($0, security.access(of: $0)) })
    reconciler.rolesChanged(to: security.rolesGeneration)
    let gone = Set(endpoints.filter { $0.state == .deleting }.map(\.endpoint.name))
    await withTaskGroup(of: Void.self) { group in
      for record in deployments where !gone.contains(record.id.endpoint) && record.state != .deleting {
        group.addTask { await self.bringBack(record) }
      }
    }
    for operation in operations { resume(operation, endpoints, deployments) }
    do { try await resumeRollouts() } catch {
      throw ControlError(.internalError, "the rollouts can't be taken up again: \(error)")
    }
  }

  private func bringBack(_ record: DeploymentRecord) async {
    guard let active = record.active else { return }
    var wanted = record
    wanted.deployment = active
    do throws(ControlError) {
      try await reconciler.start(wanted, of: try await model(of: active)) { _, _ in }
      // Whoever deleted it meanwhile found nothing to stop.
      if try await isGone(record.id) { await reconciler.stop(record.id) }
    } catch {
      log.error("a deployment could not be brought back", ["deployment": record.id.description, "error": error.message])
      // What goes on by an operation is taken up afterwards, and gets its state then.
      guard record.state.isFinal else { return }
      let failure = error
      do {
        try await store.write { store in
          guard var current = try store.deployment(record.id), current.revision == record.revision else { return }
          current.state = .failed
          current.error = failure
          try store.save(current)
        }
      } catch {
        log.error("its state could not be written", ["deployment": record.id.description, "error": "\(error)"])
      }
    }
  }

  private func isGone(_ name: DeploymentName) async throws(ControlError) -> Bool {
    do { return try await store.read { try $0.deployment(name) } == nil } catch { throw ControlError(anything: error) }
  }

  private func resume(_ operation: Operation, _ endpoints: [EndpointRecord], _ deployments: [DeploymentRecord]) {
    log.info("taking an operation up again", ["operation": operation.id, "resource": operation.resource])
    if let record = deployments.first(where: { $0.operation == operation.id && !$0.state.isFinal }) {
      record.state == .deleting ? startDeletion(of: record.id, operation) : startReconciling(record, operation)
    } else if let record = endpoints.first(where: { $0.operation == operation.id && $0.state == .deleting }) {
      startDeletion(of: record, operation)
    } else {
      work.start { [self] in
        await finish(operation, failure: ControlError(.operationCanceled, "what it was about is no longer there")) { _ in }
      }
    }
  }
}
