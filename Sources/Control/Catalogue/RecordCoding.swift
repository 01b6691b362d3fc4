internal import Documents
internal import Resources
internal import Stores

// How records look in the store: the resource in its REST form, and beside it what the server knows of it.

extension EndpointRecord {
  internal func stored() -> Document {
    var document: Document.Object = [
      "spec": endpoint.rest(), "state": .string(state.rawValue),
      "accessStamp": .string(String(accessStamp)), "authors": authors.stored,
    ]
    if let operation { document["operation"] = .string(operation) }
    if let error { document["error"] = error.stored }
    if let sealedKeys { document["sealedKeys"] = .string(sealedKeys) }
    return .object(document)
  }

  internal init(stored record: CatalogRecord) throws {
    let body = try Document(json: record.body)
    guard let spec = body["spec"], let state = body["state"]?.string.flatMap(ProvisioningState.init(rawValue:)),
      let stamp = body["accessStamp"]?.string.flatMap({ UInt64($0) })
    else { throw ControlError(.internalError, "endpoint '\(record.name)' can't be read from the store") }
    self.init(endpoint: try OnlineEndpoint(rest: spec, name: record.name), state: state)
    operation = body["operation"]?.string
    error = ControlError(stored: body["error"])
    sealedKeys = body["sealedKeys"]?.string
    accessStamp = stamp
    authors = Authors(stored: body["authors"])
    (revision, created, modified) = (record.revision, record.created, record.modified)
  }
}

extension DeploymentRecord {
  internal func stored() -> Document {
    var document: Document.Object = [
      "spec": deployment.rest(), "state": .string(state.rawValue), "authors": authors.stored,
    ]
    if let active { document["active"] = active.rest() }
    if let operation { document["operation"] = .string(operation) }
    if let error { document["error"] = error.stored }
    if let scaledCount { document["scaledCount"] = .int(scaledCount) }
    return .object(document)
  }

  internal init(stored record: CatalogRecord) throws {
    let body = try Document(json: record.body)
    let parts = record.name.split(separator: "/").map(String.init)
    guard let spec = body["spec"], let state = body["state"]?.string.flatMap(ProvisioningState.init(rawValue:)),
      parts.count == 2
    else { throw ControlError(.internalError, "deployment '\(record.name)' can't be read from the store") }
    self.init(deployment: try OnlineDeployment(rest: spec, name: parts[1], endpoint: parts[0]), state: state)
    active = try body["active"].map { try OnlineDeployment(rest: $0, name: parts[1], endpoint: parts[0]) }
    operation = body["operation"]?.string
    error = ControlError(stored: body["error"])
    scaledCount = body["scaledCount"]?.int
    authors = Authors(stored: body["authors"])
    (revision, created, modified) = (record.revision, record.created, record.modified)
  }
}

extension ModelAsset {
  internal func stored() -> Document {
    [
      "spec": model.rest(), "tree": .string(tree), "isArchived": .bool(isArchived), "isAnonymous": .bool(isAnonymous),
      "authors": authors.stored,
    ]
  }

  internal init(stored record: CatalogRecord) throws {
    let body = try Document(json: record.body)
    let parts = record.name.split(separator: "/").map(String.init)
    guard let spec = body["spec"], let tree = body["tree"]?.string, parts.count == 2 else {
      throw ControlError(.internalError, "model version '\(record.name)' can't be read from the store")
    }
    self.init(model: try ModelVersion(rest: spec, name: parts[0], version: parts[1]), tree: tree)
    isArchived = body["isArchived"]?.bool ?? false
    isAnonymous = body["isAnonymous"]?.bool ?? false
    authors = Authors(stored: body["authors"])
    (revision, created, modified) = (record.revision, record.created, record.modified)
  }
}

extension EnvironmentAsset {
  internal func stored() -> Document {
    [
      "spec": environment.rest(), "isArchived": .bool(isArchived), "isAnonymous": .bool(isAnonymous), "authors": authors.stored,
    ]
  }

  internal init(stored record: CatalogRecord) throws {
    let body = try Document(json: record.body)
    let parts = record.name.split(separator: "/").map(String.init)
    guard let spec = body["spec"], parts.count == 2 else {
      throw ControlError(.internalError, "environment version '\(record.name)' can't be read from the store")
    }
    self.init(environment: try EnvironmentVersion(rest: spec, name: parts[0], version: parts[1]))
    isArchived = body["isArchived"]?.bool ?? false
    isAnonymous = body["isAnonymous"]?.bool ?? false
    authors = Authors(stored: body["authors"])
    (revision, created, modified) = (record.revision, record.created, record.modified)
  }
}
