extension Document {
  /// Makes a change.
  ///
  /// - Parameter addsParents: Whether `set` and `add` make the objects on the way to a path that aren't there, as for a
  ///   file that leaves settings at their defaults. Lists never grow on the way.
  /// - Throws: `DocumentError` that names the part of the path that isn't there.
  package mutating func apply(_ edit: DocumentEdit, addsParents: Bool = false) throws(DocumentError) {
    switch edit {
    case .set(let path, let value):
      try change(path.steps[...], of: path, addsParents: addsParents) { (_) throws(DocumentError) in value }
    case .add(let path, let elements):
      try change(path.steps[...], of: path, addsParents: addsParents) { (old) throws(DocumentError) in
        guard let old, old != .null else { return .array(elements) }
        guard let list = old.array else { throw DocumentError("\(path): expected a list to add to, it is \(old.kind)") }
        return .array(list + elements)
      }
    case .remove(let path):
      try change(path.steps[...], of: path, addsParents: false) { (old) throws(DocumentError) in
        guard old != nil else { throw DocumentError("\(path): there is nothing to remove") }
        return nil
      }
    }
  }

  /// Replaces what is at `rest` of a path by what `replace` makes of it. `nil`: there is, or shall be, nothing.
  private mutating func change(
    _ rest: ArraySlice<DocumentPath.Step>, of path: DocumentPath, addsParents: Bool,
    replace: (Document?) throws(DocumentError) -> Document?
  ) throws(DocumentError) {
    guard let step = rest.first else {
      self = try replace(self) ?? .null
      return
    }
    let isLast = rest.count == 1
    func place(upTo count: Int) -> String {
      DocumentPath(Array(path.steps.prefix(path.steps.count - rest.count + count))).description
    }
    switch step {
    case .key(let key):
      if self == .null && addsParents { self = .object(Object()) }
      guard var object else {
        throw DocumentError("\(place(upTo: 1)): '\(place(upTo: 0))' is \(kind), which has no keys")
      }
      if isLast {
        object[key] = try replace(object[key])
      } else {
        guard var part = object[key] ?? (addsParents ? Document.object(Object()) : nil) else {
          let nearest = NearestName.of(key, in: object.keys).map { ". Did you mean '\($0)'?" } ?? ""
          throw DocumentError("\(path): there is no '\(place(upTo: 1))'\(nearest)")
        }
        try part.change(rest.dropFirst(), of: path, addsParents: addsParents, replace: replace)
        object[key] = part
      }
      self = .object(object)
    case .index(let index):
      guard var list = array else {
        throw DocumentError("\(place(upTo: 1)): '\(place(upTo: 0))' is \(kind), not a list")
      }
      guard list.indices.contains(index) else {
        throw DocumentError("\(path): there is no '\(place(upTo: 1))', the list has \(list.count) elements")
      }
      if isLast {
        if let value = try replace(list[index]) { list[index] = value } else { list.remove(at: index) }
      } else {
        try list[index].change(rest.dropFirst(), of: path, addsParents: addsParents, replace: replace)
      }
      self = .array(list)
    }
  }

  /// The document as a merge patch leaves it; see `merge`.
  package func merging(_ patch: Document) -> Document {
    var merged = self
    merged.merge(patch)
    return merged
  }

  /// Applies a merge patch (RFC 7396): objects are merged key by key, `null` removes, anything else replaces.
  package mutating func merge(_ patch: Document) {
    guard case .object(let changes) = patch else {
      self = patch
      return
    }
    var object = object ?? Object()
    for (key, change) in changes {
      if change == .null {
        object[key] = nil
      } else {
        var part = object[key] ?? .null
        part.merge(change)
        object[key] = part
      }
    }
    self = .object(object)
  }
}

extension SourceDocument {
  /// Makes a change; what it changed is no longer on any line.
  package mutating func apply(_ edit: DocumentEdit, addsParents: Bool = false) throws(DocumentError) {
    try root.apply(edit, addsParents: addsParents)
    switch edit {
    case .set(let path, _), .add(let path, _): lines.forget(path.steps[...])
    case .remove(let path):
      // The elements after a removed one move up.
      if case .index = path.steps.last { lines.forget(path.steps.dropLast()) } else { lines.forget(path.steps[...]) }
    }
  }
}
