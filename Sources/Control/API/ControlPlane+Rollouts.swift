internal import Access
internal import Documents
internal import FoundationEssentials
internal import Inference
internal import Resources
internal import Rollouts
internal import Stores
internal import Telemetry

/// `onlineEndpoints/{endpoint}/rollout`: traffic that moves in steps, watched, and goes back by itself.
extension ControlPlane {
  internal func rollout(_ endpoint: String, _ rest: [String], _ request: ControlRequest) async throws -> ControlResponse {
    if let verb = rest.first {
      try allow(.post, for: request)
      try require(.writeOnlineEndpoint, on: endpoint, request)
      return try await steer(endpoint, verb, request)
    }
    switch request.method {
    case .get:
      try require(.readOnlineEndpoint, on: endpoint, request)
      if let active = rollouts.current(endpoint) {
        return ControlResponse(status: 200, body: rendered(active.rollout, of: endpoint))
      }
      let stored = try await store.read { store -> Rollout? in
        _ = try store.existingEndpoint(endpoint)
        return try store.record(RolloutDriver.kind, endpoint).map { try StoredRollout(stored: $0).rollout }
      }
      guard let stored else { throw ControlError(.notFound, "endpoint '\(endpoint)' has had no rollout") }
      return ControlResponse(status: 200, body: rendered(stored, of: endpoint))
    case .put:
      try require(.writeOnlineEndpoint, on: endpoint, request)
      return try await startRollout(of: endpoint, request)
    case .patch, .post, .delete:
      try allow(.get, .put, for: request)
      preconditionFailure("The method is not among those allowed. This is a bug.")
    }
  }

  // MARK: - Start

