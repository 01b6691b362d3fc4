internal import ArgumentParser
internal import Foundation
internal import Yams

extension ServeOptions {
  /// Reads a file of `option-name: value` lines in YAML. Lists are YAML sequences, or a value alone.
  ///
  /// - Throws: `UsageError` with the key, for one that does not exist with the nearest that does.
  package static func read(yaml text: String, file: String) throws -> ServeOptions {
    let root: Node?
    do { root = try Yams.compose(yaml: text) } catch { throw UsageError("\(file): not YAML: \(error)") }
    guard let root else { return try parse([]) }
    guard let mapping = root.mapping else {
      throw UsageError("\(file): expected lines of the form 'option-name: value'")
    }
    var arguments: [String] = []
    var seen: Set<String> = []
    for (keyNode, value) in mapping {
      let key = keyNode.string ?? ""
      guard let option = names.first(where: { $0.name == key }) else { throw unknown(key, file: file) }
      guard seen.insert(key).inserted else { throw UsageError("\(file): \(key) is there twice") }
      arguments += try Self.arguments(option, try values(of: value, "\(file): \(key)"), source: "\(file): \(key)")
    }
    return try parse(arguments)
  }

  /// Reads `APUS_OPTION_NAME` variables: a comma between the values of a list.
  ///
  /// - Throws: `UsageError` with the variable's name. Variables that name no option are others' business.
  package static func read(environment: [String: String]) throws -> ServeOptions {
    var arguments: [String] = []
    for option in names {
      let variable = "APUS_" + option.name.uppercased().replacingOccurrences(of: "-", with: "_")
      guard let text = environment[variable], !text.isEmpty else { continue }
      let values = option.kind == .list ? text.split(separator: ",").map(String.init) : [text]
      arguments += try Self.arguments(option, values, source: variable)
    }
    return try parse(arguments)
  }

  private static func values(of node: Node, _ source: String) throws(UsageError) -> [String] {
    if let scalar = node.scalar { return [scalar.string] }
    guard let sequence = node.sequence else { throw UsageError("\(source): expected a value, found a mapping") }
    var values: [String] = []
    for element in sequence {
      guard let scalar = element.scalar else { throw UsageError("\(source): expected a list of plain values") }
      values.append(scalar.string)
    }
    return values
  }

  private static func unknown(_ key: String, file: String) -> UsageError {
    let nearest = names.map { (name: $0.name, distance: editDistance(key, $0.name)) }.min { $0.distance < $1.distance }
    guard let nearest, nearest.distance <= max(2, key.count / 3) else {
      return UsageError("\(file): there is no option '\(key)'; apus serve --help has them all")
    }
    return UsageError("\(file): there is no option '\(key)'; did you mean '\(nearest.name)'?")
  }
}

/// Levenshtein's distance: insertions, deletions and replacements from one text to the other.
package func editDistance(_ from: String, _ to: String) -> Int {
  let to = Array(to)
  var row = Array(0...to.count)
  for (index, character) in from.enumerated() {
    var diagonal = row[0]
    row[0] = index + 1
    for column in to.indices {
      let replaced = diagonal + (character == to[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
    }
  }
  return row[to.count]
}
