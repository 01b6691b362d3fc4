import Backends
import Glibc
import Inference
import Pools
import Routing
import ScriptedBackend
import Serving
import Testing

/// A deployment of a scripted model that serves, and the gates of its backend.
struct Served {
  var deployment: ServingDeployment
  var gates: Gates
  /// For more pools of the same model.
  var model: any LoadedModel

  /// A model that answers with its input plus `add`.
  init(
    _ name: String = "m", version: String = "1", add: Int = 1, script extra: String = "",
    limits: PoolLimits = PoolLimits(), policy: DeploymentPolicy = DeploymentPolicy(),
    configure: (inout ModelConfiguration) -> Void = { _ in }
  ) throws {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    let path = "\(directory)/apus-script-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let file = try #require(fopen(path, "w"))
    fputs("batchable\ninput X FP32 -1 2\noutput Y FP32 -1 2\nadd \(add)\n\(extra)\n", file)
    fclose(file)
    defer { remove(path) }
    let backend = ScriptedBackend()
    var configuration = ModelConfiguration(name: name)
    configuration.maxBatchSize = 4
    configure(&configuration)
    let model = try backend.load(path: path, configuration: configuration)
    let pool = ModelPool(name: name, version: version, configuration: configuration, model: model, limits: limits)
    try pool.start()
    gates = backend.gates
    self.model = model
    deployment = ServingDeployment(
      name: name, version: version, pool: pool, signature: model.signature, configuration: configuration,
      labels: [LabelList(file: Array("zero\none".utf8))], policy: policy)
  }
}

/// Models of a repository.
func snapshot(_ deployments: [ServingDeployment]) -> ServingSnapshot {
  let names = Set(deployments.map(\.name)).sorted()
  let endpoints = names.map { name in
    EndpointRoutes(
      name: name,
      deployments: deployments.indices.filter { deployments[$0].name == name }.map {
        DeploymentRoute(name: deployments[$0].version, destination: .target($0))
      })
  }
  return ServingSnapshot(routing: RoutingTable(endpoints), deployments: deployments)
}

/// One endpoint of a catalogue, of which all deployments serve.
func snapshot(
  _ deployments: [ServingDeployment], split percents: [String: Int], mirror: MirrorRule? = nil,
  policy: EndpointPolicy? = nil, after previous: ServingSnapshot? = nil
) -> ServingSnapshot {
  let name = deployments[0].name
  let endpoint = EndpointRoutes(
    name: name,
    deployments: deployments.indices.map {
      DeploymentRoute(name: deployments[$0].version, destination: .target($0))
    },
    traffic: .split(percents: percents), mirror: mirror)
  return ServingSnapshot(
    routing: RoutingTable([endpoint], continuing: previous?.routing), deployments: deployments,
    policies: policy.map { [name: $0] } ?? [:])
}

func request(
  _ model: String = "m", version: String = "", values: [Float] = [1, 2], shape: [Int64] = [1, 2],
  requestedOutputs: [(name: String, classCount: Int)] = [], parameters: [String: Int64] = [:],
  deadline: Instant = .never, arrival: Instant = .now()
) throws -> OwnedRequest {
  try OwnedRequest(
    model: model, version: version,
    inputs: [OwnedRequest.Value(name: "X", datatype: .fp32, shape: shape, elements: values)],
    requestedOutputs: requestedOutputs, parameters: parameters, deadline: deadline, arrival: arrival)
}

func refusal(_ submission: ServingDoor.Submission) -> InferenceError? {
  guard case .refused(let error) = submission else { return nil }
  return error
}

extension ServingDoor {
  /// Submits a request that is kept until the door has decided.
  func submission(of request: OwnedRequest, now: Instant = .now()) -> Submission {
    withExtendedLifetime(request) { submit(request.pointer, now: now) }
  }

  /// Sends a request through, and returns the first output's values when it is answered.
  func answer(_ request: OwnedRequest, now: Instant = .now()) throws -> [Float] {
    try #require(submit(request.pointer, now: now) == .accepted)
    endOfTurn()
    request.wait()
    prepareAnswer(request.pointer)
    let values = request.outputs.first?.elements(as: Float.self)
    let failure = request.failure
    finish(request.pointer, now: now)
    endOfTurn()
    if let failure { throw failure }
    return try #require(values)
  }
}
