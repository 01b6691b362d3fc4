internal import Documents

extension ModelVersion: Resource {
  package init(reading fields: FieldReader) {
    self.init(
      name: fields.assetName("name", fromURL: 0, isRequired: true), version: fields.assetName("version", fromURL: 1))
    fields.ignoreReadOnly("latest_version", "job_name")
    if fields.form == .cli {
      readProperties(fields)
    } else {
      _ = fields.object("properties", { readProperties($0) })
      if !fields.has("properties") { fields.fault("properties", "expected an object, got nothing") }
    }
  }

  private mutating func readProperties(_ fields: FieldReader) {
    description = fields.string("description")
    tags = fields.strings("tags")
    properties = fields.strings("properties")
    stage = fields.string("stage")
    kind = fields.choice("type", rest: "modelType") ?? .custom
    flavors = fields.object("flavors") { flavors in
      let document = flavors.whole()
      return document.json()
    }
    datastore = fields.string("datastore")
    if datastore != nil {
      fields.warn("datastore", "has no effect: this server keeps all models in the store of its data directory")
    }
    if fields.form == .rest { fields.ignore("isAnonymous", "isArchived", "provisioningState", "jobName") }
    guard let written = fields.string("path", rest: "modelUri") else {
      if !fields.has("path", rest: "modelUri") {
        fields.fault("path", rest: "modelUri", "expected a file or a folder, got nothing")
      }
      return
    }
    switch LocalPath.scheme(of: written) {
    case nil, "file": path = fields.localPath("path", rest: "modelUri")
    // Contents that this server has already.
    case "artifact": path = written
    case .some(let scheme):
      fields.fault(
        "path", rest: "modelUri",
        "\(Document.string(written).quoted) is not on this machine, and this server does not fetch \(scheme.prefix(16)): download it and give the local "
          + "path"
      )
    }
  }

  package func write(to fields: inout FieldWriter) {
    fields.putAssetIdentifiers(name: name, version: version, type: "models/versions")
    fields.properties { fields in
      fields.put("description", description)
      fields.put("tags", strings: tags)
      fields.put("properties", strings: properties)
      fields.put("stage", stage)
      fields.put("type", rest: "modelType", word: kind)
      fields.put("path", rest: "modelUri", path)
      fields.put("flavors", flavors.flatMap { try? Document(json: $0) })
      fields.put("datastore", datastore)
      if fields.isRoot || fields.form == .rest { fields.putProvisioningState() }
    }
  }
}

extension FieldReader {
  /// The whole object, whatever its keys are.
  internal func whole() -> Document {
    for (key, _) in object { ignore(key) }
    return .object(object)
  }
}

extension FieldWriter {
  internal mutating func putAssetIdentifiers(name: String?, version: String?, type: String) {
    guard isRoot else {
      put("name", name)
      put("version", version)
      return
    }
    // In REST a version's own name is the version; what it is a version of, its `id` and its URL say.
    putIdentifiers(name: (form == .cli ? name : version) ?? "", type: type)
    if form == .cli { put("version", version) }
  }
}
