internal import Inference

/// The text that a parser reads, and where in it people find things.
struct SourceText {
  let bytes: [UInt8]

  init(_ text: String) { bytes = Array(text.utf8) }

  /// A refusal with the place, the field's path and the problem, such as `3:9: input[0].dims: expected …`.
  func error(at offset: Int, path: String, _ problem: String) -> InferenceError {
    let before = bytes[..<min(offset, bytes.count)]
    let line = before.count { $0 == UInt8(ascii: "\n") } + 1
    let column = before.reversed().prefix { $0 != UInt8(ascii: "\n") }.count + 1
    return .invalidArgument("\(line):\(column): \(path.isEmpty ? "" : "\(path): ")\(problem)")
  }
}

/// The known name that a mistyped one most likely stands for; nil if none is near.
///
/// Near is at most one mistake in three characters.
func nearestName(to name: String, among known: [String]) -> String? {
  let distances = known.map { (name: $0, distance: editDistance(name, $0)) }
  guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { return nil }
  return nearest.distance <= max(1, name.utf8.count / 3) ? nearest.name : nil
}

/// Least number of characters to add, drop, change or swap with their neighbour to get from one to the other (optimal
/// string alignment).
private func editDistance(_ left: String, _ right: String) -> Int {
  let left = Array(left.utf8)
  let right = Array(right.utf8)
  var rows = [Array(0...right.count)]
  for (i, character) in left.enumerated() {
    var row = [i + 1]
    for j in right.indices {
      var distance = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (character == right[j] ? 0 : 1))
      if i > 0, j > 0, character == right[j - 1], left[i - 1] == right[j] {
        distance = min(distance, rows[i - 1][j - 1] + 1)
      }
      row.append(distance)
    }
    rows.append(row)
  }
  return rows[left.count][right.count]
}

extension MessageSchema {
  /// Says that a field does not exist, and which one may have been meant.
  func unknownField(_ name: String) -> String {
    let known = (0..<fieldCount).map { field(at: $0).name }
    let hint = nearestName(to: name, among: known).map { "did you mean '\($0)'?" }
    return "\(shortName) has no field '\(name)'; \(hint ?? "it has \(known.sorted().joined(separator: ", "))")"
  }
}

extension FieldSchema {
  /// Says that an enumeration has no such value, and which one may have been meant.
  func unknownValue(_ name: String) -> String {
    let known = enumeration?.names ?? []
    let hint = nearestName(to: name, among: known).map { "; did you mean '\($0)'?" }
    return "'\(name)' is not \(MessageDraft.expectation(of: self))\(hint ?? "")"
  }
}
