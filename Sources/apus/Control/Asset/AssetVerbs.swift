internal import Documents
internal import Foundation
internal import Resources

/// A resource that is kept by name and version.
protocol Asset: Resource {
  var name: String? { get set }
  var version: String? { get set }

  static var kind: ResourcePath.AssetKind { get }
  /// In messages: "model".
  static var word: String { get }
}

extension ModelVersion: Asset {
  static var kind: ResourcePath.AssetKind { .models }
  static var word: String { "model" }
}

extension EnvironmentVersion: Asset {
  static var kind: ResourcePath.AssetKind { .environments }
  static var word: String { "environment" }
}

/// What is the same for models and environments.
struct AssetVerbs<Value: Asset> {
  let client: ControlClient
  let isQuiet: Bool

  /// What a table shows of a version.
  static var columns: [TableColumn] {
    [
      TableColumn("name", "name"), TableColumn("version", "version"), TableColumn("type", "type"),
      TableColumn("stage", "stage"), TableColumn("archived") { $0["is_archived"] == true ? "yes" : "" },
      TableColumn("created") { $0["creation_context"]?["created_at"]?.string ?? "" },
      TableColumn("description", "description"),
    ]
  }

  static var listColumns: [TableColumn] {
    [
      TableColumn("name", "name"), TableColumn("latest", "latest_version"),
      TableColumn("archived") { $0["is_archived"] == true ? "yes" : "" }, TableColumn("description", "description"),
    ]
  }

  func shown(_ rest: Document, _ name: String, _ version: String) throws -> Document {
    try ServedResource<Value>(rest, names: [name, version]).document
  }

  /// All versions of a name, in the server's order.
  func versions(of name: String, includesArchived: Bool) async throws -> [Document] {
    try await client.list(ResourcePath.versions(Value.kind, name)).filter { version in
      includesArchived || version["properties"]?["isArchived"] != true
    }
  }

  /// The version that is meant: the one named, else the latest that is not archived.
  func version(_ version: String?, of name: String) async throws -> String {
    if let version { return version }
    let present = try await versions(of: name, includesArchived: false).compactMap { $0["name"]?.string }
    guard let latest = AssetVersions.latest(of: present) else {
      throw ControlError(status: 404, code: "NotFound", message: "\(Value.word) \(name) has no version")
    }
    return latest
  }

  /// Registers a version. Without a number of its own it gets the one after the highest.
  ///
  /// - Parameter upload: Brings the content to the server, which is done only when there is something to register.
  func create(_ value: Value, existOK: Bool, upload: (inout Value) async throws -> Void) async throws -> Document {
    var value = value
    guard let name = value.name, !name.isEmpty else { throw UsageError("name: expected the \(Value.word)'s name, got nothing") }
    if let version = value.version, let present = try await client.find(ResourcePath.version(Value.kind, name, version)) {
      guard existOK else {
        throw ControlError(
          status: 409, code: "AlreadyExists",
          message: "\(Value.word) \(name):\(version) is there already, and a version never changes; choose another, or say --exist-ok")
      }
      return try shown(present.body, name, version)
    }
    try await upload(&value)
    if let version = value.version { return try await put(value, name, version) }
    for attempt in 1... {
      let present = try await client.find(ResourcePath.versions(Value.kind, name))?.body["value"]?.array ?? []
      let next = AssetVersions.next(after: present.compactMap { $0["name"]?.string })
      value.version = next
      do { return try await put(value, name, next) } catch let error as ControlError
        where (error.status == 409 || error.status == 412) && attempt < AssetVerbs.maxAttempts
      { continue }  // Somebody else has taken that number in the meantime.
    }
    fatalError("the loop has no end. This is a bug.")
  }

  private static var maxAttempts: Int { 5 }

  private func put(_ value: Value, _ name: String, _ version: String) async throws -> Document {
    let path = ResourcePath.version(Value.kind, name, version)
    let operation = LongOperation(client: client, subject: "\(Value.word) \(name):\(version)", noWait: false, isQuiet: isQuiet)
    try await operation.run(.PUT, path, body: value.rest(), headers: ["if-none-match": "*"])
    return try shown(try await client.send(.GET, path).body, name, version)
  }

  /// Changes what may change: description, tags, stage, properties.
  func update(_ name: String, _ version: String, _ change: (inout SourceDocument) throws -> Void) async throws -> Document {
    let path = ResourcePath.version(Value.kind, name, version)
    let present = try await client.send(.GET, path)
    var source = SourceDocument(try ServedResource<Value>(present.body, names: [name, version]).value.cliForm())
    try change(&source)
    let changed = try Findings.resource(Value.self, from: source, folder: "/", file: nil, isQuiet: true)
    guard changed.name == name, changed.version == version else {
      throw UsageError("a version keeps its name and its number: it is '\(name):\(version)'")
    }
    _ = try await client.send(.PUT, path, body: changed.rest(), headers: present.unchangedSince)
    return try shown(try await client.send(.GET, path).body, name, version)
  }

  /// Hides a version, or all of a name, from lists; who names it still gets it. Or shows it again.
  func setArchived(_ isArchived: Bool, _ name: String, _ version: String?) async throws {
    let path = version.map { ResourcePath.version(Value.kind, name, $0) } ?? "\(ResourcePath.assets(Value.kind))/\(Session.escaped(name))"
    _ = try await client.send(.PATCH, path, body: ["properties": ["isArchived": .bool(isArchived)]])
  }
}

/// The order of versions: whole numbers by value, and after all others.
package enum AssetVersions {
  package static func latest(of versions: [String]) -> String? {
    versions.compactMap { version in Int(version).map { ($0, version) } }.max { $0.0 < $1.0 }?.1 ?? versions.last
  }

  package static func next(after versions: [String]) -> String { "\((versions.compactMap { Int($0) }.max() ?? 0) + 1)" }
}
