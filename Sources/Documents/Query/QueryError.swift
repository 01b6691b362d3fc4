/// Why a query can't be read or can't be answered.
package struct QueryError: Error, Hashable, CustomStringConvertible {
  package let message: String
  /// Where in the text, in characters from its begin. Nil for what only shows when the query meets a document.
  package let position: Int?

  package init(_ message: String, at position: Int? = nil) {
    self.message = message
    self.position = position
  }

  package var description: String {
    guard let position else { return "query: \(message)" }
    return "query, character \(position + 1): \(message)"
  }
}
