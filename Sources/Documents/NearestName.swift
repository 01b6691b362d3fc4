/// The name out of a list that a mistyped one most likely meant.
package enum NearestName {
  /// Longest name that is looked at, in characters.
  private static let maxCharacters = 64

  /// The name that is the fewest edits away, if those are few for its length; of several, the first.
  ///
  /// An edit adds, removes or replaces a character, or swaps two neighbours. Case, `-` and `_` make no difference.
  package static func of(_ name: String, in candidates: some Sequence<String>) -> String? {
    guard name.count <= maxCharacters else { return nil }
    let wanted = folded(name)
    var best: (name: String, edits: Int)?
    for candidate in candidates where candidate.count <= maxCharacters {
      let folded = folded(candidate)
      let allowed = max(1, min(wanted.count, folded.count) / 3)
      guard abs(folded.count - wanted.count) <= allowed else { continue }
      let edits = edits(wanted, folded)
      if edits <= allowed && edits < best?.edits ?? .max { best = (candidate, edits) }
    }
    return best?.name
  }

  private static func folded(_ name: String) -> [Character] {
    name.lowercased().filter { $0 != "_" && $0 != "-" }.map { $0 }
  }

  /// The optimal string alignment distance: three rows of the table at a time.
  private static func edits(_ left: [Character], _ right: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for i in left.indices {
      var row = [i + 1]
      for j in right.indices {
        var edits = min(row[j] + 1, last[j + 1] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
        if i > 0 && j > 0 && left[i] == right[j - 1] && left[i - 1] == right[j] {
          edits = min(edits, beforeLast[j - 1] + 1)
        }
        row.append(edits)
      }
      (beforeLast, last) = (last, row)
    }
    return last[right.count]
  }
}
