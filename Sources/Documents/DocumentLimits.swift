/// What one text may hold, so that a small file cannot become a large tree.
package struct DocumentLimits: Hashable, Sendable {
  package var maxBytes: Int
  /// Lists and objects within each other, aliases included.
  package var maxDepth: Int
  /// Values in the tree, where each use of an alias counts as all that it stands for.
  package var maxValues: Int

  package init(maxBytes: Int = 1 << 20, maxDepth: Int = 64, maxValues: Int = 100_000) {
    self.maxBytes = maxBytes
    self.maxDepth = maxDepth
    self.maxValues = maxValues
  }

  internal func checkBytes(_ count: Int) throws(DocumentError) {
    guard count <= maxBytes else {
      throw DocumentError("it has \(count) bytes: expected at most maxBytes, which is \(maxBytes)")
    }
  }
}

/// A text that can't be read as a document, or an edit that can't be made, with where and why.
package struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
  package var message: String
  /// From 1.
  package var line: Int?
  /// From 1.
  package var column: Int?

  package init(_ message: String, line: Int? = nil, column: Int? = nil) {
    self.message = message
    self.line = line
    self.column = column
  }

  package var description: String {
    guard let line else { return message }
    return "line \(line)" + (column.map { ", column \($0)" } ?? "") + ": \(message)"
  }
}
