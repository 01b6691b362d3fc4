internal import Documents

/// What a reference is to, for messages and for paths.
internal enum AssetKind: String {
  case model = "models"
  case environment = "environments"

  var word: String { self == .model ? "model" : "environment" }
}

extension AssetReference {
  /// What is wrong with a reference. Only for the parsing below.
  internal struct Fault: Error { var message: String }

  /// Reads `azureml:name:version`, `azureml:name@latest`, an asset's path in REST, or a local path.
  internal static func parse(_ text: String, kind: AssetKind, folder: String) throws(Fault) -> AssetReference {
    let shown = Document.string(text).quoted
    let expected =
      "expected azureml:<name>:<version>, azureml:<name>@latest, the keys of the \(kind.word), or a path"
    if text.hasPrefix("azureml://registries/") {
      throw Fault(
        message: "\(shown) is in a registry, and this server has none: register the \(kind.word) here and write "
          + "azureml:<name>:<version>")
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count >= 4, parts[parts.count - 4] == kind.rawValue,
      text.hasPrefix("azureml:") || text.hasPrefix("/subscriptions/") || text.hasPrefix("\(kind.rawValue)/")
    {
      let (name, version) = (String(parts[parts.count - 3]), String(parts[parts.count - 1]))
      switch parts[parts.count - 2] {
      case "versions": return try checked(.version(name: name, version: version), name, version)
      case "labels" where version == "latest": return try checked(.latest(name: name), name, nil)
      default: break
      }
    }
    guard text.hasPrefix("azureml:") else {
      let halves = text.split(separator: ":", omittingEmptySubsequences: false)
      if halves.count == 2, halves.allSatisfy({ ResourceName.assetFault(in: String($0)) == nil }) && halves[0] != "file"
      {
        throw Fault(message: "\(expected), got \(shown). Did you mean 'azureml:\(text)'?")
      }
      guard !text.isEmpty, !text.utf8.contains(0), ["file", nil].contains(LocalPath.scheme(of: text)) else {
        throw Fault(message: "\(expected), got \(shown)")
      }
      return .path(LocalPath.absolute(text, in: folder))
    }
    let reference = text.dropFirst("azureml:".count)
    if let at = reference.lastIndex(of: "@") {
      let (name, label) = (String(reference[..<at]), reference[reference.index(after: at)...])
      guard label == "latest" else {
        throw Fault(message: "expected the label 'latest', the only one there is, got \(Document.string(String(label)).quoted)")
      }
      return try checked(.latest(name: name), name, nil)
    }
    let halves = reference.split(separator: ":", omittingEmptySubsequences: false)
    guard halves.count == 2, !halves[1].isEmpty else {
      let isName = halves.count == 1 && ResourceName.assetFault(in: String(halves[0])) == nil
      throw Fault(message: "\(expected), got \(shown)" + (isName ? ". Did you mean '\(text)@latest'?" : ""))
    }
    return try checked(
      .version(name: String(halves[0]), version: String(halves[1])), String(halves[0]), String(halves[1]))
  }

  private static func checked(_ reference: Self, _ name: String, _ version: String?) throws(Fault) -> AssetReference {
    if let fault = ResourceName.assetFault(in: name) { throw Fault(message: "the name: \(fault)") }
    if let version, let fault = ResourceName.assetFault(in: version) { throw Fault(message: "the version: \(fault)") }
    return reference
  }

  /// The reference as one string, unless it is a nested asset.
  package var text: String? {
    switch self {
    case .version(let name, let version): "azureml:\(name):\(version)"
    case .latest(let name): "azureml:\(name)@latest"
    case .path(let path): path
    case .anonymous: nil
    }
  }
}

extension FieldReader {
  internal func reference<Asset: Resource>(
    _ key: String, rest: String? = nil, kind: AssetKind
  ) -> AssetReference<Asset>? {
    guard let value = value(key, rest: rest) else { return nil }
    if let text = value.string {
      do throws(AssetReference<Asset>.Fault) {
        return try AssetReference.parse(text, kind: kind, folder: context.folder)
      } catch {
        fault(key, rest: rest, error.message)
        return nil
      }
    }
    guard value.object != nil else {
      expect(
        "a reference such as azureml:<name>:<version>, or the keys of the \(kind.word)", key, rest: rest, got: value)
      return nil
    }
    return object(key, rest: rest) { .anonymous(Asset(reading: $0)) }
  }
}

extension FieldWriter {
  internal mutating func put<Asset: Resource>(_ key: String, rest: String? = nil, reference: AssetReference<Asset>?) {
    switch reference {
    case .anonymous(let asset): put(key, rest: rest, keepsEmpty: true) { asset.write(to: &$0) }
    case .some(let reference): put(key, rest: rest, reference.text)
    case nil: break
    }
  }
}
