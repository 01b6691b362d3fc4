/// Where a value is in a document: keys and indices from the root.
package struct DocumentPath: Hashable, Sendable {
  package enum Step: Hashable, Sendable {
    case key(String)
    case index(Int)
  }
  package var steps: [Step]

  package init(_ steps: [Step] = []) { self.steps = steps }

  package func appending(_ key: String) -> DocumentPath { DocumentPath(steps + [.key(key)]) }
  package func appending(_ index: Int) -> DocumentPath { DocumentPath(steps + [.index(index)]) }
}

extension DocumentPath: CustomStringConvertible {
  /// `a.b[0].c`; a key with a dot or a bracket in it is `a['nvidia.com/gpu']`.
  package var description: String {
    var text = ""
    for step in steps {
      switch step {
      case .index(let index): text += "[\(index)]"
      case .key(let key) where key.isEmpty || key.contains(where: { ".[]'".contains($0) }): text += "['\(key)']"
      case .key(let key): text += text.isEmpty ? key : ".\(key)"
      }
    }
    return text
  }
}

/// The lines of a file that the parts of a document stand on, and scalars as they were spelt.
package struct SourceLines: Hashable, Sendable {
  /// Of the key, where there is one, else of the value; from 1.
  package private(set) var line: Int?
  /// A plain scalar as it was spelt: `1.10`, which is the number 1.1.
  package private(set) var spelling: String?
  private var parts: [DocumentPath.Step: SourceLines] = [:]
  /// Whether an edit put something here that is on no line.
  private var isReplaced = false

  package init(line: Int? = nil, spelling: String? = nil) {
    self.line = line
    self.spelling = spelling
  }

  internal subscript(step: DocumentPath.Step) -> SourceLines? {
    get { parts[step] }
    set { parts[step] = newValue }
  }

  /// The line of a path or, where it has none of its own, of the nearest part around it. `nil`: it comes from an edit.
  package func line(of path: DocumentPath) -> Int? {
    var part = self
    var line = line
    for step in path.steps {
      guard !part.isReplaced else { return nil }
      guard let next = part.parts[step] else { return line }
      part = next
      line = next.line ?? line
    }
    return part.isReplaced ? nil : line
  }

  /// The spelling of the plain scalar at a path.
  package func spelling(at path: DocumentPath) -> String? {
    var part = self
    for step in path.steps {
      guard let next = part.parts[step] else { return nil }
      part = next
    }
    return part.spelling
  }

  /// Forgets what is at and below a path, which an edit has replaced.
  internal mutating func forget(_ path: ArraySlice<DocumentPath.Step>) {
    guard let first = path.first else {
      self = SourceLines()
      isReplaced = true
      return
    }
    parts[first, default: SourceLines()].forget(path.dropFirst())
  }

  internal mutating func setLine(_ line: Int) { self.line = line }
}

/// A document together with the lines that it was read from.
package struct SourceDocument: Hashable, Sendable {
  package var root: Document
  package var lines: SourceLines

  package init(_ root: Document, lines: SourceLines = SourceLines()) {
    self.root = root
    self.lines = lines
  }
}
