internal import Documents
internal import Resources

/// A resource as the server answers it.
struct ServedResource<Value: Resource>: Sendable {
  /// What its author wrote.
  let value: Value

  /// - Parameter names: Of the resources on the way to it, its own last.
  /// - Throws: `UnreachableError` if it can't be made sense of.
  init(_ rest: Document, names: [String]) throws(UnreachableError) {
    var body = rest
    // A newer server may say more than is known here. That is for the reader; it is no part of what the author wrote.
    for _ in 0..<ServedResource.maxUnknownRounds {
      do throws(ResourceError) {
        value = try Value.read(rest: body, names: names).get()
        return
      } catch {
        for finding in error.errors { try? body.apply(.remove(try DocumentPath(parsing: finding.path, of: "answer"))) }
      }
    }
    throw UnreachableError("the server's answer for \(names.joined(separator: "/")) can't be read: is it an Apus server?")
  }

  /// What `show` prints: the form of files, with what the server says beside it. What can't be read as this kind of
  /// resource is printed as it came, but for the spelling: one odd element must not hide a list.
  static func shown(_ rest: Document, names: [String]) -> Document {
    guard let value = try? ServedResource(rest, names: names).value else { return Flattened.document(rest) }
    return document(of: value, rest)
  }

  private static var maxUnknownRounds: Int { 8 }

  private static func document(of value: Value, _ rest: Document) -> Document {
    guard case .object(var made) = value.cliForm() else { return rest }
    let written = value.rest()["properties"]?.object
    for key in ["id", "location"] { made[key] = rest[key] }
    for (key, property) in rest["properties"]?.object ?? .init() where written?[key] == nil && property != .null {
      let name = SnakeCase.name(of: key)
      if made[name] == nil { made[name] = SnakeCase.converted(property) }
    }
    // With the deployments that have no share.
    if let traffic = rest["properties"]?["traffic"], traffic.object?.isEmpty == false { made["traffic"] = traffic }
    if let system = rest["systemData"]?.object { made["creation_context"] = SnakeCase.converted(.object(system)) }
    return .object(made)
  }
}

/// REST's keys in the spelling of files.
enum SnakeCase {
  /// Those that are not merely spelled in another way.
  private static let others = ["swaggerUri": "openapi_uri", "AzureAsyncOperationUri": "AzureAsyncOperationUri"]

  static func name(of key: String) -> String {
    if let other = others[key] { return other }
    var name = ""
    var previous: Character?
    for character in key {
      if character.isUppercase, let before = previous, before.isLowercase || before.isNumber { name.append("_") }
      name += character.lowercased()
      previous = character
    }
    return name
  }

  /// All keys of a document. Keys that are names rather than words (with anything but letters in them) stay.
  static func converted(_ document: Document) -> Document {
    switch document {
    case .array(let elements): return .array(elements.map(converted))
    case .object(let members):
      var made = Document.Object()
      for (key, value) in members {
        let isWord = key.allSatisfy { $0.isASCII && $0.isLetter } && key.first?.isLowercase == true
        made[isWord ? name(of: key) : key] = converted(value)
      }
      return .object(made)
    default: return document
    }
  }
}
