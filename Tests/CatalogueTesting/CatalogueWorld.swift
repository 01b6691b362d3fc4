package import Access
package import Artifacts
package import Control
package import CrashTesting
package import Documents
package import Inference
internal import Pools
internal import SQLiteStore
package import Scaling
package import ScriptedBackend
package import Serving
package import Stores
internal import Telemetry
package import Threads

/// A control plane with all that belongs to it, on a data directory of its own, and doors to send requests through.
package final class CatalogueWorld: Sendable {
  /// Goes away with the last world on it; nil for a directory that is somebody else's.
  package let folder: TemporaryFolder?
  package let store: any CatalogStore
  package let artifacts: ArtifactStore
  package let backend = ScriptedBackend()
  package let board = ServingBoard()
  package let mirror: MirrorQueue
  package let reconciler: Reconciler
  package let security: Security
  package let plane: ControlPlane
  /// Milliseconds since 1970, as the control plane reads them.
  package let time: Locked<Int64>
  /// The same for what is measured.
  private let nanoseconds: Locked<UInt64>
  /// Who sends what a test does not send as somebody else.
  package let owner: Principal
  /// The one-time secret of the first administrator; empty in a world on an earlier one's directory.
  package let firstSecret: String
  private let sqlite: SQLiteStore?

  package struct Options: Sendable {
    package var plane = ControlPlaneOptions()
    /// Endpoints let everybody in.
    package var isOpen = true
    package var milliCores = 8000
    package var types: [ComputeCatalogue.InstanceType] = []
    /// On SQLite, so that a second world on the same directory finds what the first one left.
    package var isDurable = false

    package init() {}
  }

  package static let masterKey = MasterKey.forTests
  package static let ownerName = "ada"

  /// - Parameters:
  ///   - folder: The directory of an earlier world; nil: a new one.
  ///   - path: A directory that is somebody else's, in place of `folder`.
  package init(
    _ options: Options = Options(), in folder: TemporaryFolder? = nil, at path: String? = nil, startsPlane: Bool = true
  ) async throws {
    self.folder = try path == nil ? folder ?? TemporaryFolder() : nil
    let path = path ?? self.folder?.path ?? ""
    let time = Locked<Int64>(1_700_000_000_000)
    self.time = time
    let nanoseconds = Locked(Instant.now().nanoseconds)
    self.nanoseconds = nanoseconds
    let clock: @Sendable () -> Int64 = { time.withLock { $0 } }
    if options.isDurable {
      let sqlite = try SQLiteStore(path: path + "/catalogue.db", clock: clock)
      (store, self.sqlite) = (sqlite, sqlite)
    } else {
      (store, sqlite) = (MemoryStore(clock: clock), nil)
    }
    artifacts = try ArtifactStore(path: path + "/artifacts")
    let mirrors = MirrorComparisons()
    mirror = try MirrorQueue(limits: MirrorLimits(), observer: mirrors)
    let machine = ComputeResources(milliCores: options.milliCores, memoryBytes: 8 << 30, gpus: 0)
    reconciler = Reconciler(
      compute: Compute(try ComputeCatalogue(machine: machine, types: options.types)), composer: SnapshotComposer(board: board),
      loader: DeploymentLoader(backends: [backend], warmsUp: false, log: .off), artifacts: artifacts, limits: PoolLimits(),
      maxParallelLoads: 4, mirror: mirror, hidesNames: !options.isOpen, log: .off)
    security = try Security(keys: MasterKeys(current: Self.masterKey), isOpen: options.isOpen)
    let tokens = TokenServices(
      issue: { principal, endpoint, access in
        TokenServices.Issued(
          accessToken: "\(principal)/\(endpoint)/\(access.tokenEpoch)", expiryTime: 2, refreshAfterTime: 1, tokenType: "Bearer")
      }, principal: { _ in nil })
    plane = ControlPlane(
      options: options.plane, store: store, artifacts: artifacts, reconciler: reconciler, security: security, mirrors: mirrors,
      tokens: tokens, log: .off, clock: clock,
      monotonic: { Instant(nanoseconds: nanoseconds.withLock { $0 }) })
    owner = Principal(try PrincipalID(.local, Self.ownerName), kind: .user)
    firstSecret =
      try await store.read { try $0.allRecords("principal") }.isEmpty
      ? try await ControlPlane.addFirstAdministrator(Self.ownerName, to: store, hours: 24, now: clock()) : ""
    if startsPlane {
      try mirror.start()
      try await plane.start()
    }
  }

  /// Serves nothing any more, and lets go of the directory.
  package func end() async throws {
    await plane.settle()
    await reconciler.drainAll()
    try await onOwnThread { [mirror] in mirror.stop() }
    try sqlite?.close()
  }

  // MARK: - Requests to the control plane

  package func send(
    _ method: ControlRequest.Method, _ path: String, _ body: Document? = nil, query: [String: String] = [:],
    ifMatch: String? = nil, ifNoneMatch: String? = nil, as principal: Principal? = nil, anonymously: Bool = false
  ) async throws -> ControlResponse {
    try await plane.handle(
      ControlRequest(
        method: method, path: path.split(separator: "/", omittingEmptySubsequences: false).map(String.init), query: query,
        body: body, ifMatch: ifMatch, ifNoneMatch: ifNoneMatch, principal: anonymously ? nil : principal ?? owner,
        baseAddress: "https://apus.test", scoringAddress: "https://score.test"))
  }

  package func get(_ path: String, query: [String: String] = [:]) async throws -> Document {
    try await send(.get, path, query: query).body ?? .null
  }

  /// What a request is refused with; nil if it is not.
  package func refusal(
    _ method: ControlRequest.Method, _ path: String, _ body: Document? = nil, query: [String: String] = [:],
    ifMatch: String? = nil, ifNoneMatch: String? = nil, as principal: Principal? = nil, anonymously: Bool = false
  ) async -> ControlError? {
    do {
      _ = try await send(
        method, path, body, query: query, ifMatch: ifMatch, ifNoneMatch: ifNoneMatch, as: principal, anonymously: anonymously)
      return nil
    } catch { return error as? ControlError ?? ControlError(.internalError, "\(error)") }
  }

  /// The operation of an answer, when it has ended.
  @discardableResult
  package func ended(_ response: ControlResponse) async throws -> Document {
    await plane.settle()
    return try await get("operations/\(response.operation ?? "none")")
  }

  /// Lets time pass, and has the control plane look after everything once a second.
  package func pass(seconds: Int) async {
    for _ in 0..<seconds {
      nanoseconds.withLock { $0 += 1_000_000_000 }
      time.withLock { $0 += 1000 }
      await plane.look()
    }
  }

  // MARK: - What tests begin with

  /// A model of `ScriptedBackend`, for two numbers in each row.
  package static func script(add summand: Int, _ more: String = "") -> String {
    "batchable\ninput X FP32 -1 2\noutput Y FP32 -1 2\nadd \(summand)\n\(more)\n"
  }

  /// Registers a version of a model that does what its script says.
  package func addModel(_ name: String = "adder", version: String = "1", add: Int = 1, _ more: String = "") async throws {
    let fixture = TreeFixture(["1/model.script": Self.script(add: add, more)])
    let digest = try await onOwnThread { [artifacts] in try fixture.upload(to: artifacts, owner: "local:ada") }
    let response = try await send(
      .put, "models/\(name)/versions/\(version)",
      ["properties": ["modelUri": .string("artifact:\(digest.hex)"), "modelType": "custom_model"]])
    precondition(response.status == 201)
  }

  package static func deployment(
    model: String = "azureml:adder:1", count: Int = 1, _ more: Document.Object = [:]
  ) -> Document {
    var properties: Document.Object = ["model": .string(model)]
    for (key, value) in more { properties[key] = value }
    return ["sku": ["name": "Default", "capacity": .int(count)], "properties": .object(properties)]
  }

  package func addEndpoint(_ name: String = "churn", _ properties: Document = [:]) async throws {
    let response = try await send(.put, "onlineEndpoints/\(name)", ["properties": properties])
    precondition(response.status == 201)
  }

  /// Makes a deployment, and waits until it serves.
  package func addDeployment(
    _ name: String, of endpoint: String = "churn", model: String = "azureml:adder:1", count: Int = 1,
    _ more: Document.Object = [:]
  ) async throws {
    let response = try await send(
      .put, "onlineEndpoints/\(endpoint)/deployments/\(name)", Self.deployment(model: model, count: count, more))
    let operation = try await ended(response)
    if operation["status"] != "Succeeded" { throw TestFailure("\(operation)") }
  }

  package func setTraffic(_ traffic: [String: Int], of endpoint: String = "churn") async throws {
    var object = Document.Object()
    for (name, percent) in traffic { object[name] = .int(percent) }
    var cleared = Document.Object()
    for name in try await get("onlineEndpoints/\(endpoint)")["properties"]?["traffic"]?.object?.keys ?? []
    where traffic[name] == nil { cleared[name] = .null }
    for (key, value) in cleared { object[key] = value }
    _ = try await send(.patch, "onlineEndpoints/\(endpoint)", ["properties": ["traffic": .object(object)]])
  }

  /// Endpoint "churn" with deployment "blue", which adds 1 and takes all traffic.
  package func addChurn() async throws {
    try await addModel()
    try await addEndpoint()
    try await addDeployment("blue")
    try await setTraffic(["blue": 100])
  }

  package func state(of place: String) async throws -> String? {
    try await get("onlineEndpoints/\(place)")["properties"]?["provisioningState"]?.string
  }

  package func traffic(of endpoint: String = "churn") async throws -> [String: Int] {
    var traffic: [String: Int] = [:]
    for (name, percent) in try await get("onlineEndpoints/\(endpoint)")["properties"]?["traffic"]?.object ?? [:]
    where percent.int != 0 { traffic[name] = percent.int }
    return traffic
  }

  /// Lines of the audit log, oldest first.
  package func audit() async throws -> [String] {
    let entries = try await get("auditLog", query: ["count": "1000"])["value"]?.array ?? []
    return entries.sorted { $0["sequence"]?.int ?? 0 < $1["sequence"]?.int ?? 0 }.map { entry in
      ["principal", "action", "resource", "outcome", "summary"].map { entry[$0]?.string ?? "" }.joined(separator: " ")
        .trimmingSuffix()
    }
  }

  // MARK: - Requests to what is served

  package func door() -> ServingDoor {
    ServingDoor(
      board: board, admission: Admission(limit: 1000), mirror: mirror,
      credentials: DoorCredentials(cache: CredentialCache(seed: .random())))
  }

  /// What an endpoint answers to [0, 0]: the number that the model of the deployment adds.
  package func answer(_ endpoint: String = "churn", _ deployment: String = "", key: String? = nil) throws -> Float {
    let door = door()
    let request = try Self.zeros(endpoint, deployment)
    try Self.submit(request, to: door, key: key)
    return try Self.take(request, from: door)
  }

  package static func zeros(_ endpoint: String, _ deployment: String = "") throws -> OwnedRequest {
    try OwnedRequest(
      model: endpoint, version: deployment,
      inputs: [OwnedRequest.Value(name: "X", datatype: .fp32, shape: [1, 2], elements: [0, 0] as [Float])])
  }

  package static func submit(_ request: OwnedRequest, to door: ServingDoor, key: String? = nil) throws {
    var credential = key.map { "Bearer \($0)" } ?? ""
    let submission = credential.withUTF8 {
      request.pointer.pointee.credential = UnsafeRawBufferPointer($0)
      return door.submit(request.pointer, now: .now())
    }
    switch submission {
    case .accepted: door.endOfTurn()
    case .refused(let error): throw error
    case .needsVerification: throw InferenceError.unauthenticated("needs verification")
    }
  }

  /// Waits for the answer of an accepted request.
  package static func take(_ request: OwnedRequest, from door: ServingDoor) throws -> Float {
    request.wait()
    door.prepareAnswer(request.pointer)
    defer {
      door.finish(request.pointer)
      door.endOfTurn()
    }
    if let failure = request.failure { throw failure }
    return request.outputs[0].elements(as: Float.self)[0]
  }
}

extension MasterKey {
  fileprivate static let forTests: MasterKey = {
    do throws(InferenceError) { return try MasterKey(Array(1...32)) } catch { preconditionFailure("\(error)") }
  }()
}

extension String {
  fileprivate func trimmingSuffix() -> String {
    var text = self[...]
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

/// Runs `body` in a new world, and puts that away.
package func withWorld(
  _ options: CatalogueWorld.Options = CatalogueWorld.Options(), _ body: (CatalogueWorld) async throws -> Void
) async throws {
  let world = try await CatalogueWorld(options)
  do { try await body(world) } catch {
    try await world.end()
    throw error
  }
  try await world.end()
}
