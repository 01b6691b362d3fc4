internal import Access
internal import Documents
internal import Resources
internal import Rollouts
internal import Stores
internal import Telemetry

/// `onlineEndpoints` and one of them.
extension ControlPlane {
  internal func endpoints(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    if request.principal == nil { try require(.readOnlineEndpoint, request) }
    let all = try readable(try await store.read { try $0.allEndpoints() }, request)
    let filter = try ListFilter(request)
    let found = all.filter { record in
      let endpoint = record.endpoint
      return filter.shows(
        name: endpoint.name, tags: endpoint.tags, properties: endpoint.properties,
        computeType: endpoint.compute == nil ? .managed : .kubernetes)
    }
    let records = filter.ordered(found, created: \.created, modified: \.modified)
    let page = try Page(request, count: records.count)
    return ControlResponse(status: 200, body: page.answer(records[page.range].map { rendered($0, request) }))
  }

  /// Those that the caller may read: all of them by a role at the workspace, else those at which it has a role.
  ///
  /// - Throws: `ControlError.unauthenticated`; `.forbidden` if there is none for it.
  private func readable(_ records: [EndpointRecord], _ request: ControlRequest) throws(ControlError) -> [EndpointRecord] {
    func may(_ endpoint: String?) -> Bool {
      guard let principal = request.principal else { return false }
      if case .allowed = security.decide(principal, .readOnlineEndpoint, endpoint: endpoint) { return true }
      return options.trustsEveryone
    }
    if may(nil) { return records }
    let readable = records.filter { may($0.endpoint.name) }
    if readable.isEmpty { try require(.readOnlineEndpoint, request) }
    return readable
  }

  internal func endpoint(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
    switch request.method {
    case .get:
      try require(.readOnlineEndpoint, on: name, request)
      let record = try await store.read { try $0.existingEndpoint(name) }
      return ControlResponse(status: 200, body: rendered(record, request), etag: "\(record.revision)")
    case .put:
      try require(.writeOnlineEndpoint, on: name, request)
      let body = ControlPlane.withoutShown(try requireBody(request))
      return try await putEndpoint(OnlineEndpoint.read(rest: body, names: [name]), request)
    case .patch:
      try require(.writeOnlineEndpoint, on: name, request)
      return try await patchEndpoint(name, try requireBody(request), request)
    case .delete:
      try require(.deleteOnlineEndpoint, on: name, request)
      return try await deleteEndpoint(name, request)
    case .post:
      try allow(.get, .put, .patch, .delete, for: request)
      preconditionFailure("POST is not among the methods allowed. This is a bug.")
    }
  }

  private func putEndpoint(
    _ reading: Reading<OnlineEndpoint>, _ request: ControlRequest
  ) async throws -> ControlResponse {
    let wanted = try reading.get()
    let warnings = reading.notes
    let (record, isNew) = try await store.write { [self] store in
      let existing = try store.endpoint(wanted.name)
      try ControlPlane.check(request, revision: existing?.revision, "endpoint '\(wanted.name)'")
      return (try write(wanted, over: existing, warnings, request, in: store), existing == nil)
    }
    return answer(apply(record), isNew: isNew, warnings, request)
  }

  private func patchEndpoint(_ name: String, _ patch: Document, _ request: ControlRequest) async throws -> ControlResponse {
    let (record, warnings) = try await store.write { [self] store -> (EndpointRecord, [String]) in
      let existing = try store.existingEndpoint(name)
      try ControlPlane.check(request, revision: existing.revision, "endpoint '\(name)'")
      let old = existing.endpoint.rest()
      let reading = OnlineEndpoint.read(rest: old.merging(ControlPlane.withoutShown(patch)), names: [name])
      let warnings = reading.notes(addedTo: OnlineEndpoint.read(rest: old, names: [name]))
      return (try write(try reading.get(), over: existing, warnings, request, in: store), warnings)
    }
    return answer(apply(record), isNew: false, warnings, request)
  }

