internal import Access
package import Artifacts
internal import Documents
package import Inference
internal import Resources
package import Stores
package import Telemetry
internal import Threads

/// The control plane: takes what people and scripts ask for, writes it down, and sets the reconciler to work.
///
/// ```
/// REST ─┐                       ┌─▶ CatalogStore   (what is wanted; survives)
///       ├─▶ ControlPlane.handle ┤
/// gRPC ─┘                       └─▶ Reconciler     (what is; made so)
/// ```
///
/// A change is checked and written in one transaction, together with its operation and its line in the audit log: when it
/// is acknowledged all of that is durable, and if it is refused none of it happened. Paths and bodies are those of Azure's
/// REST interface below a workspace.
package final class ControlPlane: Sendable {
  package let options: ControlPlaneOptions
  internal let store: any CatalogStore
  internal let artifacts: ArtifactStore
  internal let reconciler: Reconciler
  internal let security: Security
  internal let mirrors: MirrorComparisons
  internal let rollouts = RolloutDriver()
  internal let autoscaler = AutoscaleDriver()
  internal let tokens: TokenServices
  internal let work = BackgroundWork()
  internal let log: Log
  /// Milliseconds since 1970.
  internal let clock: @Sendable () -> Int64
  /// For what is measured between two looks.
  internal let monotonic: @Sendable () -> Instant
  /// How far the operations are that go on now; the store has the rest.
  internal let progress = Locked<[String: (percent: Int, step: String)]>([:])

  /// Ends of operations that the store could not take.
  internal let unwritten = Locked<[@Sendable () async throws -> Void]>([])

  package init(
    options: ControlPlaneOptions, store: any CatalogStore, artifacts: ArtifactStore, reconciler: Reconciler,
    security: Security, mirrors: MirrorComparisons, tokens: TokenServices, log: Log,
    clock: @escaping @Sendable () -> Int64 = WallClock.now, monotonic: @escaping @Sendable () -> Instant = { .now() }
  ) {
    self.options = options
    self.store = store
    self.artifacts = artifacts
    self.reconciler = reconciler
    self.security = security
    self.mirrors = mirrors
    self.tokens = tokens
    self.log = log
    self.clock = clock
    self.monotonic = monotonic
  }

  /// Does what a request asks, if who asks may.
  ///
  /// - Throws: `ControlError`, for the caller.
  package func handle(_ request: ControlRequest) async throws(ControlError) -> ControlResponse {
    guard let route = ControlRoute(request.path) else {
      throw ControlError(.notFound, "there is nothing at '\(request.path.joined(separator: "/"))'")
    }
    do {
      return Page.linked(try await answer(to: route, request), path: id(request.path.joined(separator: "/")), request)
    } catch {
      let failure = ControlError(anything: error)
      if failure.code == .internalError {
        log.error("a request to the control plane failed", ["path": request.path.joined(separator: "/"), "error": "\(error)"])
      }
      throw failure
    }
  }

  private func answer(to route: ControlRoute, _ request: ControlRequest) async throws -> ControlResponse {
    switch route {
    case .endpoints: return try await endpoints(request)
    case .endpoint(let name): return try await endpoint(name, request)
    case .endpointAction(let name, let action): return try await endpointAction(name, action, request)
    case .deployments(let endpoint): return try await deployments(endpoint, request)
    case .deployment(let name): return try await deployment(name, request)
    case .deploymentAction(let name, let action): return try await deploymentAction(name, action, request)
    case .models: return try await models(request)
    case .modelVersions(let name): return try await modelVersions(name, request)
    case .modelVersion(let name, let version): return try await modelVersion(name, version, request)
    case .modelFiles(let name, let version): return try await modelFiles(name, version, request)
    case .environments: return try await environments(request)
    case .environmentVersions(let name): return try await environmentVersions(name, request)
    case .environmentVersion(let name, let version): return try await environmentVersion(name, version, request)
    case .operation(let id): return try await operation(id, request)
    case .uploads: return try await beginUpload(request)
    case .upload(let id): return try await upload(id, request)
    case .uploadAction(let id, let action): return try await uploadAction(id, action, request)
    case .access(let rest): return try await access(rest, request)
    case .auditLog: return try await auditLog(request)
    case .computes: return try await computes(request)
    }
  }

  /// Returns when nothing that was begun goes on any more: before the store is closed, say.
  package func settle() async { await work.settle() }

  // MARK: - What every handler needs

  /// - Throws: `ControlError.unauthenticated` without anyone who asks, `.forbidden` without the right.
  internal func require(_ action: Action, on endpoint: String? = nil, _ request: ControlRequest) throws(ControlError) {
    guard let principal = request.principal else {
      throw ControlError(.unauthenticated, "sign in first: the request has no valid token")
    }
    if options.trustsEveryone { return }
    guard case .forbidden(let reason) = security.decide(principal, action, endpoint: endpoint) else { return }
    log.warning("refused", ["reason": reason])
    // Whether the endpoint exists is for those to know who have a right there.
    throw ControlError(
      .forbidden, "'\(principal.id)' may not do '\(action)' here: ask an administrator for a role that holds it")
  }

  internal func allow(_ methods: ControlRequest.Method..., for request: ControlRequest) throws(ControlError) {
    guard methods.contains(request.method) else {
      let known = methods.map(\.rawValue).joined(separator: ", ")
      throw ControlError(.methodNotAllowed, "\(request.method.rawValue) does nothing here: expected \(known)")
    }
  }

  internal func requireBody(_ request: ControlRequest) throws(ControlError) -> Document {
    guard let body = request.body, body.object != nil else {
      throw ControlError(.badArgument, "the body is \(request.body?.kind ?? "empty"): expected a JSON object")
    }
    return body
  }

  /// Refuses a change of something that is not what the caller has seen.
  internal static func check(_ request: ControlRequest, revision: Int64?, _ what: String) throws(ControlError) {
    if let ifNoneMatch = request.ifNoneMatch {
      guard ifNoneMatch == "*" else {
        throw ControlError(.badArgument, "If-None-Match is '\(ifNoneMatch)': expected '*'")
      }
      if revision != nil { throw ControlError(.alreadyExists, "\(what) exists already") }
    }
    guard let ifMatch = request.ifMatch else { return }
    guard let revision else { throw ControlError(.preconditionFailed, "\(what) does not exist") }
    if ifMatch == "*" { return }
    let wanted = ifMatch.hasPrefix("\"") && ifMatch.hasSuffix("\"") ? String(ifMatch.dropFirst().dropLast()) : ifMatch
    guard wanted == "\(revision)" else {
      throw ControlError(
        .preconditionFailed,
        "\(what) has changed since: it is at revision \(revision), and If-Match names \(wanted). Read it again, and decide "
          + "again")
    }
  }

  /// Everything that clients can add to has an end.
  internal func checkRoom(for kind: RecordKind, in store: any CatalogWriter) throws {
    let count = try store.allRecords(kind).count
    guard count < options.maxRecordsOfKind else {
      throw ControlError(
        .outOfQuota, "there are \(count) records of kind '\(kind)'; the limit of this server is \(options.maxRecordsOfKind)")
    }
  }

  internal static func newID() -> String {
    var generator = SystemRandomNumberGenerator()
    func hex(_ value: UInt64) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }
    return hex(generator.next()) + hex(generator.next())
  }

  /// The path of a resource as Azure's identifiers spell it.
  internal func id(_ place: String) -> String {
    "/subscriptions/apus/resourceGroups/apus/providers/Microsoft.MachineLearningServices/workspaces/\(options.workspace)/\(place)"
  }
}

