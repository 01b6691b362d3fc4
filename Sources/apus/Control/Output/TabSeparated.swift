internal import Documents

/// The form for shells: a line for each element, values apart by tabs, nothing quoted.
///
/// As in `az`: of a list only its length is printed, of an object nothing, so that every line has the same number of values.
/// Tabs and line breaks in a text become spaces, for the same reason.
enum TabSeparated {
  static func text(of answer: Document) -> String? {
    switch answer {
    case .null: nil
    case .array(let rows): rows.isEmpty ? nil : rows.map(line).joined(separator: "\n")
    default: line(answer)
    }
  }

  private static func line(_ row: Document) -> String {
    switch row {
    case .array(let cells): cells.map(cell).joined(separator: "\t")
    case .object(let members): members.keys.sorted().map { cell(members[$0] ?? .null) }.joined(separator: "\t")
    default: cell(row)
    }
  }

  private static func cell(_ value: Document) -> String {
    switch value {
    case .null, .object: ""
    case .array(let elements): "\(elements.count)"
    case .string(let text): text.replacing(/[\t\r\n]/, with: " ")
    case .bool, .int, .double: value.json()
    }
  }
}
