internal import Documents

extension OnlineEndpoint: Resource {
  package init(reading fields: FieldReader) {
    self.init(name: fields.name("name", fromURL: 0))
    fields.ignoreReadOnly("scoring_uri", "openapi_uri")
    if fields.form == .rest { fields.ignore("sku") }
    tags = fields.strings("tags")
    identity = fields.identity()
    if fields.form == .cli {
      readProperties(fields)
    } else if fields.object("properties", { readProperties($0) }) == nil && !fields.has("properties") {
      fields.fault("properties", "expected an object, got nothing")
    }
  }

  /// Reads what REST has under `properties`.
  private mutating func readProperties(_ fields: FieldReader) {
    description = fields.string("description")
    properties = fields.strings("properties")
    authMode = fields.choice("auth_mode") ?? .key
    compute = fields.string("compute")
    if compute != nil {
      fields.warn(
        "compute", "has no effect: this server runs deployments itself, on its own machine, and not on a cluster")
    }
    if let percents = fields.percents("traffic") {
      if let fault = Traffic.fault(in: percents) { fields.fault("traffic", fault) }
      traffic = percents.filter { $0.value > 0 }
    }
    if let mirror = fields.percents("mirror_traffic") {
      if let fault = Traffic.fault(inMirror: mirror, beside: traffic) { fields.fault("mirror_traffic", fault) }
      mirrorTraffic = mirror.first.flatMap { $0.value > 0 ? MirrorTraffic(deployment: $0.key, percent: $0.value) : nil }
    }
    publicNetworkAccess = fields.choice("public_network_access") ?? .enabled
    extensions = fields.endpointExtensions()
    guard fields.form == .rest else { return }
    fields.ignore("provisioningState", "provisioningError", "scoringUri", "swaggerUri")
    keys = fields.object("keys") { keys in
      EndpointKeys(
        primary: keys.string("primary_key"), secondary: keys.string("secondary_key"))
    }
  }

  package func write(to fields: inout FieldWriter) {
    let status = fields.status
    fields.putIdentifiers(name: name, type: "onlineEndpoints", kind: compute == nil ? "Managed" : "K8S")
    fields.put("tags", strings: tags)
    fields.put("identity", identity)
    fields.properties { fields in
      fields.put("description", description)
      fields.put("properties", strings: properties)
      fields.put("auth_mode", word: authMode)
      fields.put("compute", compute)
      var shares = traffic
      for deployment in status?.deployments ?? [] where shares[deployment] == nil { shares[deployment] = 0 }
      fields.put("traffic", percents: shares)
      fields.put("mirror_traffic", percents: mirrorTraffic.map { [$0.deployment: $0.percent] } ?? [:])
      fields.put("public_network_access", word: publicNetworkAccess)
      fields.put(extensions)
      fields.put("scoring_uri", status?.scoringURI)
      fields.put("openapi_uri", rest: "swaggerUri", status?.openAPIURI)
      fields.putProvisioningState()
    }
  }
}

extension FieldWriter {
  internal mutating func put(_ key: String, percents: [String: Int]) {
    // An endpoint shows an empty split too, as REST does.
    var object = Document.Object()
    for (name, percent) in percents.sorted(by: { $0.key < $1.key }) { object[name] = .int(percent) }
    if form == .rest || !percents.isEmpty { put(key, .object(object)) }
  }

  internal mutating func put(_ key: String, _ identity: Identity?) {
    guard let identity else { return }
    put(key) { fields in
      fields.put("type", word: identity.kind)
      guard !identity.userAssigned.isEmpty else { return }
      var map = Document.Object()
      for id in identity.userAssigned { map[id] = .object(Document.Object()) }
      let list = identity.userAssigned.map { Document.object(["resource_id": .string($0)]) }
      fields.put("user_assigned_identities", fields.form == .cli ? .array(list) : .object(map))
    }
  }

  /// The keys at the top that say which resource this is.
  internal mutating func putIdentifiers(name: String, type: String, kind: String? = nil) {
    if form == .rest { put("id", status?.id) }
    put("name", name)
    if form == .rest {
      put("type", "Microsoft.MachineLearningServices/workspaces/\(type)")
    } else {
      put("id", status?.id)
    }
    put("location", status?.location)
    put("kind", form == .rest || status != nil ? kind : nil)
    guard let status, status.createdAt != nil || status.modifiedAt != nil else { return }
    put("creation_context", rest: "systemData") { fields in
      fields.put("created_at", status.createdAt)
      fields.put("created_by", status.createdBy)
      fields.put("last_modified_at", status.modifiedAt)
      fields.put("last_modified_by", status.modifiedBy)
    }
  }

  internal mutating func putProvisioningState() {
    guard let state = status?.provisioningState else { return }
    // Both forms show the word as ARM spells it.
    put("provisioning_state", state.rest)
  }
}

extension FieldReader {
  /// Ignores what the server says about a resource, so that what `show` and GET print can be sent back.
  internal func ignoreReadOnly(_ keys: String...) {
    switch form {
    case .cli:
      ignore("$schema", "id", "location", "kind", "provisioning_state", "creation_context")
      for key in keys { ignore(key) }
    case .rest: ignore("id", "name", "type", "location", "kind", "systemData", "etag")
    }
  }

  internal func identity() -> Identity? {
    guard has("identity") else { return nil }
    warn("identity", "has no effect: there are no cloud identities here; deployments run as the server's user")
    return object("identity") { fields in
      fields.ignore("principal_id", "tenant_id", "principalId", "tenantId")
      var identity = Identity(kind: fields.choice("type") ?? .systemAssigned)
      if fields.form == .rest {
        identity.userAssigned = fields.entries("user_assigned_identities").map(\.key)
      } else {
        identity.userAssigned = fields.elements("user_assigned_identities").compactMap { value, place in
          fields.part(value, at: place) { part in
            part.ignore("client_id", "principal_id")
            return part.string("resource_id")
          }
        }
      }
      if identity.kind == .systemAssigned && !identity.userAssigned.isEmpty {
        fields.fault(
          "user_assigned_identities",
          "expected none where the type is \(Identity.Kind.systemAssigned.spelling(in: fields.form))")
      }
      return identity
    }
  }
}
