internal import Artifacts
internal import Documents
internal import Foundation
internal import Resources

/// Registers what a deployment's file nests or names by path: its model and its environment.
///
/// The name is made of the contents, as `az` makes it, so that what is registered already is neither sent nor kept twice.
struct NestedAssets {
  let client: ControlClient
  let isQuiet: Bool

  /// The deployment with references in place of everything local. What the server would refuse even so, it refuses before
  /// anything is sent.
  ///
  /// - Parameter headers: Conditions of the change.
  func registered(_ described: OnlineDeployment, headers: [String: String]) async throws -> OnlineDeployment {
    var deployment = described
    if described.nestsAssets {
      deployment.model = nil
      deployment.environment = nil
      _ = try await client.send(
        .put, ResourcePath.deployment(described.name, of: described.endpointName), query: ["validateOnly": "true"],
        body: deployment.rest(), headers: headers)
      deployment = described
    }
    switch described.model {
    case .anonymous(let model): deployment.model = try await reference(to: model)
    case .path(let path): deployment.model = try await reference(to: try NestedAssets.model(at: path))
    case .version, .latest, nil: break
    }
    switch described.environment {
    case .anonymous(let environment): deployment.environment = try await reference(to: environment)
    case .path(let path): deployment.environment = try await reference(to: try NestedAssets.asset(EnvironmentVersion.self, at: path))
    case .version, .latest, nil: break
    }
    return deployment
  }

  // MARK: Kinds

  private func reference(to model: ModelVersion) async throws -> AssetReference<ModelVersion> {
    var model = model
    model.path = try await uploaded(model.path)
    let name = try await registered(model, .models) { $0.name = $1 }
    return .version(name: name, version: NestedAssets.version)
  }

  private func reference(to environment: EnvironmentVersion) async throws -> AssetReference<EnvironmentVersion> {
    var environment = environment
    if case .path(let path) = environment.condaFile { environment.condaFile = .text(try NestedAssets.text(at: path)) }
    let name = try await registered(environment, .environments) { $0.name = $1 }
    return .version(name: name, version: NestedAssets.version)
  }

  /// A file or folder of this machine as a content of the server's; anything else as it is.
  func uploaded(_ path: String?) async throws -> String? {
    guard let path, path.hasPrefix("/") else { return path }
    return NestedAssets.uri(of: try await Upload(client: client, isQuiet: isQuiet).send(path))
  }

  // MARK: Registration

  static let version = "1"

  static func uri(of digest: Digest) -> String { "artifact:\(digest.hex)" }

  private static func name(of digest: Digest) -> String { "anonymous-\(digest.hex.prefix(24))" }

  private func registered<Value: Resource>(
    _ value: Value, _ kind: ResourcePath.AssetKind, naming: (inout Value, String) -> Void
  ) async throws -> String {
    var named = value
    naming(&named, "")
    let content = named.rest()
    let name = NestedAssets.name(of: Digest(of: Array(content.sorted.json().utf8)))
    naming(&named, name)
    var body = named.rest()
    body.merge(["properties": ["isAnonymous": true]])
    try await put(body, kind, name)
    return name
  }

  /// Registers what is not registered yet. The name says the contents, so that what is there needs no second look.
  private func put(_ body: Document, _ kind: ResourcePath.AssetKind, _ name: String) async throws {
    let path = ResourcePath.version(kind, name, NestedAssets.version)
    if try await client.find(path) != nil { return }
    _ = try await client.send(.put, path, body: body)
  }

  // MARK: Files

  /// A model by itself, or the YAML file that describes it.
  private static func model(at path: String) throws -> ModelVersion {
    if path.hasSuffix(".yml") || path.hasSuffix(".yaml") { return try asset(ModelVersion.self, at: path) }
    return ModelVersion(path: path)
  }

  private static func asset<Value: Resource>(_ type: Value.Type, at path: String) throws -> Value {
    let source: SourceDocument
    do { source = try SourceDocument(yaml: try text(at: path)) } catch let error as DocumentError {
      throw UsageError("\(path): \(error)")
    }
    return try Findings.resource(
      type, from: source, folder: (path as NSString).deletingLastPathComponent, file: path, isQuiet: true)
  }

  static func text(at path: String) throws(UsageError) -> String {
    guard let content = FileManager.default.contents(atPath: path) else { throw UsageError("can't read \(path)") }
    return String(decoding: content, as: UTF8.self)
  }
}

extension OnlineDeployment {
  /// Whether it has a model or an environment that no server knows yet.
  fileprivate var nestsAssets: Bool {
    switch (model, environment) {
    case (.anonymous, _), (.path, _), (_, .anonymous), (_, .path): true
    default: false
    }
  }
}
