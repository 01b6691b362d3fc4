internal import Access
internal import Artifacts
internal import Documents
internal import Resources
internal import Stores

/// `models`, their versions, and the uploads of their files.
extension ControlPlane {
  internal func models(_ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readModel, request)
    let view = try ListView(request)
    let assets = try await store.read { store in
      try store.allRecords(ModelAsset.kind).map { try ModelAsset(stored: $0) }
    }.filter { !$0.isAnonymous || view == .all }
    var latest: [String: ModelAsset] = [:]
    for asset in assets.sorted(by: { ($0.created, $0.revision) < ($1.created, $1.revision) }) {
      latest[asset.model.name ?? ""] = asset
    }
    let names = latest.keys.sorted()
    let page = try Page(request, count: names.count)
    let values = names[page.range].map { name -> Document in
      let last = latest[name]
      return [
        "id": .string(id("models/\(name)")), "name": .string(name),
        "properties": ["latestVersion": .string(last?.model.version ?? ""), "modelType": .string(last?.model.kind.rawValue ?? "")],
      ]
    }
    return ControlResponse(status: 200, body: page.answer(values))
  }

  internal func modelVersions(_ name: String, _ request: ControlRequest) async throws -> ControlResponse {
    try allow(.get, for: request)
    try require(.readModel, request)
    let view = try ListView(request)
    let assets = try await store.read { try $0.models(name) }.filter { view.shows($0.isArchived) }
    guard !assets.isEmpty else { throw ControlError(.notFound, "there is no model '\(name)'") }
    let page = try Page(request, count: assets.count)
    return ControlResponse(status: 200, body: page.answer(assets.reversed()[page.range].map { rendered($0) }))
  }

  internal func modelVersion(
    _ name: String, _ version: String, _ request: ControlRequest
  ) async throws -> ControlResponse {
    switch request.method {
    case .get:
      try require(.readModel, request)
      let asset = try await store.read { store in
        version == "latest" ? try store.models(name).last { !$0.isArchived } : try store.model(name, version)
      }
      guard let asset else { throw ControlPlane.noVersion(version, of: "model", name) }
      return ControlResponse(status: 200, body: rendered(asset), etag: "\(asset.revision)")
    case .put:
      try require(.writeModel, request)
      let body = try requireBody(request)
      return try await putModel(ModelVersion.read(rest: body, names: [name, version]), request)
    case .patch:
      try require(.writeModel, request)
      return try await patchModel(name, version, try requireBody(request), request)
    case .delete:
      try require(.deleteModel, request)
      return try await deleteModel(name, version, request)
    case .post:
      try allow(.get, .put, .patch, .delete, for: request)
      preconditionFailure("POST is not among the methods allowed. This is a bug.")
    }
  }

  /// What a version holds never changes: the same again is the same, anything else is refused.
  private func putModel(_ reading: Reading<ModelVersion>, _ request: ControlRequest) async throws -> ControlResponse {
    let model = try reading.get()
    let name = model.name ?? ""
    let version = model.version ?? ""
    try ControlPlane.checkVersionName(version)
    guard let path = model.path, path.hasPrefix(ModelAsset.scheme) else {
      throw ControlError(
        .badArgument, "properties.modelUri is \(model.path.map { "'\($0)'" } ?? "missing"): expected "
          + "'\(ModelAsset.scheme)<digest>' of a completed upload. `apus model create --path` uploads files")
    }
    let tree = String(path.dropFirst(ModelAsset.scheme.utf8.count))
    guard await reconciler.hasTree(tree) else {
      throw ControlError(.badArgument, "properties.modelUri: no upload '\(tree)' was completed: upload the files first")
    }
    let (asset, isNew) = try await store.write { [self] store -> (ModelAsset, Bool) in
      if let existing = try store.model(name, version) {
        try ControlPlane.check(request, revision: existing.revision, "version '\(version)' of model '\(name)'")
        guard existing.tree == tree, existing.model.kind == model.kind else {
          throw ControlError(
            .conflict, "version '\(version)' of model '\(name)' exists with other contents: versions never change; "
              + "register a new one")
        }
        var asset = existing
        asset.model = model
        asset.isAnonymous = ControlPlane.isAnonymous(request)
        asset.authors.note(request.principal, isNew: false)
        try store.audit(
          AuditEntry(
            principal: request.principal?.id.description ?? "", action: "models/versions/write",
            resource: "models/\(name)/versions/\(version)", summary: "updated"))
        return (try store.save(asset), false)
      }
      try ControlPlane.check(request, revision: nil, "version '\(version)' of model '\(name)'")
      try checkRoom(for: ModelAsset.kind, in: store)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "models/versions/write",
          resource: "models/\(name)/versions/\(version)", summary: "created from \(tree)"))
      var asset = ModelAsset(model: model, tree: tree)
      asset.isAnonymous = ControlPlane.isAnonymous(request)
      asset.authors.note(request.principal, isNew: true)
      return (try store.save(asset), true)
    }
    return ControlResponse(
      status: isNew ? 201 : 200, body: rendered(asset), etag: "\(asset.revision)", warnings: reading.notes)
  }

  private func patchModel(
    _ name: String, _ version: String, _ patch: Document, _ request: ControlRequest
  ) async throws -> ControlResponse {
    let asset = try await store.write { store -> ModelAsset in
      guard var asset = try store.model(name, version) else { throw ControlPlane.noVersion(version, of: "model", name) }
      try ControlPlane.check(request, revision: asset.revision, "version '\(version)' of model '\(name)'")
      var wanted = try ModelVersion(rest: asset.model.rest().merging(patch), name: name, version: version)
      guard wanted.kind == asset.model.kind, wanted.path == nil || wanted.path == asset.model.path else {
        throw ControlError(
          .badArgument, "modelUri and modelType of a version never change: register a new version of model '\(name)'")
      }
      wanted.path = asset.model.path
      asset.model = wanted
      asset.authors.note(request.principal, isNew: false)
      if let archived = patch["properties"]?["isArchived"]?.bool { asset.isArchived = archived }
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "models/versions/write",
          resource: "models/\(name)/versions/\(version)", summary: asset.isArchived ? "archived" : "updated"))
      return try store.save(asset)
    }
    return ControlResponse(status: 200, body: rendered(asset), etag: "\(asset.revision)")
  }

  private func deleteModel(_ name: String, _ version: String, _ request: ControlRequest) async throws -> ControlResponse {
    let isThere = try await store.write { store -> Bool in
      guard let asset = try store.model(name, version) else { return false }
      try ControlPlane.check(request, revision: asset.revision, "version '\(version)' of model '\(name)'")
      let user = try store.allDeployments().first { record in
        [record.deployment, record.active].contains { $0?.modelVersion.map { $0 == (name, version) } ?? false }
      }
      if let user {
        throw ControlError(
          .conflict, "version '\(version)' of model '\(name)' is used by deployment '\(user.id)': delete that first, or "
            + "archive the version")
      }
      try store.delete(ModelAsset.kind, "\(name)/\(version)", expectedRevision: nil)
      try store.audit(
        AuditEntry(
          principal: request.principal?.id.description ?? "", action: "models/versions/delete",
          resource: "models/\(name)/versions/\(version)"))
      return true
    }
    if isThere { collectGarbage() }
    return ControlResponse(status: isThere ? 200 : 204)
  }

  /// Whether a body registers a version that has no name of its own.
  internal static func isAnonymous(_ request: ControlRequest) -> Bool {
    request.body?["properties"]?["isAnonymous"]?.bool ?? false
  }

  internal static func noVersion(_ version: String, of kind: String, _ name: String) -> ControlError {
    ControlError(.notFound, "there is no version '\(version)' of \(kind) '\(name)'")
  }

  /// - Throws: `ControlError.badArgument` for a version that could not stand in an address or a reference.
  internal static func checkVersionName(_ version: String) throws(ControlError) {
    let isAllowed = version.utf8.allSatisfy {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || "-_.".utf8.contains($0)
    }
    guard isAllowed, (1...30).contains(version.utf8.count), version != "latest" else {
      throw ControlError(
        .badArgument, "version is '\(version.prefix(40))': expected 1 to 30 letters, digits, '-', '_' and '.', and not 'latest'")
    }
  }

  internal func rendered(_ asset: ModelAsset) -> Document {
    let name = asset.model.name ?? ""
    let version = asset.model.version ?? ""
    var document = asset.model.rest(ResourceStatus(id: id("models/\(name)/versions/\(version)"))).object ?? [:]
    var properties = document["properties"]?.object ?? [:]
    properties["modelUri"] = .string(ModelAsset.scheme + asset.tree)
    properties["isArchived"] = .bool(asset.isArchived)
    properties["isAnonymous"] = .bool(asset.isAnonymous)
    properties["provisioningState"] = "Succeeded"
    document["properties"] = .object(properties)
    document["etag"] = .string("\(asset.revision)")
    document["systemData"] = systemData(asset.created, asset.modified, asset.authors)
    return .object(document)
  }
}

/// Which versions a list shows: `listViewType`, as Azure's lists take it.
internal enum ListView: String, CaseIterable {
  case activeOnly = "ActiveOnly"
  case archivedOnly = "ArchivedOnly"
  case all = "All"

  init(_ request: ControlRequest) throws(ControlError) {
    let text = request.query["listViewType"] ?? "ActiveOnly"
    guard let view = ListView(rawValue: text) else {
      throw ControlError(.badArgument, "listViewType is '\(text.prefix(64))': expected 'ActiveOnly', 'ArchivedOnly' or 'All'")
    }
    self = view
  }

  func shows(_ isArchived: Bool) -> Bool {
    switch self {
    case .activeOnly: !isArchived
    case .archivedOnly: isArchived
    case .all: true
    }
  }
}

extension ModelAsset {
  /// What stands before a digest where a model's files are named.
  internal static let scheme = "artifact:"
}
