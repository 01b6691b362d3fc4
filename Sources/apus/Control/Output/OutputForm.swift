package import Documents
internal import ArgumentParser

/// How a command prints what it has to say.
package enum OutputForm: String, CaseIterable, Sendable {
  /// Indented, keys in order.
  case json
  /// The same in colours.
  case jsonc
  case yaml
  case table
  /// A line for each element, its values apart by tabs: for shells.
  case tsv
  case none

  /// The answer as text without a line break at its end; nil if nothing is to be printed.
  ///
  /// - Parameter columns: What a table shows of the resource, when no query has made something else of it.
  package func text(of answer: Document, columns: [TableColumn]? = nil) -> String? {
    switch self {
    case .json: answer.sorted.json(pretty: true)
    case .jsonc: answer.sorted.colouredJSON(indent: 0)
    case .yaml: answer.yaml().trimmingLineBreaks
    case .table: answer == .null ? nil : ResourceTable(answer, columns: columns).text
    case .tsv: TabSeparated.text(of: answer)
    case .none: nil
    }
  }
}

extension OutputForm: ExpressibleByArgument {}

extension String {
  fileprivate var trimmingLineBreaks: String {
    var text = self
    while text.last == "\n" { text.removeLast() }
    return text
  }
}

extension Document {
  /// The same with the keys of every object in order: the same answer is the same text, whoever wrote it.
  package var sorted: Document {
    switch self {
    case .array(let elements): return .array(elements.map(\.sorted))
    case .object(let members):
      var made = Document.Object()
      for key in members.keys.sorted() { made[key] = members[key]?.sorted }
      return .object(made)
    default: return self
    }
  }
}