  /// Checks an endpoint against what is there, and writes it with its operation, which has ended already: what an
  /// endpoint says takes effect as soon as it is written.
  private func write(
    _ wanted: OnlineEndpoint, over existing: EndpointRecord?, _ warnings: [String], _ request: ControlRequest,
    in store: any CatalogWriter
  ) throws -> EndpointRecord {
    // What the server adds to the bag when it shows an endpoint is not the endpoint's own.
    var wanted = wanted
    for key in ControlPlane.shownProperties { wanted.properties[key] = nil }
    var record = existing ?? EndpointRecord(endpoint: wanted, state: .succeeded)
    if let existing {
      guard existing.state != .deleting else {
        throw ControlError(.conflict, "endpoint '\(wanted.name)' is being deleted by operation \(existing.operation ?? "-")")
      }
      let refused = wanted.changesThatAreRefused(from: existing.endpoint)
      if !refused.isEmpty { throw ResourceError(refused) }
      if existing.endpoint.authMode != wanted.authMode { record.renewAccess() }
    } else {
      try checkRoom(in: store)
      if reconciler.isRepositoryModel(wanted.name) {
        throw ControlError(
          .alreadyExists, "'\(wanted.name)' is a model of the server's model repository: expected another name")
      }
    }
    try checkTraffic(of: wanted, in: store)
    if let existing { try checkRollout(from: existing.endpoint, to: wanted, in: store) }
    if let keys = wanted.keys ?? (existing == nil ? EndpointKeys(primary: nil, secondary: nil) : nil) {
      // A key that is not given stays what it was.
      let old = try existing.map { record throws(ControlError) in try security.endpointKeys(of: record) }
      record.sealedKeys = try security.sealedKeys(
        of: wanted.name, primary: keys.primary ?? old?.primary.text, secondary: keys.secondary ?? old?.secondary.text)
      record.renewAccess()
    }
    record.endpoint = wanted
    record.endpoint.keys = nil
    record.state = .succeeded
    record.error = nil
    let operation = try finishedOperation(
      existing == nil ? .createEndpoint : .updateEndpoint, "onlineEndpoints/\(wanted.name)", warnings: warnings, in: store)
    record.operation = operation.id
    record.authors.note(request.principal, isNew: existing == nil)
    let saved = try store.save(record)
    let summary = existing.map { ControlPlane.differences(from: $0.endpoint, to: wanted) } ?? "created"
    try store.audit(
      AuditEntry(
        principal: request.principal?.id.description ?? "", action: "onlineEndpoints/write",
        resource: "onlineEndpoints/\(wanted.name)", summary: summary))
    return saved
  }

  private func checkRoom(in store: any CatalogWriter) throws {
    let count = try store.allRecords(EndpointRecord.kind).count
    guard count < options.maxEndpoints else {
      throw ControlError(
        .outOfQuota, "there are \(count) endpoints; the limit of this server is \(options.maxEndpoints)")
    }
  }

  /// Live and mirrored traffic go to deployments that are there and have worked.
  private func checkTraffic(of endpoint: OnlineEndpoint, in store: any CatalogWriter) throws {
    let deployments = try store.deployments(of: endpoint.name)
    let mirror = endpoint.mirrorTraffic.map { [$0.deployment] } ?? []
    for name in endpoint.traffic.filter({ $0.value > 0 }).keys.sorted() + mirror {
      guard let deployment = deployments.first(where: { $0.deployment.name == name }) else {
        let known = deployments.map { "'\($0.deployment.name)'" }.joined(separator: ", ")
        throw ControlError(
          .badArgument,
          "traffic names deployment '\(name)', which endpoint '\(endpoint.name)' does not have: "
            + (known.isEmpty ? "it has none yet" : "it has \(known)"))
      }
      guard deployment.active != nil, deployment.state != .deleting else {
        throw ControlError(
          .conflict,
          "traffic names deployment '\(name)', whose state is \(deployment.state.word): expected one that has succeeded"
            + (deployment.error.map { " (\($0.message))" } ?? ""))
      }
    }
  }

  /// While a rollout moves traffic, nobody else does.
  private func checkRollout(from old: OnlineEndpoint, to new: OnlineEndpoint, in store: any CatalogWriter) throws {
    guard old.traffic != new.traffic || old.mirrorTraffic != new.mirrorTraffic,
      let rollout = try store.rolloutUnderWay(of: new.name)
    else { return }
    let field = old.traffic != new.traffic ? "traffic" : "mirror_traffic"
    throw ControlError(
      .conflict, "\(field) of endpoint '\(new.name)' is moved by its rollout from '\(rollout.oldName)' to '\(rollout.newName)' "
        + "(\(rollout.phase.rawValue)): abort the rollout first, or wait for its end")
  }

