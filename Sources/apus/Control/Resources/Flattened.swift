internal import Documents

/// A resource of this server's own in the form of files: what is under `properties` stands beside the rest.
enum Flattened {
  static func document(_ rest: Document) -> Document {
    guard let members = rest.object else { return rest }
    var made = Document.Object()
    for (key, value) in members where key != "properties" && key != "etag" && key != "systemData" {
      made[SnakeCase.name(of: key)] = SnakeCase.converted(value)
    }
    for (key, value) in members["properties"]?.object ?? .init() {
      made[SnakeCase.name(of: key)] = SnakeCase.converted(value)
    }
    if let system = members["systemData"], system != .null { made["creation_context"] = SnakeCase.converted(system) }
    return .object(made)
  }
}
