internal import HTTPTypes
internal import HummingbirdCore
internal import Inference
internal import Serving

extension GatewayRoutes {
  /// What the server is and what it serves: health, metadata, configurations and statistics.
  package mutating func addModels(_ host: GatewayHost) {
    // Probes of Azure ML and of Kubernetes.
    add(.get, "/", errors: .message) { _ in .text(host.isLive() ? .ok : .serviceUnavailable, host.isLive() ? "Healthy" : "Stopping") }
    add(.get, "/healthz/live", errors: .message) { _ in try ModelRoutes.state("live", host.isLive()) }
    add(.get, "/healthz/ready", errors: .message) { _ in try ModelRoutes.state("ready", host.isReady()) }
    add(.get, "/v2", errors: .protocolError) { call in .json(.ok, ModelRoutes.server(host, call).bytes) }
    add(.get, "/v2/health/live", errors: .protocolError) { _ in try ModelRoutes.state("live", host.isLive()) }
    add(.get, "/v2/health/ready", errors: .protocolError) { _ in try ModelRoutes.state("ready", host.isReady()) }
    add(.get, "/v2/models/stats", errors: .protocolError) { call in
      let deployments = host.board.allDeployments.filter {
        host.board.isOpen($0.name, isPrivate: call.isPrivate) && host.serves($0.name, call.planes)
      }
      return .json(.ok, ModelStatisticsDocument.of(deployments).bytes)
    }
    for path in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
      add(.get, path, errors: .protocolError) { call in
        .json(.ok, ModelRoutes.metadata(try await InferenceCall(call, host).permittedDeployment(), host).bytes)
      }
      add(.get, "\(path)/ready", errors: .protocolError) { call in
        let name = try await InferenceCall(call, host).permittedDeployment().name
        return .json(.ok, JSONDocument.members(["name": .string(name), "ready": true]).bytes)
      }
      add(.get, "\(path)/config", errors: .protocolError) { call in
        .json(.ok, ModelConfigurationDocument.of(try await InferenceCall(call, host).permittedDeployment()).bytes)
      }
      add(.get, "\(path)/stats", errors: .protocolError) { call in
        let inference = InferenceCall(call, host)
        let deployment = try await inference.permittedDeployment()
        let all = inference.version.isEmpty ? host.board.deployments(of: deployment.name) : [deployment]
        return .json(.ok, ModelStatisticsDocument.of(all).bytes)
      }
    }
    add(.get, "/endpoints/{endpoint}", errors: .message) { call in
      let inference = InferenceCall(host: host, call: call, endpoint: call.parameter("endpoint"))
      _ = try await inference.permittedDeployment()
      return .text(.ok, "Healthy")
    }
  }
}

extension InferenceCall {
  fileprivate init(_ call: GatewayCall, _ host: GatewayHost) {
    self.init(host: host, call: call, endpoint: call.parameter("model"), version: call.parameter("version"))
  }

  fileprivate func permittedDeployment() async throws(InferenceError) -> ServingDeployment {
    try await checkAccess()
    return try deployment()
  }
}

private enum ModelRoutes {
  /// Those that are always there. Clients look here before they use an extension, so only what works is named.
  static let extensions: [JSONDocument] = [
    "classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics", "logging",
  ]

  static func server(_ host: GatewayHost, _ call: GatewayCall) -> JSONDocument {
    var all = extensions
    if let sharedMemory = host.sharedMemory, sharedMemory.admits(isPrivate: call.isPrivate) {
      all.append("system_shared_memory")
    }
    return ["name": "apus", "version": .string(host.version), "extensions": .list(all)]
  }

  static func state(_ name: String, _ holds: Bool) throws -> Response {
    let status: HTTPResponse.Status = holds ? .ok : .serviceUnavailable
    return .json(status, JSONDocument.object([.init(name: name, value: .bool(holds))]).bytes)
  }

  static func metadata(_ deployment: ServingDeployment, _ host: GatewayHost) -> JSONDocument {
    let versions = host.board.deployments(of: deployment.name).map { JSONDocument.string($0.version) }
    return [
      "name": .string(deployment.name), "versions": .list(versions),
      "platform": .string(deployment.configuration.platform), "inputs": tensors(deployment.signature.inputs),
      "outputs": tensors(deployment.signature.outputs),
    ]
  }

  private static func tensors(_ tensors: [TensorMetadata]) -> JSONDocument {
    .list(
      tensors.map {
        [
          "name": .string($0.name), "datatype": .string("\($0.datatype)"),
          "shape": .list($0.shape.map { .integer($0) }),
        ]
      })
  }
}
