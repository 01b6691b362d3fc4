internal import Access
internal import Documents
internal import Resources
internal import Stores

/// `environments` and their versions. They are kept and shown; what needs one is refused where it is used.
extension ControlPlane {
  internal func environments(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readEnvironment, request)
    let view = try ListView(request)
    let assets = try await store.read { store in
      try store.allRecords(EnvironmentAsset.kind).map { try EnvironmentAsset(stored: $0) }
    }.filter { !$0.isAnonymous || view == .all }
    var latest: [String: EnvironmentAsset] = [:]
    for asset in assets.sorted(by: { ($0.created, $0.revision) < ($1.created, $1.revision) }) {
      latest[asset.environment.name ?? ""] = asset
    }
    let names = latest.keys.sorted()
    let page = try Page(request, count: names.count)
    let values = names[page.range].map { name -> Document in
      [
        "id": .string(id("environments/\(name)")), "name": .string(name),
        "properties": ["latestVersion": .string(latest[name]?.environment.version ?? "")],
      ]
    }
    return ControlResponse(status: 200, body: page.answer(values))
  }

  internal func environmentVersions(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readEnvironment, request)
    let view = try ListView(request)
    let assets = try await store.read { try $0.environments(name) }.filter { view.shows($0.isArchived) }
    guard !assets.isEmpty else { throw ControlError(.notFound, "there is no environment '\(name)'") }
    let page = try Page(request, count: assets.count)
    return ControlResponse(status: 200, body: page.answer(assets.reversed()[page.range].map { rendered($0) }))
  }

  internal func environmentVersion(
    _ name: String, _ version: String, _ request: ControlRequest
  ) async throws -> ControlResponse {
    switch request.method {
    case .get:
      try require(.readEnvironment, request)
      let asset = try await store.read { store in
        version == "latest" ? try store.environments(name).last { !$0.isArchived } : try store.environment(name, version)
      }
      guard let asset else { throw ControlPlane.noVersion(version, of: "environment", name) }
      return ControlResponse(status: 200, body: rendered(asset), etag: "\(asset.revision)")
    case .put:
      try require(.writeEnvironment, request)
      try ControlPlane.checkVersionName(version)
      let reading = EnvironmentVersion.read(rest: try requireBody(request), names: [name, version])
      let wanted = try reading.get()
      let (asset, isNew) = try await store.write { [self] store -> (EnvironmentAsset, Bool) in
        let existing = try store.environment(name, version)
        try ControlPlane.check(request, revision: existing?.revision, "version '\(version)' of environment '\(name)'")
        if let existing {
          var words = wanted
          (words.description, words.tags) = (existing.environment.description, existing.environment.tags)
          guard words == existing.environment else {
            throw ControlError(
              .conflict, "version '\(version)' of environment '\(name)' exists with other contents: versions never change; "
                + "register a new one")
          }
        }
        if existing == nil { try checkRoom(for: EnvironmentAsset.kind, in: store) }
        var asset = existing ?? EnvironmentAsset(environment: wanted)
        asset.environment = wanted
        asset.isAnonymous = ControlPlane.isAnonymous(request)
        asset.authors.note(request.principal, isNew: existing == nil)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "environments/versions/write",
            resource: "environments/\(name)/versions/\(version)", summary: existing == nil ? "created" : "updated"))
        return (try store.save(asset), existing == nil)
      }
      return ControlResponse(
        status: isNew ? 201 : 200, body: rendered(asset), etag: "\(asset.revision)", warnings: reading.notes)
    case .patch:
      try require(.writeEnvironment, request)
      let patch = try requireBody(request)
      let asset = try await store.write { store -> EnvironmentAsset in
        guard var asset = try store.environment(name, version) else {
          throw ControlPlane.noVersion(version, of: "environment", name)
        }
        try ControlPlane.check(request, revision: asset.revision, "version '\(version)' of environment '\(name)'")
        let wanted = try EnvironmentVersion(
          rest: asset.environment.rest().merging(patch), name: name, version: version)
        var words = wanted
        (words.description, words.tags) = (asset.environment.description, asset.environment.tags)
        guard words == asset.environment else {
          throw ControlError(.badArgument, "only description, tags and isArchived of an environment's version can change")
        }
        asset.environment = wanted
        asset.authors.note(request.principal, isNew: false)
        if let archived = patch["properties"]?["isArchived"]?.bool { asset.isArchived = archived }
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "environments/versions/write",
            resource: "environments/\(name)/versions/\(version)", summary: asset.isArchived ? "archived" : "updated"))
        return try store.save(asset)
      }
      return ControlResponse(status: 200, body: rendered(asset), etag: "\(asset.revision)")
    case .delete:
      try require(.deleteEnvironment, request)
      let isThere = try await store.write { store -> Bool in
        guard let asset = try store.environment(name, version) else { return false }
        try ControlPlane.check(request, revision: asset.revision, "version '\(version)' of environment '\(name)'")
        let user = try store.allDeployments().first { record in
          [record.deployment, record.active].contains { $0?.environment == .version(name: name, version: version) }
        }
        if let user {
          throw ControlError(
            .conflict, "version '\(version)' of environment '\(name)' is used by deployment '\(user.id)': delete that first, or "
              + "archive the version")
        }
        try store.delete(EnvironmentAsset.kind, "\(name)/\(version)", expectedRevision: nil)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "environments/versions/delete",
            resource: "environments/\(name)/versions/\(version)"))
        return true
      }
      return ControlResponse(status: isThere ? 200 : 204)
    case .post:
      try allow(.get, .put, .patch, .delete, for: request)
      preconditionFailure("POST is not among the methods allowed. This is a bug.")
    }
  }

  private func rendered(_ asset: EnvironmentAsset) -> Document {
    let place = "environments/\(asset.environment.name ?? "")/versions/\(asset.environment.version ?? "")"
    var document = asset.environment.rest(ResourceStatus(id: id(place))).object ?? [:]
    var properties = document["properties"]?.object ?? [:]
    properties["isArchived"] = .bool(asset.isArchived)
    properties["isAnonymous"] = .bool(asset.isAnonymous)
    document["properties"] = .object(properties)
    document["etag"] = .string("\(asset.revision)")
    document["systemData"] = systemData(asset.created, asset.modified, asset.authors)
    return .object(document)
  }
}
