package import Access
internal import Documents

/// Who made a record and who changed it last; nil where it was the server itself, or is not known.
package struct Authors: Hashable, Sendable {
  package struct Author: Hashable, Sendable {
    /// The text form of a principal's name.
    package var name: String
    package var kind: Principal.Kind

    package init(name: String, kind: Principal.Kind) {
      self.name = name
      self.kind = kind
    }
  }

  package var created: Author?
  package var modified: Author?

  package init() {}

  /// Notes a change.
  ///
  /// - Parameter isNew: Whether it makes the record.
  internal mutating func note(_ principal: Principal?, isNew: Bool) {
    modified = principal.map { Author(name: $0.id.description, kind: $0.kind) }
    if isNew { created = modified }
  }

  // MARK: - In the store

  internal init(stored document: Document?) {
    created = Author(stored: document?["created"])
    modified = Author(stored: document?["modified"])
  }

  internal var stored: Document {
    var document: Document.Object = [:]
    if let created { document["created"] = created.stored }
    if let modified { document["modified"] = modified.stored }
    return .object(document)
  }

  // MARK: - In an answer

  /// As ARM's `systemData` has it.
  internal var shown: Document.Object {
    var document: Document.Object = [:]
    if let created {
      document["createdBy"] = .string(created.name)
      document["createdByType"] = .string(created.type)
    }
    if let modified {
      document["lastModifiedBy"] = .string(modified.name)
      document["lastModifiedByType"] = .string(modified.type)
    }
    return document
  }
}

extension Authors.Author {
  fileprivate init?(stored document: Document?) {
    guard let name = document?["name"]?.string,
      let kind = document?["kind"]?.string.flatMap(Principal.Kind.init(rawValue:))
    else { return nil }
    self.init(name: name, kind: kind)
  }

  fileprivate var stored: Document { ["name": .string(name), "kind": .string(kind.rawValue)] }

  /// ARM's word for it: a service principal is an application.
  fileprivate var type: String {
    switch kind {
    case .user: "User"
    case .servicePrincipal: "Application"
    }
  }
}
