/// What answers for an endpoint: one model with its code, its environment, its instances and its limits.
package struct OnlineDeployment: Hashable, Sendable {
  package enum Kind: String, CaseIterable, Hashable, Sendable { case managed, kubernetes }

  package var name: String
  package var endpointName: String
  package var description: String?
  package var tags: [String: String]
  /// A bag to which entries can only be added.
  package var properties: [String: String]
  package var kind: Kind
  package var model: AssetReference<ModelVersion>?
  /// Kept as written; only containers have mounts.
  package var modelMountPath: String?
  package var codeConfiguration: CodeConfiguration?
  package var environment: AssetReference<EnvironmentVersion>?
  package var environmentVariables: [String: String]
  /// The name of an instance type that the operator declared. `nil`: the server's default one.
  package var instanceType: String?
  /// `nil`: 1, or what the scale settings say.
  package var instanceCount: Int?
  package var appInsightsEnabled: Bool
  package var scaleSettings: ScaleSettings?
  package var requestSettings: RequestSettings
  package var livenessProbe: ProbeSettings
  package var readinessProbe: ProbeSettings
  package var startupProbe: ProbeSettings?
  package var egressPublicNetworkAccess: NetworkAccess
  package var dataCollector: DataCollector?
  package var privateNetworkConnection: Bool?
  /// Of Kubernetes deployments: cores, memory and GPUs of one instance.
  package var resources: ContainerResources?
  package var extensions: DeploymentExtensions

  package init(
    name: String, endpointName: String, description: String? = nil, tags: [String: String] = [:],
    properties: [String: String] = [:], kind: Kind = .managed, model: AssetReference<ModelVersion>? = nil,
    modelMountPath: String? = nil, codeConfiguration: CodeConfiguration? = nil,
    environment: AssetReference<EnvironmentVersion>? = nil, environmentVariables: [String: String] = [:],
    instanceType: String? = nil, instanceCount: Int? = nil, appInsightsEnabled: Bool = false,
    scaleSettings: ScaleSettings? = nil, requestSettings: RequestSettings = RequestSettings(),
    livenessProbe: ProbeSettings = ProbeSettings(), readinessProbe: ProbeSettings = ProbeSettings(),
    startupProbe: ProbeSettings? = nil, egressPublicNetworkAccess: NetworkAccess = .enabled,
    dataCollector: DataCollector? = nil, privateNetworkConnection: Bool? = nil, resources: ContainerResources? = nil,
    extensions: DeploymentExtensions = DeploymentExtensions()
  ) {
    self.name = name
    self.endpointName = endpointName
    self.description = description
    self.tags = tags
    self.properties = properties
    self.kind = kind
    self.model = model
    self.modelMountPath = modelMountPath
    self.codeConfiguration = codeConfiguration
    self.environment = environment
    self.environmentVariables = environmentVariables
    self.instanceType = instanceType
    self.instanceCount = instanceCount
    self.appInsightsEnabled = appInsightsEnabled
    self.scaleSettings = scaleSettings
    self.requestSettings = requestSettings
    self.livenessProbe = livenessProbe
    self.readinessProbe = readinessProbe
    self.startupProbe = startupProbe
    self.egressPublicNetworkAccess = egressPublicNetworkAccess
    self.dataCollector = dataCollector
    self.privateNetworkConnection = privateNetworkConnection
    self.resources = resources
    self.extensions = extensions
  }
}

/// A scoring script and the folder it is in.
package struct CodeConfiguration: Hashable, Sendable {
  /// A local folder, absolute; or what the server calls one that was uploaded.
  package var code: String?
  /// Relative to `code`.
  package var scoringScript: String

  package init(code: String?, scoringScript: String) {
    self.code = code
    self.scoringScript = scoringScript
  }
}

/// Cores, memory and GPUs of one instance: what it is given at least, and what it may take at most.
package struct ContainerResources: Hashable, Sendable {
  package struct Amounts: Hashable, Sendable {
    package var cpu: Quantity?
    package var memory: Quantity?
    /// `nvidia.com/gpu`.
    package var gpu: Quantity?

    package init(cpu: Quantity? = nil, memory: Quantity? = nil, gpu: Quantity? = nil) {
      self.cpu = cpu
      self.memory = memory
      self.gpu = gpu
    }
  }
  package var requests: Amounts
  package var limits: Amounts

  package init(requests: Amounts = Amounts(), limits: Amounts = Amounts()) {
    self.requests = requests
    self.limits = limits
  }
}