  private func apply(_ record: EndpointRecord) -> EndpointRecord {
    reconciler.apply(record, access: security.access(of: record))
    return record
  }

  private func answer(
    _ record: EndpointRecord, isNew: Bool, _ warnings: [String], _ request: ControlRequest
  ) -> ControlResponse {
    ControlResponse(
      status: isNew ? 201 : 200, body: rendered(record, request), etag: "\(record.revision)",
      operation: record.operation, warnings: warnings)
  }

  /// What a change of an endpoint changes, for the audit log.
  private static func differences(from old: OnlineEndpoint, to new: OnlineEndpoint) -> String {
    var parts: [String] = []
    func text(_ traffic: [String: Int]) -> String {
      traffic.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " ")
    }
    if old.traffic != new.traffic { parts.append("traffic from '\(text(old.traffic))' to '\(text(new.traffic))'") }
    if old.mirrorTraffic != new.mirrorTraffic {
      func text(_ mirror: MirrorTraffic?) -> String { mirror.map { "\($0.deployment)=\($0.percent)" } ?? "" }
      parts.append("mirror traffic from '\(text(old.mirrorTraffic))' to '\(text(new.mirrorTraffic))'")
    }
    if old.authMode != new.authMode { parts.append("auth_mode from \(old.authMode.rawValue) to \(new.authMode.rawValue)") }
    if old.publicNetworkAccess != new.publicNetworkAccess {
      parts.append("public_network_access to \(new.publicNetworkAccess.rawValue)")
    }
    if let keys = new.keys { parts.append(ControlPlane.changedKeys(keys)) }
    return parts.isEmpty ? "updated" : parts.joined(separator: ", ")
  }

  private static func changedKeys(_ keys: Resources.EndpointKeys) -> String {
    let which = [("primary", keys.primary), ("secondary", keys.secondary)].filter { $0.1 != nil }.map(\.0)
    return which.isEmpty ? "keys unchanged" : "\(which.joined(separator: " and ")) key set"
  }

  // MARK: - Deletion

  private func deleteEndpoint(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
    let deletion: (operation: Operation, begins: EndpointRecord?)? = try await store.write { [self] store in
      guard var record = try store.endpoint(name) else { return nil }
      try ControlPlane.check(request, revision: record.revision, "endpoint '\(name)'")
      if record.state == .deleting, let id = record.operation, let operation = try store.operation(id) {
        return (operation, nil)
      }
      let busy = try store.deployments(of: name).filter { !$0.state.isFinal }
      if let first = busy.first {
        throw ControlError(
          .conflict, "deployment '\(first.deployment.name)' of endpoint '\(name)' is \(first.state.word.lowercased()): wait for "
            + "operation \(first.operation ?? "-") to end")
      }
      let operation = newOperation(.deleteEndpoint, "onlineEndpoints/\(name)")
      record.state = .deleting
      record.operation = operation.id
      let saved = try store.save(record)
      try store.save(operation)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "onlineEndpoints/delete", resource: "onlineEndpoints/\(name)"))
      return (operation, saved)
    }
    guard let (operation, begins) = deletion else { return ControlResponse(status: 204) }
    if let begins { startDeletion(of: begins, operation) }
    return ControlResponse(status: 202, operation: operation.id, retryAfterSeconds: 1)
  }

  /// Takes an endpoint out of service and then away. Also taken up when a server starts that was stopped in the middle.
  internal func startDeletion(of record: EndpointRecord, _ operation: Operation) {
    let name = record.endpoint.name
    // A rollout has nothing to move any more.
    rollouts.forget(name)
    work.start { [self] in
      await reconciler.remove(name, at: record.revision)
      mirrors.forget(name)
      await finish(operation) { store in
        for deployment in try store.deployments(of: name) { try store.deleteDeployment(deployment.id) }
        if try store.record(RolloutDriver.kind, name) != nil {
          try store.delete(RolloutDriver.kind, name, expectedRevision: nil)
        }
        // Whoever had a role here has none at an endpoint that takes the name later.
        for record in try store.allRecords(RoleRecords.assignment)
        where try RoleRecords.assignment(stored: record).scope == .endpoint(name) {
          try store.delete(RoleRecords.assignment, record.name, expectedRevision: nil)
        }
        if try store.endpoint(name) != nil { try store.delete(EndpointRecord.kind, name, expectedRevision: nil) }
      }
      do { try await rolesChanged() } catch {
        log.error("roles could not be read again", ["error": "\(error)"])
      }
    }
  }

  // MARK: - The form of the answer

  private static let shownProperties = ["AzureAsyncOperationUri", "azureml.onlineendpointid"]

  internal func rendered(_ record: EndpointRecord, _ request: ControlRequest) -> Document {
    let name = record.endpoint.name
    var document = record.endpoint.rest(ResourceStatus(id: id("onlineEndpoints/\(name)"))).object ?? [:]
    var properties = document["properties"]?.object ?? [:]
    properties["provisioningState"] = .string(record.state.word)
    // Where it answers: without public network access that is the address inside, and only that.
    let address =
      record.endpoint.publicNetworkAccess == .disabled
      ? request.privateScoringAddress ?? request.scoringAddress : request.scoringAddress
    properties["scoringUri"] = .string("\(address)/endpoints/\(name)/score")
    properties["swaggerUri"] = .string("\(address)/endpoints/\(name)/swagger.json")
    var bag = properties["properties"]?.object ?? [:]
    bag["azureml.onlineendpointid"] = .string(id("onlineEndpoints/\(name)"))
    if let operation = record.operation {
      bag["AzureAsyncOperationUri"] = .string("\(request.baseAddress)\(id("operations/\(operation)"))")
    }
    properties["properties"] = .object(bag)
    if let error = record.error { properties["provisioningError"] = error.stored }
    document["properties"] = .object(properties)
    document["location"] = "local"
    document["etag"] = .string("\(record.revision)")
    document["systemData"] = systemData(record.created, record.modified, record.authors)
    return .object(document)
  }

  /// A body without what only answers say, so that what a GET shows can be changed and sent back.
  internal static func withoutShown(_ body: Document) -> Document {
    guard var object = body.object, var properties = body["properties"]?.object else { return body }
    for key in ["provisioningError", "instances"] { properties[key] = nil }
    if var bag = properties["properties"]?.object {
      bag["AzureAsyncOperationUri"] = nil
      properties["properties"] = .object(bag)
    }
    object["properties"] = .object(properties)
    return .object(object)
  }

  internal func systemData(_ created: Int64, _ modified: Int64, _ authors: Authors = Authors()) -> Document {
    var document = authors.shown
    document["createdAt"] = .string(WallClock.text(milliseconds: created))
    document["lastModifiedAt"] = .string(WallClock.text(milliseconds: modified))
    return .object(document)
  }
}

