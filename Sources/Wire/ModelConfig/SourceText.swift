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
/// Near is at most one wrong, missing or additional character in three.
func nearestName(to name: String, among known: [String]) -> String? {
  let distances = known.map { (name: $0, distance: editDistance(name, $0)) }
  guard let nearest = distances.min(by: { $0.distance < $1.distance }) else { return nil }
  return nearest.distance <= max(1, name.utf8.count / 3) ? nearest.name : nil
}

/// Least number of characters to add, drop or change to get from one to the other (Levenshtein).
private func editDistance(_ left: String, _ right: String) -> Int {
  let right = Array(right.utf8)
  var row = Array(0...right.count)
  for (index, character) in left.utf8.enumerated() {
    var diagonal = row[0]
    row[0] = index + 1
    for column in 0..<right.count {
      let above = row[column + 1]
      row[column + 1] = min(
        above + 1, row[column] + 1, diagonal + (character == right[column] ? 0 : 1))
      diagonal = above
    }
  }
  return row[right.count]
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
