internal import Documents
internal import Resources

extension Resource {
  /// Reads the REST form.
  ///
  /// - Parameter names: What the address says, the resource's own name last.
  /// - Throws: `ResourceError` with everything that is wrong with it.
  fileprivate init(rest document: Document, names: [String]) throws(ResourceError) {
    self = try Self.read(rest: document, names: names).get()
  }
}

extension Reading {
  /// What was taken and has no effect here, for who sent it.
  internal var notes: [String] { warnings.map(\.description) }

  /// The same, without what was so before the change.
  internal func notes(addedTo old: Reading<Value>) -> [String] {
    let known = Set(old.notes)
    return notes.filter { !known.contains($0) }
  }
}

extension OnlineEndpoint {
  internal init(rest document: Document, name: String) throws(ResourceError) {
    try self.init(rest: document, names: [name])
  }
}

extension OnlineDeployment {
  internal init(rest document: Document, name: String, endpoint: String) throws(ResourceError) {
    try self.init(rest: document, names: [endpoint, name])
  }
}

extension ModelVersion {
  internal init(rest document: Document, name: String, version: String) throws(ResourceError) {
    try self.init(rest: document, names: [name, version])
  }
}

extension EnvironmentVersion {
  internal init(rest document: Document, name: String, version: String) throws(ResourceError) {
    try self.init(rest: document, names: [name, version])
  }
}
