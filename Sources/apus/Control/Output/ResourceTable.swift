package import Documents
internal import Foundation

/// A column of a table: its heading, and what of a resource stands in it.
package struct TableColumn: Sendable {
  package let heading: String
  package let cell: @Sendable (Document) -> String

  /// A value by its path, such as `traffic` or `rollout.state`.
  package init(_ heading: String, _ path: String) {
    self.heading = heading
    cell = { resource in
      var value: Document? = resource
      for key in path.split(separator: ".") { value = value?[String(key)] }
      return ResourceTable.cell(value ?? .null)
    }
  }

  package init(_ heading: String, _ cell: @escaping @Sendable (Document) -> String) {
    self.heading = heading
    self.cell = cell
  }
}

/// An answer as rows under headings.
///
/// A resource has the columns that are useful for its kind. What a query made has a column for each of its keys that holds
/// a plain value, in the query's order; lists in a list have numbered columns, plain values one.
package struct ResourceTable {
  package let text: String

  package init(_ answer: Document, columns: [TableColumn]?) {
    let rows = answer.array ?? [answer]
    if let columns, rows.allSatisfy({ $0.object != nil }) {
      var table = TextTable(columns.map { $0.heading.uppercased() })
      for row in rows { table.append(columns.map { $0.cell(row) }) }
      text = table.text
    } else {
      text = ResourceTable.table(of: rows).text
    }
  }

  private static func table(of rows: [Document]) -> TextTable {
    if rows.contains(where: { $0.object != nil }) {
      var keys: [String] = []
      for row in rows {
        for (key, value) in row.object ?? .init() where value.isPlain && !keys.contains(key) { keys.append(key) }
      }
      var table = TextTable(keys.map { $0.uppercased() })
      for row in rows { table.append(keys.map { cell(row[$0] ?? .null) }) }
      return table
    }
    let width = rows.map { $0.array?.count ?? 1 }.max() ?? 1
    var table = TextTable(
      rows.contains { $0.array != nil } ? (0..<max(width, 1)).map { "COLUMN\($0 + 1)" } : ["RESULT"])
    for row in rows {
      let cells = row.array ?? [row]
      table.append((0..<max(width, 1)).map { $0 < cells.count ? cell(cells[$0]) : "" })
    }
    return table
  }

  /// A value on one line; an object of plain values as `key=value` pairs.
  package static func cell(_ value: Document) -> String {
    switch value {
    case .null: ""
    case .string(let text): text.replacing(/[\t\r\n]+/, with: " ")
    case .object(let members):
      members.keys.sorted().map { "\($0)=\(cell(members[$0] ?? .null))" }.joined(separator: " ")
    case .array(let elements): elements.map(cell).joined(separator: ",")
    case .bool, .int, .double: value.json()
    }
  }
}

extension Document {
  fileprivate var isPlain: Bool {
    switch self {
    case .array, .object: false
    default: true
    }
  }
}
