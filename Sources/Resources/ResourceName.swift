/// The rules for names.
package enum ResourceName {
  /// Of endpoints and deployments: `^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`, 3 to 32 characters.
  package static let endpointLength = 3...32
  /// Of models and environments, and of versions: letters, digits, `.`, `_` and `-`.
  package static let assetLength = 1...255

  /// What is wrong with the name of an endpoint or of a deployment; `nil` if nothing is.
  package static func fault(in name: String) -> String? {
    guard endpointLength.contains(name.utf8.count) else {
      return outOf(endpointLength, name)
    }
    let bytes = Array(name.utf8)
    let isName =
      isLetter(bytes[0]) && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
      && bytes.last != UInt8(ascii: "-")
    return isName ? nil : "expected a letter, then letters, digits and '-', with no '-' at the end, got '\(name)'"
  }

  /// What is wrong with the name of a model or an environment, or with a version.
  package static func assetFault(in name: String) -> String? {
    guard assetLength.contains(name.utf8.count) else {
      return outOf(assetLength, name)
    }
    let bytes = Array(name.utf8)
    let isName =
      (isLetter(bytes[0]) || isDigit(bytes[0]))
      && bytes.allSatisfy { isLetter($0) || isDigit($0) || "-_.".utf8.contains($0) }
    return isName ? nil : "expected a letter or a digit, then letters, digits, '.', '_' and '-', got '\(shown(name))'"
  }

  private static func outOf(_ range: ClosedRange<Int>, _ name: String) -> String {
    "expected \(range.lowerBound) to \(range.upperBound) characters, got \(name.utf8.count) in '\(shown(name))'"
  }

  private static func shown(_ name: String) -> String { name.count <= 64 ? name : "\(name.prefix(60))…" }
  private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7A }
  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}

extension FieldReader {
  /// The name of an endpoint or a deployment, which has to be there. In REST, the URL gives it.
  internal func name(_ key: String, fromURL index: Int? = nil) -> String {
    if let index, form == .rest, context.names.indices.contains(index) {
      if let fault = ResourceName.fault(in: context.names[index]) { self.fault(key, fault) }
      return context.names[index]
    }
    guard let name = string(key) else {
      if !has(key) { fault(key, "expected a name, got nothing") }
      return ""
    }
    if let fault = ResourceName.fault(in: name) { self.fault(key, fault) }
    return name
  }

  /// The name or the version of an asset. In REST, the URL of the asset gives it; in a deployment, it may be left out.
  internal func assetName(_ key: String, fromURL index: Int, isRequired: Bool = false) -> String? {
    var name = text(key)
    if isRoot, form == .rest, context.names.indices.contains(index) { name = context.names[index] }
    guard let name else {
      if isRequired && isRoot && !has(key) { fault(key, "expected a name, got nothing") }
      return nil
    }
    if let fault = ResourceName.assetFault(in: name) { self.fault(key, fault) }
    return name
  }
}
