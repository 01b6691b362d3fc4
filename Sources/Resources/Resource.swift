package import Documents

/// Something with a name that is written, stored and shown: in the form of files and in the form of REST.
///
/// Both forms are read and written by one pair of functions, so that a key can't be forgotten in one of them.
package protocol Resource: Hashable, Sendable {
  /// Reads every key, and notes what is wrong with them. What could not be read has a stand-in: `Reading` hands out
  /// nothing that has errors.
  init(reading fields: FieldReader)

  /// Writes every key that has a value.
  func write(to fields: inout FieldWriter)
}

/// A resource as it was read, and what is to be said about it.
package struct Reading<Value: Resource>: Sendable {
  private let value: Value
  /// In the order of the reading.
  package let findings: [Finding]

  internal init(_ document: Document, context: ReadingContext) {
    let fields = FieldReader(document, at: DocumentPath(), context: context)
    value = Value(reading: fields)
    fields.finish()
    findings = context.findings
  }

  package var warnings: [Finding] { findings.filter { $0.severity == .warning } }

  /// The resource.
  ///
  /// - Throws: `ResourceError` with everything that is wrong with it.
  package func get() throws(ResourceError) -> Value {
    guard findings.allSatisfy({ $0.severity == .warning }) else { throw ResourceError(findings) }
    return value
  }
}

extension Resource {
  /// Reads the form of files. Relative paths are relative to `folder`, which is absolute.
  package static func read(_ source: SourceDocument, folder: String) -> Reading<Self> {
    Reading(source.root, context: ReadingContext(form: .cli, lines: source.lines, folder: folder, names: []))
  }

  /// Reads the body of a PUT.
  ///
  /// - Parameter names: What the URL says: the names of the resources on the way, this one's last. For versions of an
  ///   asset, the asset's name and the version.
  package static func read(rest: Document, names: [String]) -> Reading<Self> {
    Reading(rest, context: ReadingContext(form: .rest, lines: SourceLines(), folder: "/", names: names))
  }

  /// The REST form: what a GET answers. What was left open is left out.
  package func rest(_ status: ResourceStatus? = nil) -> Document {
    var fields = FieldWriter(form: .rest, status: status)
    write(to: &fields)
    return .object(fields.object)
  }

  /// The form of files, as `show` prints it. Reading it gives the same resource.
  package func cliForm(_ status: ResourceStatus? = nil) -> Document {
    var fields = FieldWriter(form: .cli, status: status)
    write(to: &fields)
    return .object(fields.object)
  }
}

/// What the server says about a resource beside what its author wrote. Keys of it in a file or a body are ignored.
package struct ResourceStatus: Hashable, Sendable {
  package var id: String?
  package var location: String?
  package var provisioningState: ProvisioningState?
  package var scoringURI: String?
  package var openAPIURI: String?
  /// ISO 8601 times and names of principals.
  package var createdAt: String?
  package var createdBy: String?
  package var modifiedAt: String?
  package var modifiedBy: String?
  /// Of an endpoint: its deployments, which `traffic` lists with 0 if they have no share.
  package var deployments: [String]

  package init(
    id: String? = nil, location: String? = nil, provisioningState: ProvisioningState? = nil, scoringURI: String? = nil,
    openAPIURI: String? = nil, createdAt: String? = nil, createdBy: String? = nil, modifiedAt: String? = nil,
    modifiedBy: String? = nil, deployments: [String] = []
  ) {
    self.id = id
    self.location = location
    self.provisioningState = provisioningState
    self.scoringURI = scoringURI
    self.openAPIURI = openAPIURI
    self.createdAt = createdAt
    self.createdBy = createdBy
    self.modifiedAt = modifiedAt
    self.modifiedBy = modifiedBy
    self.deployments = deployments
  }
}
