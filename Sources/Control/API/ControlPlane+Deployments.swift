internal import Access
internal import Documents
internal import Resources
internal import Rollouts
internal import Stores
internal import Telemetry

/// `onlineEndpoints/{endpoint}/deployments` and one of them.
extension ControlPlane {
  internal func deployments(_ endpoint: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readOnlineDeployment, on: endpoint, request)
    let filter = try ListFilter(request)
    let all = try await store.read { store in
      _ = try store.existingEndpoint(endpoint)
      return try store.deployments(of: endpoint)
    }
    let found = all.filter { record in
      let deployment = record.deployment
      return filter.shows(
        name: deployment.name, tags: deployment.tags, properties: deployment.properties,
        computeType: deployment.kind == .kubernetes ? .kubernetes : .managed)
    }
    let records = filter.ordered(found, created: \.created, modified: \.modified)
    let page = try Page(request, count: records.count)
    return ControlResponse(status: 200, body: page.answer(records[page.range].map { rendered($0) }))
  }

  internal func deployment(_ name: DeploymentName, _ request: ControlRequest) async throws -> ControlResponse {
    switch request.method {
    case .get:
      try require(.readOnlineDeployment, on: name.endpoint, request)
      let record = try await store.read { try $0.existingDeployment(name) }
      return ControlResponse(status: 200, body: rendered(record), etag: "\(record.revision)")
    case .put:
      try require(.writeOnlineDeployment, on: name.endpoint, request)
      let body = ControlPlane.withoutShown(try requireBody(request))
      let reading = OnlineDeployment.read(rest: body, names: [name.endpoint, name.deployment])
      let wanted = try reading.get()
      let warnings = reading.notes
      return try await change(name, request) { existing in
        try ControlPlane.check(request, revision: existing?.revision, "deployment '\(name)'")
        return (wanted, warnings)
      }
    case .patch:
      try require(.writeOnlineDeployment, on: name.endpoint, request)
      let patch = try requireBody(request)
      return try await change(name, request) { existing in
        guard let existing else {
          throw ControlError(.notFound, "endpoint '\(name.endpoint)' has no deployment '\(name.deployment)'")
        }
        try ControlPlane.check(request, revision: existing.revision, "deployment '\(name)'")
        let old = existing.deployment.rest()
        let names = [name.endpoint, name.deployment]
        let reading = OnlineDeployment.read(rest: old.merging(ControlPlane.withoutShown(patch)), names: names)
        return (try reading.get(), reading.notes(addedTo: OnlineDeployment.read(rest: old, names: names)))
      }
    case .delete:
      try require(.deleteOnlineDeployment, on: name.endpoint, request)
      return try await deleteDeployment(name, request)
    case .post:
      try allow(.get, .put, .patch, .delete, for: request)
      preconditionFailure("POST is not among the methods allowed. This is a bug.")
    }
  }

  // MARK: - Create and update

  /// Checks what a deployment is to be, writes it as under way, and has the reconciler make it so.
  ///
  /// - Parameter wanted: What it is to be, and what there is to say about it.
  private func change(
    _ name: DeploymentName, _ request: ControlRequest,
    _ wanted: @escaping @Sendable (DeploymentRecord?) throws -> (OnlineDeployment, [String])
  ) async throws -> ControlResponse {
    if try ControlPlane.onlyValidates(request) {
      let warnings = try await store.read { [self] store in
        let existing = try store.deployment(name)
        let (deployment, warnings) = try wanted(existing)
        _ = try checked(deployment, name, over: existing, in: store)
        return warnings
      }
      return ControlResponse(status: 200, body: [:], warnings: warnings)
    }
    let (record, operation, isNew) = try await store.write { [self] store in
      let existing = try store.deployment(name)
      var (deployment, warnings) = try wanted(existing)
      deployment.model = try definiteModel(of: deployment, over: existing?.deployment, in: store)
      var record = try checked(deployment, name, over: existing, in: store)
      var operation = newOperation(
        existing == nil ? .createDeployment : .updateDeployment,
        "onlineEndpoints/\(name.endpoint)/deployments/\(name.deployment)")
      operation.warnings = warnings
      record.state = ControlPlane.state(whileMaking: deployment, of: existing)
      record.operation = operation.id
      record.authors.note(request.principal, isNew: existing == nil)
      record.error = nil
      try store.save(operation)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "onlineEndpoints/deployments/write",
          resource: operation.resource, summary: existing == nil ? "created" : "updated"))
      return (try store.save(record), operation, existing == nil)
    }
    startReconciling(record, operation)
    return ControlResponse(
      status: isNew ? 201 : 202, body: rendered(record), etag: "\(record.revision)", operation: operation.id,
      retryAfterSeconds: 1, warnings: operation.warnings)
  }

  /// Whether a change is only to be checked: all of it but the model, which may not be registered yet. So that nobody has to
  /// send a large model to hear that there is no room for it.
  private static func onlyValidates(_ request: ControlRequest) throws(ControlError) -> Bool {
    switch request.query["validateOnly"] {
    case nil, "false": false
    case "true": true
    case let other?: throw ControlError(.badArgument, "validateOnly is '\(other.prefix(64))': expected 'true' or 'false'")
    }
  }

  /// The record of a deployment that may be as it is asked for.
  private func checked(
    _ deployment: OnlineDeployment, _ name: DeploymentName, over existing: DeploymentRecord?, in store: any CatalogReader
  ) throws -> DeploymentRecord {
    if let existing, !existing.state.isFinal {
      throw ControlError(
        .conflict, "deployment '\(name)' is \(existing.state.word.lowercased()) by operation \(existing.operation ?? "-"): wait "
          + "for it to end")
    }
    try checkEndpoint(of: name, isNew: existing == nil, in: store)
    if let existing {
      let refused = deployment.changesThatAreRefused(from: existing.deployment)
      if !refused.isEmpty { throw ResourceError(refused) }
    }
    try checkServable(deployment)
    var record = existing ?? DeploymentRecord(deployment: deployment, state: .creating)
    // A count that the caller changed counts more than what scaling made of the old one.
    if existing?.deployment.wantedInstances != deployment.wantedInstances { record.scaledCount = nil }
    record.deployment = deployment
    try checkQuota(record, in: store)
    return record
  }

  /// What a deployment is called while a change of it goes on. Where only the number of instances of what serves is
  /// another one, nothing is loaded in its place: it scales.
  private static func state(whileMaking wanted: OnlineDeployment, of existing: DeploymentRecord?) -> ProvisioningState {
    guard let existing else { return .creating }
    var before = existing.deployment
    guard existing.active == before, before.wantedInstances != wanted.wantedInstances else { return .updating }
    before.instanceCount = wanted.instanceCount
    return before == wanted ? .scaling : .updating
  }

  private func checkEndpoint(of name: DeploymentName, isNew: Bool, in store: any CatalogReader) throws {
    let endpoint = try store.existingEndpoint(name.endpoint)
    guard endpoint.state != .deleting else {
      throw ControlError(.conflict, "endpoint '\(name.endpoint)' is being deleted by operation \(endpoint.operation ?? "-")")
    }
    guard isNew else { return }
    let count = try store.deployments(of: name.endpoint).count
    guard count < options.maxDeploymentsPerEndpoint else {
      throw ControlError(
        .outOfQuota,
        "endpoint '\(name.endpoint)' has \(count) deployments; the limit is \(options.maxDeploymentsPerEndpoint)")
    }
  }

  /// The version that a reference means today.
  private func definiteModel(
    of deployment: OnlineDeployment, over existing: OnlineDeployment?, in store: any CatalogReader
  ) throws -> AssetReference<ModelVersion> {
    switch deployment.model {
    case .version(let name, let version):
      guard let asset = try store.model(name, version) else {
        let known = try store.models(name).map { $0.model.version ?? "" }
        throw ControlError(
          .badArgument,
          "model: there is no version '\(version)' of model '\(name)': "
            + (known.isEmpty ? "it has none" : "it has \(known.suffix(8).joined(separator: ", "))"))
      }
      // What is in use may stay in use.
      guard !asset.isArchived || existing?.model == deployment.model else {
        throw ControlError(.badArgument, "model: version '\(version)' of model '\(name)' is archived: restore it first")
      }
      return .version(name: name, version: version)
    case .latest(let name):
      guard let latest = try store.models(name).last(where: { !$0.isArchived })?.model.version else {
        throw ControlError(.badArgument, "model: there is no model '\(name)'")
      }
      return .version(name: name, version: latest)
    case .anonymous, .path:
      throw ControlError(
        .badArgument, "model: a model that is not registered can't be sent in a request: register it first, as "
          + "`apus deployment create` does")
    case nil:
      throw ControlError(
        .badArgument, "model is missing: a deployment without one runs a server of its own, which this server does not "
          + "start yet")
    }
  }

  /// What this server can't run is refused before anything is written.
  private func checkServable(_ deployment: OnlineDeployment) throws {
    if deployment.codeConfiguration != nil {
      throw ControlError(
        .notImplemented, "code_configuration: scoring scripts are not run by this server yet: leave it out for models that "
          + "need none (ONNX files, Triton's layout, MLflow with the flavour onnx)")
    }
    let most = options.maxInstancesPerDeployment
    var counts = [("instance_count", deployment.instanceCount ?? 1)]
    if case .targetUtilization(let scale) = deployment.scaleSettings {
      counts.append(("scale_settings.max_instances", scale.maxInstances))
    }
    for (field, count) in counts where count > most {
      throw ControlError(.outOfQuota, "\(field) is \(count): the limit of a deployment is \(most)")
    }
  }

  private func checkQuota(_ record: DeploymentRecord, in store: any CatalogReader) throws {
    let others = try store.allDeployments().filter { $0.id != record.id && $0.state != .deleting }
    try reconciler.compute.check(record, beside: others)
  }

  /// Makes a deployment what its record says. Also taken up when a server starts that was stopped in the middle.
  internal func startReconciling(_ record: DeploymentRecord, _ operation: Operation) {
    work.start { [self] in
      do throws(ControlError) {
        let asset = try await model(of: record.deployment)
        try await reconciler.start(record, of: asset) { percent, step in self.note(operation, percent, step) }
        await finish(operation) { store in
          guard var current = try store.deployment(record.id) else { return }
          current.active = record.deployment
          current.state = .succeeded
          current.error = nil
          try store.save(current)
        }
      } catch {
        let failure = error
        await finish(operation, failure: failure) { store in
          guard var current = try store.deployment(record.id) else { return }
          current.state = .failed
          current.error = failure
          try store.save(current)
        }
      }
    }
  }

  internal func model(of deployment: OnlineDeployment) async throws(ControlError) -> ModelAsset {
    do {
      guard let (name, version) = deployment.modelVersion,
        let asset = try await store.read({ try $0.model(name, version) })
      else { throw ControlError(.resourceNotReady, "its model is no longer registered") }
      return asset
    } catch let error as ControlError {
      throw error
    } catch {
      throw ControlError(.internalError, "\(error)")
    }
  }

  // MARK: - Delete

  private func deleteDeployment(_ name: DeploymentName, _ request: ControlRequest) async throws -> ControlResponse {
    let deletion: (operation: Operation, begins: Bool)? = try await store.write { [self] store in
      guard var record = try store.deployment(name) else {
        _ = try store.existingEndpoint(name.endpoint)
        return nil
      }
      try ControlPlane.check(request, revision: record.revision, "deployment '\(name)'")
      if record.state == .deleting, let id = record.operation, let operation = try store.operation(id) {
        return (operation, false)
      }
      guard record.state.isFinal else {
        throw ControlError(
          .conflict, "deployment '\(name)' is \(record.state.word.lowercased()) by operation \(record.operation ?? "-"): wait for it "
            + "to end")
      }
      let owner = try store.existingEndpoint(name.endpoint)
      guard owner.state != .deleting else {
        throw ControlError(.conflict, "endpoint '\(name.endpoint)' is being deleted by operation \(owner.operation ?? "-")")
      }
      let endpoint = owner.endpoint
      if let percent = endpoint.traffic[name.deployment], percent > 0 {
        throw ControlError(
          .conflict, "deployment '\(name.deployment)' has \(percent) % of the traffic of endpoint '\(name.endpoint)': set it "
            + "to 0 first")
      }
      if endpoint.mirrorTraffic?.deployment == name.deployment {
        throw ControlError(
          .conflict, "deployment '\(name.deployment)' gets mirrored traffic of endpoint '\(name.endpoint)': set it to 0 first")
      }
      if let rollout = try store.rolloutUnderWay(of: name.endpoint), [rollout.newName, rollout.oldName].contains(name.deployment) {
        throw ControlError(
          .conflict, "deployment '\(name.deployment)' is part of the rollout of endpoint '\(name.endpoint)' from "
            + "'\(rollout.oldName)' to '\(rollout.newName)': abort it or wait for its end")
      }
      let operation = newOperation(
        .deleteDeployment, "onlineEndpoints/\(name.endpoint)/deployments/\(name.deployment)")
      record.state = .deleting
      record.operation = operation.id
      try store.save(record)
      try store.save(operation)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "onlineEndpoints/deployments/delete",
          resource: operation.resource))
      return (operation, true)
    }
    guard let (operation, begins) = deletion else { return ControlResponse(status: 204) }
    if begins { startDeletion(of: name, operation) }
    return ControlResponse(status: 202, operation: operation.id, retryAfterSeconds: 1)
  }

  internal func startDeletion(of name: DeploymentName, _ operation: Operation) {
    work.start { [self] in
      await reconciler.stop(name)
      autoscaler.forget(name)
      await finish(operation) { store in try store.deleteDeployment(name) }
    }
  }

  // MARK: - Logs and instance types

  internal func deploymentAction(
    _ name: DeploymentName, _ action: String, _ request: ControlRequest
  ) async throws -> ControlResponse {
    switch action {
    case "getlogs":
      try allow(.post, for: request)
      try require(.readDeploymentLogs, on: name.endpoint, request)
      _ = try await store.read { try $0.existingDeployment(name) }
      let tail = request.body?["tail"]
      let count = tail == nil ? DeploymentLog.mostLines : tail?.int ?? 0
      guard (1...DeploymentLog.mostLines).contains(count) else {
        throw ControlError(
          .badArgument, "tail is \(tail?.quoted ?? "nothing"): expected a whole number from 1 to \(DeploymentLog.mostLines)")
      }
      let lines = reconciler.log(of: name).tail(count)
      return ControlResponse(status: 200, body: ["content": .string(lines.map { $0 + "\n" }.joined())])
    case "skus":
      try allow(.get, for: request)
      try require(.readOnlineDeployment, on: name.endpoint, request)
      _ = try await store.read { try $0.existingDeployment(name) }
      let capacity: Document = [
        "minimum": 1, "maximum": .int(options.maxInstancesPerDeployment), "default": 1, "scaleType": "Automatic",
      ]
      let sku: Document = ["resourceType": "onlineDeployments", "sku": ["name": "default"], "capacity": capacity]
      return ControlResponse(status: 200, body: ["value": [sku]])
    case "autoscale": return try await autoscale(name, request)
    default: throw ControlError(.notFound, "a deployment has nothing called '\(action)'")
    }
  }

  internal func rendered(_ record: DeploymentRecord) -> Document {
    let name = record.id
    var document =
      record.deployment.rest(ResourceStatus(id: id("onlineEndpoints/\(name.endpoint)/deployments/\(name.deployment)"))).object ?? [:]
    var properties = document["properties"]?.object ?? [:]
    properties["provisioningState"] = .string(record.state.word)
    if let error = record.error { properties["provisioningError"] = error.stored }
    properties["instances"] = reconciler.instances(of: name)
    document["properties"] = .object(properties)
    document["location"] = "local"
    document["etag"] = .string("\(record.revision)")
    document["systemData"] = systemData(record.created, record.modified, record.authors)
    return .object(document)
  }
}
