internal import Access
internal import Documents
internal import Inference
internal import Pools
internal import Resources
internal import Scaling
internal import Serving
internal import Stores
internal import Telemetry

/// `…/deployments/{deployment}/autoscale`, `computes`, and the scaling that follows from them.
extension ControlPlane {
  internal func computes(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readWorkspace, request)
    let records = try await store.read { try $0.allDeployments() }
    return ControlResponse(status: 200, body: try reconciler.compute.rendered(records))
  }

  internal func autoscale(_ name: DeploymentName, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, .put, .delete, for: request)
    try require(request.method == .get ? .readOnlineDeployment : .writeOnlineDeployment, on: name.endpoint, request)
    switch request.method {
    case .get:
      let record = try await store.read { store in
        _ = try store.existingDeployment(name)
        return try store.record(AutoscaleDriver.kind, name.description)
      }
      guard let record else { throw ControlError(.notFound, "deployment '\(name)' has no autoscale settings") }
      return ControlResponse(status: 200, body: try Document(json: record.body), etag: "\(record.revision)")
    case .delete:
      let isThere = try await store.write { store -> Bool in
        guard try store.record(AutoscaleDriver.kind, name.description) != nil else { return false }
        try store.delete(AutoscaleDriver.kind, name.description, expectedRevision: nil)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "onlineEndpoints/deployments/write",
            resource: "onlineEndpoints/\(name.endpoint)/deployments/\(name.deployment)/autoscale", summary: "deleted"))
        return true
      }
      autoscaler.forget(name)
      return ControlResponse(status: isThere ? 200 : 204)
    default:
      let settings = try AutoscaleSettings.read(
        rest: try requireBody(request), names: [name.endpoint, name.deployment]
      ).get()
      do throws(InferenceError) { _ = try AutoscaleRules(settings) } catch { throw ControlError(.badArgument, error.message) }
      let most = options.maxInstancesPerDeployment
      if let profile = settings.profiles.first(where: { $0.maximum > most }) {
        throw ControlError(
          .outOfQuota, "profile '\(profile.name)': capacity.maximum is \(profile.maximum): the limit of a deployment is \(most)")
      }
      let (record, isNew) = try await store.write { store in
        let deployment = try store.existingDeployment(name)
        if case .targetUtilization = deployment.deployment.scaleSettings {
          throw ControlError(
            .conflict, "deployment '\(name)' has scale_settings of type target_utilization, which decide its instances: "
              + "expected type default")
        }
        let existing = try store.record(AutoscaleDriver.kind, name.description)
        try ControlPlane.check(request, revision: existing?.revision, "the autoscale settings of deployment '\(name)'")
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "onlineEndpoints/deployments/write",
            resource: "onlineEndpoints/\(name.endpoint)/deployments/\(name.deployment)/autoscale", summary: "set"))
        return (try store.put(AutoscaleDriver.kind, name.description, body: settings.rest().json()), existing == nil)
      }
      return ControlResponse(status: isNew ? 201 : 200, body: settings.rest(), etag: "\(record.revision)")
    }
  }

  // MARK: - By itself

  /// One look at every deployment that something else than its count decides about.
  internal func tickScaling(at now: Instant) async {
    do {
      let (deployments, settings) = try await store.read { store in
        let settings = try store.allRecords(AutoscaleDriver.kind)
        return (try store.allDeployments(), settings)
      }
      for record in deployments where record.state == .succeeded {
        guard let served = reconciler.served(record.id) else { continue }
        let by: AutoscaleDriver.Settings
        if case .targetUtilization(let scale) = record.deployment.scaleSettings {
          by = .utilisation(scale)
        } else if let stored = settings.first(where: { $0.name == record.id.description }) {
          let names = [record.id.endpoint, record.id.deployment]
          by = .rules(try AutoscaleSettings.read(rest: try Document(json: stored.body), names: names).get())
        } else {
          continue
        }
        do {
          let decision = try autoscaler.decide(
            record.id, by: by, at: now, unixSeconds: clock() / 1000, measure(served, at: now))
          if case .scale(let count, let reason) = decision { try await scale(served, record, to: count, because: reason) }
        } catch {
          log.error("scaling failed", ["deployment": record.id.description, "error": "\(error)"])
        }
      }
    } catch {
      log.error("scaling failed", ["error": "\(error)"])
    }
  }

  private func measure(_ served: Reconciler.Served, at now: Instant) -> AutoscaleDriver.Measurement {
    let pool = served.serving.pool
    let load = pool.load
    pool.sampleUtilisation(at: now)
    let busy = min(pool.takeUtilisation(), 1)
    return AutoscaleDriver.Measurement(
      load: DeploymentLoad(
        instances: load.instances.wanted, busyInstances: load.instances.busy, queuedRequests: load.queuedRequests),
      meter: served.serving.policy.meter?.snapshot() ?? MeterSnapshot(), busyPercent: 100 * busy)
  }

  /// Changes the number of instances, as far as there is room.
  private func scale(
    _ served: Reconciler.Served, _ record: DeploymentRecord, to wanted: Int, because reason: String
  ) async throws {
    let count = try await store.write { [self] store -> Int? in
      guard var current = try store.deployment(record.id), current.revision == record.revision else { return nil }
      let others = try store.allDeployments().filter { $0.id != record.id && $0.state != .deleting }
      let room = min(reconciler.compute.mostInstances(of: current, beside: others), options.maxInstancesPerDeployment)
      let count = min(wanted, max(room, current.instanceCount))
      // The pool has another number only if the last change did not work: then that is tried again.
      guard count != current.instanceCount else { return count }
      current.scaledCount = count
      try store.save(current)
      try store.audit(
        AuditEntry(
          principal: "autoscale", action: "onlineEndpoints/deployments/write",
          resource: "onlineEndpoints/\(record.id.endpoint)/deployments/\(record.id.deployment)",
          summary: "from \(record.instanceCount) to \(count) instances: \(reason)"))
      return count
    }
    guard let count, count != served.serving.pool.load.instances.wanted else { return }
    log.info("scaling", ["deployment": record.id.description, "instances": "\(count)", "reason": reason])
    do throws(ControlError) {
      try await reconciler.resize(record.id, to: count)
    } catch {
      log.error("scaling failed", ["deployment": record.id.description, "error": error.message])
    }
  }
}
