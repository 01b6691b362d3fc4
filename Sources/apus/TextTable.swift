/// Rows under a heading, columns as wide as their widest cell.
package struct TextTable {
  private var rows: [[String]]

  /// The heading, and the rows under it.
  package var cells: [[String]] { rows }

  package init(_ heading: [String]) { rows = [heading] }

  package mutating func append(_ row: [String]) { rows.append(row) }

  package var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
      }
      return cells.joined(separator: "  ").trimmingTrailingSpaces
    }.joined(separator: "\n")
  }
}

extension String {
  fileprivate var trimmingTrailingSpaces: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