  private func startRollout(of endpoint: String, _ request: ControlRequest) async throws -> ControlResponse {
    let body = try requireBody(request)
    let properties = RolloutForm(body["properties"] ?? body)
    let plan = try properties.plan()
    let newName = try properties.text("deployment")
    let wantedOld = try properties.optionalText("from")
    try properties.finish()
    let stored = try await store.write { store in
      let record = try store.existingEndpoint(endpoint)
      guard record.state.isFinal else {
        throw ControlError(.conflict, "endpoint '\(endpoint)' is \(record.state.word.lowercased())")
      }
      if let earlier = try store.record(RolloutDriver.kind, endpoint), try !StoredRollout(stored: earlier).rollout.isOver {
        throw ControlError(.conflict, "a rollout of endpoint '\(endpoint)' is under way: abort it or wait for its end")
      }
      let traffic = record.endpoint.traffic
      guard let oldName = wantedOld ?? traffic.filter({ $0.key != newName }).max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key
      else {
        throw ControlError(
          .conflict, "endpoint '\(endpoint)' has no other deployment with traffic to move from: give it traffic directly")
      }
      let deployments = try store.deployments(of: endpoint)
      for (field, name) in [("deployment", newName), ("from", oldName)] {
        guard let deployment = deployments.first(where: { $0.deployment.name == name }), deployment.active != nil else {
          throw ControlError(.badArgument, "\(field) is '\(name)': endpoint '\(endpoint)' has no such deployment that has succeeded")
        }
      }
      guard newName != oldName else { throw ControlError(.badArgument, "deployment and from are both '\(newName)'") }
      let shared = (traffic[newName] ?? 0) + (traffic[oldName] ?? 0)
      guard shared > 0 else {
        throw ControlError(.conflict, "'\(oldName)' and '\(newName)' have no traffic: there is nothing to move")
      }
      if let mirror = record.endpoint.mirrorTraffic, mirror.deployment != newName, plan.mirror != nil {
        throw ControlError(
          .conflict, "endpoint '\(endpoint)' mirrors traffic to '\(mirror.deployment)': set that to 0 first, or leave mirror out")
      }
      var rollout: Rollout
      do throws(InferenceError) { rollout = try Rollout(plan: plan, new: newName, old: oldName) } catch {
        throw ControlError(.badArgument, error.message)
      }
      // It has begun as soon as it is written, so that a restart goes on with it.
      _ = rollout.start()
      let stored = StoredRollout(rollout: rollout, shared: shared)
      try store.put(RolloutDriver.kind, endpoint, body: stored.text())
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "onlineEndpoints/write",
          resource: "onlineEndpoints/\(endpoint)/rollout", summary: "rollout from '\(oldName)' to '\(newName)' started"))
      return stored
    }
    try activate(stored, of: endpoint)
    if let (rollout, action) = try rollouts.change(endpoint, { $0.start() }) {
      try await perform(action, of: endpoint, rollout, shared: stored.shared)
    }
    let current = rollouts.current(endpoint)?.rollout ?? stored.rollout
    return ControlResponse(status: 201, body: rendered(current, of: endpoint))
  }

  /// Takes up the rollouts that were under way when the server stopped.
  internal func resumeRollouts() async throws {
    let records = try await store.read { store in
      try store.allRecords(RolloutDriver.kind).filter { try store.endpoint($0.name).map { $0.state != .deleting } ?? false }
    }
    for record in records {
      let stored = try StoredRollout(stored: record)
      guard !stored.rollout.isOver else { continue }
      try activate(stored, of: record.name)
      guard let (rollout, action) = try rollouts.change(record.name, { $0.restarted(at: monotonic()) }) else { continue }
      log.info("taking a rollout up again", ["endpoint": record.name, "at": rollout.progress])
      try await perform(action, of: record.name, rollout, shared: stored.shared)
    }
  }

  private func activate(_ stored: StoredRollout, of endpoint: String) throws {
    let meters = reconciler.meters(of: endpoint)
    rollouts.put(
      RolloutDriver.Active(
        rollout: stored.rollout, shared: stored.shared, new: meters(stored.rollout.newName), old: meters(stored.rollout.oldName),
        mirror: mirrors.measurement(of: endpoint), nextWrite: Instant(nanoseconds: 0)), for: endpoint)
  }

  // MARK: - Steering

  private func steer(_ endpoint: String, _ verb: String, _ request: ControlRequest) async throws -> ControlResponse {
    guard let shared = rollouts.current(endpoint)?.shared else {
      throw ControlError(.conflict, "no rollout of endpoint '\(endpoint)' is under way")
    }
    do {
      let changed = try rollouts.change(endpoint) { rollout throws(InferenceError) -> Rollout.Action in
        switch verb {
        case "pause":
          try rollout.pause()
          return .rest
        case "resume": return try rollout.resume(at: monotonic())
        case "abort": return try rollout.abort(request.body?["reason"]?.string ?? "")
        case "promote": return try rollout.promote()
        default: throw .notFound("a rollout has nothing called '\(verb)': expected pause, resume, abort or promote")
        }
      }
      guard let (rollout, action) = changed else { throw ControlError(.conflict, "the rollout has just ended") }
      try await store.write { store in
        guard try store.endpoint(endpoint) != nil else { return }
        try store.put(RolloutDriver.kind, endpoint, body: StoredRollout(rollout: rollout, shared: shared).text())
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "onlineEndpoints/write",
            resource: "onlineEndpoints/\(endpoint)/rollout", summary: verb))
      }
      try await perform(action, of: endpoint, rollout, shared: shared)
    } catch let error as InferenceError {
      throw ControlError(error.code == .notFound ? .notFound : .conflict, error.message)
    }
    let current = rollouts.current(endpoint)?.rollout
    let last = try await store.read { try StoredRollout(stored: $0.existingRecord(RolloutDriver.kind, endpoint)).rollout }
    return ControlResponse(status: 200, body: rendered(current ?? last, of: endpoint))
  }

  /// One look at every rollout. Called every second or so.
  internal func tickRollouts(at now: Instant) async {
    for endpoint in rollouts.endpoints {
      guard let active = rollouts.current(endpoint) else { continue }
      let meters = reconciler.meters(of: endpoint)
      guard
        let (rollout, action, mustWrite) = rollouts.tick(
          endpoint, at: now, new: meters(active.rollout.newName), old: meters(active.rollout.oldName),
          mirror: mirrors.measurement(of: endpoint))
      else { continue }
      do {
        if mustWrite { try await write(rollout, of: endpoint, shared: active.shared) }
        try await perform(action, of: endpoint, rollout, shared: active.shared)
      } catch {
        // The rollout asks for the same again at the next look.
        log.error("a step of a rollout could not be taken", ["endpoint": endpoint, "error": "\(error)"])
      }
    }
  }

  // MARK: - Doing what it says

  private func perform(_ action: Rollout.Action, of endpoint: String, _ rollout: Rollout, shared: Int) async throws {
    var next: Rollout.Action? = action
    var rollout = rollout
    while let action = next {
      next = nil
      switch action {
      case .wait, .rest: break
      case .setMirror(let percent):
        try await setTraffic(of: endpoint, rollout, newShare: nil, mirrorPercent: percent, shared: shared)
        if let (changed, answer) = try rollouts.change(endpoint, { $0.mirrorApplied(at: monotonic()) }) {
          (rollout, next) = (changed, answer)
        }
      case .setTraffic(let percent):
        try await setTraffic(of: endpoint, rollout, newShare: percent, mirrorPercent: 0, shared: shared)
        if let (changed, answer) = try rollouts.change(endpoint, { $0.trafficApplied(percent: percent, at: monotonic()) }) {
          (rollout, next) = (changed, answer)
        }
      case .rollBack(let reason):
        log.warning("rolling back", ["endpoint": endpoint, "deployment": rollout.newName, "reason": reason])
        try await setTraffic(of: endpoint, rollout, newShare: 0, mirrorPercent: 0, shared: shared)
        if let (changed, answer) = try rollouts.change(endpoint, { $0.trafficApplied(percent: 0, at: monotonic()) }) {
          (rollout, next) = (changed, answer)
        }
      case .finish: log.info("rollout finished", ["endpoint": endpoint, "deployment": rollout.newName])
      }
    }
    if rollout.isOver || rollout.phase != rollouts.current(endpoint)?.rollout.phase {
      try await write(rollout, of: endpoint, shared: shared)
    }
    if rollout.isOver { rollouts.forget(endpoint) }
  }

  private func write(_ rollout: Rollout, of endpoint: String, shared: Int) async throws {
    let stored = StoredRollout(rollout: rollout, shared: shared)
    try await store.write { store in
      guard try store.endpoint(endpoint) != nil else { return }
      try store.put(RolloutDriver.kind, endpoint, body: stored.text())
    }
  }

  /// Sets what a step asks for. The other deployments' shares stay as they are.
  private func setTraffic(
    of endpoint: String, _ rollout: Rollout, newShare: Int?, mirrorPercent: Int, shared: Int
  ) async throws {
    let saved = try await store.write { store -> EndpointRecord? in
      guard var record = try store.endpoint(endpoint), record.state != .deleting else { return nil }
      let before = record.endpoint
      if let newShare {
        // Whole percents: the new deployment's share is rounded up, so that a step of 1 % is never nothing.
        let new = (shared * newShare + 99) / 100
        record.endpoint.traffic[rollout.newName] = new > 0 ? new : nil
        record.endpoint.traffic[rollout.oldName] = shared > new ? shared - new : nil
      }
      if mirrorPercent > 0 {
        record.endpoint.mirrorTraffic = MirrorTraffic(deployment: rollout.newName, percent: mirrorPercent)
      } else if record.endpoint.mirrorTraffic?.deployment == rollout.newName {
        record.endpoint.mirrorTraffic = nil
      }
      guard record.endpoint != before else { return record }
      try store.audit(
        AuditEntry(
          principal: "rollout", action: "onlineEndpoints/write", resource: "onlineEndpoints/\(endpoint)",
          summary: rollout.progress))
      return try store.save(record)
    }
    guard let saved else { throw ControlError(.notFound, "endpoint '\(endpoint)' is gone") }
    reconciler.apply(saved, access: security.access(of: saved))
  }

  private func rendered(_ rollout: Rollout, of endpoint: String) -> Document {
    var properties = RolloutForm.document(rollout.plan)
    properties["deployment"] = .string(rollout.newName)
    properties["from"] = .string(rollout.oldName)
    properties["state"] = .string(rollout.phase.rawValue)
    properties["step"] = .int(rollout.step + 1)
    properties["percent"] = .int(rollout.currentPercent)
    properties["isPaused"] = .bool(rollout.isPaused)
    properties["progress"] = .string(rollout.progress)
    if let reason = rollout.reason { properties["reason"] = .string(reason) }
    return [
      "id": .string(id("onlineEndpoints/\(endpoint)/rollout")), "name": .string(endpoint), "properties": .object(properties),
    ]
  }
}

extension CatalogReader {
  /// The rollout that has the say over an endpoint's traffic.
  internal func rolloutUnderWay(of endpoint: String) throws -> Rollout? {
    guard let record = try record(RolloutDriver.kind, endpoint) else { return nil }
    let rollout = try StoredRollout(stored: record).rollout
    return rollout.isOver ? nil : rollout
  }
}

extension Rollout {
  /// Share of the new deployment now.
  fileprivate var currentPercent: Int {
    switch phase {
    case .waiting, .copying, .mirroring, .leaving, .rolledBack: 0
    case .moving: step > 0 ? plan.steps[step - 1] : 0
    case .holding, .finished: plan.steps[step]
    }
  }
}

/// A rollout as the store keeps it.
private struct StoredRollout: Codable, Sendable {
  var rollout: Rollout
  var shared: Int

  init(rollout: Rollout, shared: Int) {
    self.rollout = rollout
    self.shared = shared
  }

  init(stored record: CatalogRecord) throws {
    self = try JSONDecoder().decode(StoredRollout.self, from: Data(record.body.utf8))
  }

  func text() throws -> String { String(decoding: try JSONEncoder().encode(self), as: UTF8.self) }
}