/// What an operator decides about the control plane.
package struct ControlPlaneOptions: Sendable {
  /// Its one workspace.
  package var workspace = "default"
  package var maxEndpoints = 1000
  /// Versions of models or of environments, principals, roles, or assignments: of each so many.
  package var maxRecordsOfKind = 10_000
  /// The documented limit of one endpoint.
  package var maxDeploymentsPerEndpoint = 20
  /// The documented limit of one deployment.
  package var maxInstancesPerDeployment = 50
  /// Ended operations that are kept to be asked about.
  package var maxOperations = 2000
  /// What the models may use of memory together before those that load on demand leave; nil: no limit.
  package var modelMemoryBytes: UInt64?
  /// A private server on this machine: whoever reaches it is its owner.
  package var trustsEveryone = false

  package init() {}
}

extension ControlError {
  /// What went wrong, whichever layer said so.
  internal init(anything error: any Error) {
    switch error {
    case let error as ControlError: self = error
    case let error as CatalogStoreError: self.init(error)
    case let error as ResourceError: self.init(error)
    case let error as ArtifactError: self.init(error)
    default: self.init(.internalError, "the server failed: \(error)")
    }
  }

  internal init(_ error: CatalogStoreError) {
    switch error.code {
    case .invalidArgument: self.init(.badArgument, error.message)
    case .notFound: self.init(.notFound, error.message)
    case .alreadyExists: self.init(.alreadyExists, error.message)
    case .conflict:
      self.init(.conflict, "\(error.message). Another change came first; read it again, and decide again")
    case .full: self.init(.storageFull, error.message)
    case .corrupt: self.init(.internalError, error.message)
    case .unavailable, .busy: self.init(.unavailable, error.message)
    }
  }

  internal init(_ error: ResourceError) {
    let errors = error.errors.map(\.description)
    self.init(
      .badArgument, errors.count == 1 ? errors[0] : "\(errors.count) things are wrong: \(errors[0]); …", details: errors)
  }
}
