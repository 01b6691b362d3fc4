import Access
import Backends
import Control
import Glibc
import GRPC
import Inference
import Pools
import RawClient
import Routing
import ScriptedBackend
import Services
import Serving
import Telemetry
import Testing
import Threads
import Transport
import Wire

/// A gRPC server in this process whose board a test writes: deployments of scripted models behind one endpoint "m".
final class EndpointWorld {
  let board = ServingBoard()
  let admission: Admission
  let blue: ServingDeployment
  let green: ServingDeployment
  let gates: Gates
  /// What the server's log settings are about; nobody reads its lines.
  let log = LogOutput(level: .info, form: .text) { _ in }
  private let server: GRPCServer

  /// "blue" adds 1 to what it gets, and "green" adds 2. All of the traffic is blue's.
  init(
    _ policy: EndpointPolicy = EndpointPolicy(name: "m", access: .open(endpoint: 1, generation: 1)),
    script: String = "", admits: Int = 1000, unknown: EndpointAccess? = nil, verification: CredentialVerification? = nil,
    admitsChanges: Bool = true
  ) throws {
    let backend = ScriptedBackend()
    gates = backend.gates
    blue = try EndpointWorld.serve("blue", add: 1, script: script, backend)
    green = try EndpointWorld.serve("green", add: 2, script: script, backend)
    board.publish(
      ServingSnapshot(
        routing: RoutingTable([
          EndpointRoutes(
            name: "m",
            deployments: [
              DeploymentRoute(name: "blue", destination: .target(0)), DeploymentRoute(name: "green", destination: .target(1)),
            ], traffic: .split(percents: ["blue": 100]))
        ]), deployments: [blue, green], policies: ["m": policy], unknownAccess: unknown))
    admission = Admission(limit: admits)
    let models = ModelLifecycle(
      options: ControlOptions(repositories: []), loader: DeploymentLoader(backends: [backend], log: .off),
      composer: SnapshotComposer(board: board), log: .off)
    let state = ServerState(
      models: models, version: "0", logSettings: LogSettings(of: log, allowsChanges: admitsChanges, log: .off))
    state.finishStarting()
    let path = "/tmp/apus-services-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
    let (board, admission) = (board, admission)
    var configuration = GRPCServer.Configuration(addresses: [.unix(path: path)], loopCount: 1)
    configuration.privateAddresses = [.unix(path: path + "-private")]
    server = try GRPCServer(configuration) { loop in
      let door = ServingDoor(
        board: board, admission: admission, credentials: DoorCredentials(cache: CredentialCache(seed: .random())))
      return try Services(on: loop, door: door, state: state, verification: verification).methods
    }
    try server.start()
  }

  private static func serve(
    _ name: String, add: Int, script: String, _ backend: ScriptedBackend
  ) throws -> ServingDeployment {
    let path = "/tmp/apus-script-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let file = try #require(fopen(path, "w"))
    fputs("batchable\ninput X FP32 -1 2\noutput Y FP32 -1 2\nadd \(add)\n\(script)\n", file)
    fclose(file)
    defer { remove(path) }
    var configuration = ModelConfiguration(name: "m")
    configuration.maxBatchSize = 4
    let model = try backend.load(path: path, configuration: configuration)
    let pool = ModelPool(name: "m", version: name, configuration: configuration, model: model)
    try pool.start()
    return ServingDeployment(
      name: "m", version: name, pool: pool, signature: model.signature, configuration: configuration, labels: [nil])
  }

  func connect(isPrivate: Bool = false) throws -> Caller {
    Caller(try TestClient((isPrivate ? server.privateAddresses : server.addresses)[0]))
  }

  /// Ends everything; every request must have been answered.
  func end() async {
    server.drain(grace: .zero)
    await blue.pool.drain()
    await green.pool.drain()
    server.stop()
    #expect(admission.requestsInFlight == 0)
  }
}

/// A client whose calls block threads of their own: verification needs those of Swift concurrency.
final class Caller: @unchecked Sendable {  // a test awaits one call before the next
  private let client: TestClient

  init(_ client: TestClient) { self.client = client }

  /// Scores [1, 2].
  func infer(
    _ fields: [(String, String)] = [], model: String = "m", version: String = ""
  ) async throws -> TestClient.Reply {
    try await call(
      "/inference.GRPCInferenceService/ModelInfer", [EndpointWorld.message(model, version: version)], fields)
  }

  func call(
    _ path: String, _ messages: [[UInt8]] = [[]], _ fields: [(String, String)] = []
  ) async throws -> TestClient.Reply {
    try await offPool { try $0.call(path, messages, fields) }
  }

  func open(_ path: String, _ fields: [(String, String)]) async throws -> Int32 {
    try await offPool { try $0.open(path, fields) }
  }

  func send(_ bytes: [UInt8], on id: Int32, ends: Bool = false) async throws {
    try await offPool { try $0.send(bytes, on: id, ends: ends) }
  }

  func reset(_ id: Int32) async throws { try await offPool { try $0.reset(id) } }

  func finish(_ id: Int32) async throws -> TestClient.Reply { try await offPool { try $0.finish(id) } }

  private func offPool<Value: Sendable>(_ body: @escaping @Sendable (TestClient) throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      do {
        try OwnThread(name: "caller") { [self] in continuation.resume(with: Result { try body(client) }) }.detach()
      } catch { continuation.resume(throwing: error) }
    }
  }
}

extension EndpointWorld {
  static func message(_ model: String = "m", version: String = "") -> [UInt8] {
    var request = ModelInferRequest(modelName: model)
    request.modelVersion = version
    request.inputs = [
      InferTensor(name: "X", datatype: .fp32, shape: [1, 2], bytes: ([1, 2] as [Float]).withUnsafeBytes { Array($0) })
    ]
    return request.encoded()
  }
}

extension TestClient.Reply {
  /// Values of the one output.
  func values() throws -> [Float] {
    let response = try ModelInferResponse(decoding: try #require(messages.first))
    return try #require(response.outputs.first).bytes.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: Float.self) }
    }
  }
}