extension ProvisioningState {
  /// As Azure spells it: `Succeeded`.
  internal var word: String { rawValue.prefix(1).uppercased() + rawValue.dropFirst() }
}

/// Which part of a list is wanted: `count` and `skip`, as Azure's lists take them.
internal struct Page {
  /// Most resources in one answer.
  static let mostCount = 1000
  let range: Range<Int>
  private let next: Int?

  init(_ request: ControlRequest, count: Int) throws(ControlError) {
    let skip = try Page.number(request.query["skip"] ?? request.query["$skip"], "skip", 0...Int(Int32.max)) ?? 0
    let most = try Page.number(request.query["count"] ?? request.query["$top"], "count", 1...Page.mostCount) ?? Page.mostCount
    let start = min(skip, count)
    let end = min(start + most, count)
    range = start..<end
    next = end < count ? end : nil
  }

  private static func number(
    _ text: String?, _ name: String, _ allowed: ClosedRange<Int>
  ) throws(ControlError) -> Int? {
    guard let text else { return nil }
    guard let number = Int(text), allowed.contains(number) else {
      throw ControlError(
        .badArgument, "\(name) is '\(text)': expected a whole number from \(allowed.lowerBound) to \(allowed.upperBound)")
    }
    return number
  }

  func answer(_ values: [Document]) -> Document {
    var document: Document.Object = ["value": .array(values)]
    if let next { document["nextSkip"] = .int(next) }
    return .object(document)
  }
}
