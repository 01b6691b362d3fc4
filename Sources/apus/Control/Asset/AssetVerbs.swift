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
    ServedResource<Value>.shown(rest, names: [name, version])
  }

  /// The version that is meant: the one named, else the latest that is not archived.
  func version(_ version: String?, of name: String) async throws -> String {
    if let version { return version }
    let latest = try await client.send(.get, ResourcePath.version(Value.kind, name, "latest")).body
    guard let number = latest["name"]?.string else { throw UnreachableError("the server has a version without a number") }
    return number
  }

  /// Every version of a name, archived ones too; none if the name is not known.
  private func numbers(of name: String) async throws -> [String] {
    do {
      return try await client.list(ResourcePath.versions(Value.kind, name), query: ["listViewType": "All"])
        .compactMap { $0["name"]?.string }
    } catch let error as ControlError where error.status == 404 { return [] }
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
      let next = AssetVersions.next(after: try await numbers(of: name))
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
    try await operation.run(.put, path, body: value.rest(), headers: ["if-none-match": "*"])
    return try shown(try await client.send(.get, path).body, name, version)
  }

  /// Changes what may change: description, tags, stage, properties.
  func update(_ name: String, _ version: String, _ change: (inout SourceDocument) throws -> Void) async throws -> Document {
    let path = ResourcePath.version(Value.kind, name, version)
    let present = try await client.send(.get, path)
    var source = SourceDocument(try ServedResource<Value>(present.body, names: [name, version]).value.cliForm())
    try change(&source)
    let changed = try Findings.resource(Value.self, from: source, folder: "/", file: nil, isQuiet: true)
    guard changed.name == name, changed.version == version else {
      throw UsageError("a version keeps its name and its number: it is '\(name):\(version)'")
    }
    _ = try await client.send(.put, path, body: changed.rest(), headers: present.unchangedSince)
    return try shown(try await client.send(.get, path).body, name, version)
  }

  /// Hides a version, or all of a name, from lists; who names it still gets it. Or shows it again.
  func setArchived(_ isArchived: Bool, _ name: String, _ version: String?) async throws {
    let versions = if let version { [version] } else { try await numbers(of: name) }
    if versions.isEmpty { throw ControlError(status: 404, code: "ResourceNotFound", message: "there is no \(Value.word) '\(name)'") }
    for version in versions {
      _ = try await client.send(
        .patch, ResourcePath.version(Value.kind, name, version), body: ["properties": ["isArchived": .bool(isArchived)]])
    }
  }
}

/// Versions that are whole numbers.
package enum AssetVersions {
  package static func next(after versions: [String]) -> String { "\((versions.compactMap { Int($0) }.max() ?? 0) + 1)" }
}
