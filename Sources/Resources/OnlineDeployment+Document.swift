internal import Documents

extension OnlineDeployment: Resource {
  /// Most instances that can be asked for; what the machine has decides further.
  package static let maxInstances = 100_000

  package init(reading fields: FieldReader) {
    let isREST = fields.form == .rest
    self.init(
      name: fields.name("name", fromURL: 1),
      // The URL says it in REST.
      endpointName: isREST ? fields.context.names.first ?? "" : fields.name("endpoint_name"))
    fields.ignoreReadOnly()
    tags = fields.strings("tags")
    guard isREST else {
      instanceCount = fields.int("instance_count", in: 1...Self.maxInstances)
      if fields.has("identity") { _ = fields.identity() }
      read(fields)
      return
    }
    _ = fields.identity()
    instanceCount =
      fields.object("sku") { sku in
        sku.ignore("name", "tier", "size", "family")
        return sku.int("capacity", in: 1...Self.maxInstances)
      } ?? nil
    _ = fields.object("properties", { read($0) })
    if !fields.has("properties") { fields.fault("properties", "expected an object, got nothing") }
  }

  /// Reads what REST has under `properties`.
  private mutating func read(_ fields: FieldReader) {
    description = fields.string("description")
    properties = fields.strings("properties")
    kind = fields.choice("type", rest: "endpointComputeType") ?? .managed
    model = fields.reference("model", kind: .model)
    modelMountPath = fields.string("model_mount_path")
    codeConfiguration = readCodeConfiguration(fields)
    environment = fields.reference("environment", rest: "environmentId", kind: .environment)
    environmentVariables = fields.strings("environment_variables")
    instanceType = fields.string("instance_type")
    appInsightsEnabled = fields.bool("app_insights_enabled") ?? false
    scaleSettings = fields.scaleSettings(kind: kind)
    requestSettings = fields.requestSettings() ?? RequestSettings()
    livenessProbe = fields.probe("liveness_probe", maxSuccesses: 1) ?? ProbeSettings()
    readinessProbe = fields.probe("readiness_probe") ?? ProbeSettings()
    startupProbe = fields.probe("startup_probe", maxSuccesses: 1)
    egressPublicNetworkAccess = fields.choice("egress_public_network_access") ?? .enabled
    dataCollector = fields.dataCollector()
    privateNetworkConnection = fields.bool("private_network_connection")
    resources = fields.containerResources()
    extensions = fields.deploymentExtensions()
    if fields.form == .rest { fields.ignore("provisioningState", "provisioningError", "instances") }
    note(fields)
  }

  private func readCodeConfiguration(_ fields: FieldReader) -> CodeConfiguration? {
    fields.object("code_configuration") { code in
      let script = code.pathWithin("code", "scoring_script")
      if !code.has("scoring_script") { code.fault("scoring_script", "expected a path relative to code, got nothing") }
      var folder: String?
      if let written = code.string("code", rest: "codeId") {
        // Else the name of code that was uploaded.
        folder =
          ["file", nil].contains(LocalPath.scheme(of: written)) ? code.localPath("code", rest: "codeId") : written
      }
      return CodeConfiguration(code: folder, scoringScript: script ?? "")
    }
  }

  /// Says what has no effect here, and why.
  private func note(_ fields: FieldReader) {
    if kind == .kubernetes {
      fields.warn(
        "type", rest: "endpointComputeType",
        "has no effect but on defaults: this server runs deployments itself, not on a cluster")
    }
    if modelMountPath != nil {
      fields.warn("model_mount_path", "has no effect: this server runs no containers, so nothing is mounted")
    }
    if appInsightsEnabled {
      fields.warn(
        "app_insights_enabled",
        "has no effect: this server has no Application Insights; it has metrics and logs of its own")
    }
    if privateNetworkConnection == true {
      fields.warn(
        "private_network_connection", "has no effect: there are no private endpoints here; see public_network_access")
    }
    if !environmentVariables.isEmpty {
      fields.warn(
        "environment_variables", "has no effect: this server starts no process for a deployment that could read them")
    }
    if startupProbe != nil {
      fields.warn("startup_probe", "has no effect: an instance that is loaded and warmed up has started; see readiness_probe")
    }
    if egressPublicNetworkAccess == .disabled {
      fields.warn(
        "egress_public_network_access", "has no effect: a deployment runs no code of its own that could call out")
    }
    if resources != nil {
      fields.warn(
        "resources", rest: "containerResourceRequirements",
        "has no effect: this server runs no containers; instance_type says what an instance is given")
    }
    if case .targetUtilization = scaleSettings, instanceCount != nil {
      fields.context.note(
        .warning,
        at: fields.form == .cli ? fields.place("instance_count") : DocumentPath([.key("sku"), .key("capacity")]),
        "has no effect: the scale settings decide the number of instances")
    }
  }

  package func write(to fields: inout FieldWriter) {
    fields.putIdentifiers(name: name, type: "onlineEndpoints/deployments", kind: fields.form == .rest ? kind.rest : nil)
    if fields.form == .cli { fields.put("endpoint_name", endpointName) }
    fields.put("tags", strings: tags)
    if let instanceCount, fields.form == .rest {
      fields.put("sku", ["name": "Default", "capacity": .int(instanceCount)])
    }
    fields.properties { fields in
      fields.put("description", description)
      fields.put("properties", strings: properties)
      fields.put("type", rest: "endpointComputeType", word: kind)
      fields.put("model", reference: model)
      fields.put("model_mount_path", modelMountPath)
      if let code = codeConfiguration {
        fields.put("code_configuration") { fields in
          fields.put("code", rest: "codeId", code.code)
          fields.put("scoring_script", code.scoringScript)
        }
      }
      fields.put("environment", rest: "environmentId", reference: environment)
      fields.put("environment_variables", strings: environmentVariables)
      fields.put("instance_type", instanceType)
      if fields.form == .cli { fields.put("instance_count", instanceCount) }
      fields.put("app_insights_enabled", appInsightsEnabled)
      fields.put(scaleSettings)
      fields.put(requestSettings)
      fields.put("liveness_probe", livenessProbe)
      fields.put("readiness_probe", readinessProbe)
      fields.put("startup_probe", startupProbe, keepsEmpty: true)
      fields.put("egress_public_network_access", word: egressPublicNetworkAccess)
      fields.put(dataCollector)
      fields.put("private_network_connection", privateNetworkConnection)
      fields.put(resources)
      fields.put(extensions)
      fields.putProvisioningState()
    }
  }
}
