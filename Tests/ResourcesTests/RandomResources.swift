import Documents
import Resources

/// Draws resources that are right, with everything that can be in them.
struct ResourceDice {
  var generator: SeededGenerator

  init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
  mutating func chance() -> Bool { Bool.random(using: &generator) }
  mutating func maybe<Value>(_ value: (inout Self) -> Value) -> Value? { chance() ? value(&self) : nil }
  mutating func pick<Value>(_ values: [Value]) -> Value { values[int(0...values.count - 1)] }
  mutating func word<Word: CaseIterable>() -> Word { pick(Array(Word.allCases)) }
  mutating func list<Value>(_ counts: ClosedRange<Int>, _ value: (inout Self) -> Value) -> [Value] {
    (0..<int(counts)).map { _ in value(&self) }
  }

  /// Texts that YAML and JSON have to quote among them.
  mutating func text() -> String {
    pick([
      "plain", "two words", "true", "no", "null", "~", "1.10", "0x1F", "-", "- a", "a: b", "#note", "a #b", "ü 日本", "",
      " padded ", "line\nline\n", "tab\tquote\"back\\slash", "'", "{}", "[a]", "*alias", "&anchor", "!tag", "%", "@", "`",
      "2026-05-01", "key:", "\u{1F600}", "|", ">", "?", "<<",
    ])
  }

  mutating func name() -> String {
    let letters = "abcXYZ", others = "abcXYZ019-"
    let middle = list(1...30) { String($0.pick(Array(others))) }.joined()
    return String(pick(Array(letters))) + middle + String(pick(Array(letters)))
  }

  mutating func assetName() -> String {
    String(pick(Array("aZ9"))) + list(0...20) { String($0.pick(Array("aZ9._-"))) }.joined()
  }

  mutating func path() -> String {
    "/" + list(1...4) { $0.pick(["a", "b c", "models", "versions", "labels", "ü", "x:y", "1", "latest"]) }.joined(separator: "/")
  }

  mutating func strings() -> [String: String] {
    Dictionary(list(0...4) { ($0.text(), $0.text()) }) { $1 }
  }

  mutating func identity() -> Identity {
    chance() ? Identity(kind: .systemAssigned)
      : Identity(kind: .userAssigned, userAssigned: (0..<int(0...3)).map { "/subscriptions/s/\($0)" })
  }

  mutating func endpoint() -> OnlineEndpoint {
    var traffic: [String: Int] = [:]
    var left = chance() ? 100 : 0
    while left > 0 {
      let percent = int(1...left)
      traffic[name(), default: 0] += percent
      left -= percent
    }
    let rate = maybe { $0.int(1...1_000_000_000) }
    return OnlineEndpoint(
      name: name(), description: maybe { $0.text() }, tags: strings(), properties: strings(), authMode: word(),
      compute: maybe { $0.text() }, identity: maybe { $0.identity() }, traffic: traffic,
      mirrorTraffic: maybe { MirrorTraffic(deployment: $0.name() + "m", percent: $0.int(1...50)) }
        .flatMap { ResourceName.fault(in: $0.deployment) == nil && traffic[$0.deployment] == nil ? $0 : nil },
      publicNetworkAccess: word(),
      extensions: EndpointExtensions(
        isSticky: chance(), requestsPerSecond: rate, burst: rate == nil ? nil : maybe { $0.int(1...1000) },
        maxRequestsInFlight: maybe { $0.int(1...1000) }, maxConnections: maybe { $0.int(1...1000) },
        bytesPerSecond: maybe { $0.int(1...1_000_000_000_000) }))
  }

  mutating func reference<Asset>(_ asset: (inout Self) -> Asset) -> AssetReference<Asset> {
    switch int(0...3) {
    case 0: .version(name: assetName(), version: assetName())
    case 1: .latest(name: assetName())
    case 2: .anonymous(asset(&self))
    default: .path(path())
    }
  }

  mutating func probe(maxSuccesses: Int) -> ProbeSettings {
    ProbeSettings(
      initialDelaySeconds: maybe { $0.int(1...86_400) }, periodSeconds: maybe { $0.int(1...86_400) },
      timeoutSeconds: maybe { $0.int(1...86_400) }, successThreshold: maybe { $0.int(1...maxSuccesses) },
      failureThreshold: maybe { $0.int(1...100) })
  }

  mutating func scale() -> ScaleSettings {
    let minimum = int(0...10)
    return chance() ? .default
      : .targetUtilization(
        .init(
          minInstances: minimum, maxInstances: int(max(1, minimum)...100), targetPercent: int(1...100),
          pollingIntervalSeconds: int(1...86_400)))
  }

  mutating func collector() -> DataCollector {
    var collector = DataCollector(
      samplingRate: maybe { Double($0.int(0...8)) / 8 }, rollingRate: maybe { $0.word() },
      capturedHeaders: list(0...3) { $0.text() })
    for name in ["request", "response", "inputs", "a.b", "c_d"] where chance() {
      collector.collections[name] = DataCollector.Collection(
        enabled: chance(), assetName: maybe { $0.text() }, path: maybe { $0.text() }, version: maybe { $0.text() },
        clientID: maybe { $0.text() })
    }
    return collector
  }

  mutating func resources() -> ContainerResources {
    ContainerResources(
      requests: .init(cpu: Quantity("500m"), memory: maybe { _ in Quantity("0.5Gi")! }, gpu: maybe { _ in Quantity("1")! }),
      limits: .init(cpu: maybe { _ in Quantity("2")! }, memory: Quantity("512Mi"), gpu: maybe { _ in Quantity("4")! }))
  }

  mutating func deployment() -> OnlineDeployment {
    let loadsOnDemand = chance()
    return OnlineDeployment(
      name: name(), endpointName: name(), description: maybe { $0.text() }, tags: strings(), properties: strings(),
      kind: word(), model: maybe { $0.reference { $0.model(isNested: true) } }, modelMountPath: maybe { $0.text() },
      codeConfiguration: maybe {
        CodeConfiguration(code: $0.maybe { $0.chance() ? $0.path() : "azureml:code:1" }, scoringScript: "src/score.py")
      },
      environment: maybe { $0.reference { $0.environment(isNested: true) } }, environmentVariables: strings(),
      instanceType: maybe { $0.text() }, instanceCount: maybe { $0.int(1...100_000) }, appInsightsEnabled: chance(),
      scaleSettings: maybe { $0.scale() },
      requestSettings: RequestSettings(
        requestTimeoutMilliseconds: maybe { $0.int(1...86_400_000) },
        maxConcurrentRequestsPerInstance: maybe { $0.int(1...1000) },
        maxQueueWaitMilliseconds: maybe { $0.int(0...86_400_000) }),
      livenessProbe: probe(maxSuccesses: 1), readinessProbe: probe(maxSuccesses: 9),
      startupProbe: maybe { $0.probe(maxSuccesses: 1) }, egressPublicNetworkAccess: word(),
      dataCollector: maybe { $0.collector() }, privateNetworkConnection: maybe { $0.chance() },
      resources: maybe { $0.resources() },
      extensions: DeploymentExtensions(
        loadsOnDemand: loadsOnDemand, idleSeconds: loadsOnDemand ? maybe { $0.int(1...31_536_000) } : nil))
  }

  mutating func model(isNested: Bool = false) -> ModelVersion {
    ModelVersion(
      name: isNested ? maybe { $0.assetName() } : assetName(), version: maybe { $0.assetName() },
      description: maybe { $0.text() }, tags: strings(), properties: strings(), stage: maybe { $0.text() },
      path: chance() ? path() : "artifact:sha256-1", kind: word(),
      flavors: maybe { _ in #"{"onnx":{"data":"model.onnx","opset":17},"list":[true,null,0.5]}"# },
      datastore: maybe { $0.text() })
  }

  mutating func environment(isNested: Bool = false) -> EnvironmentVersion {
    let isBuilt = chance()
    func route(_ dice: inout Self) -> EnvironmentVersion.InferenceConfiguration.Route {
      .init(path: dice.path(), port: dice.int(1...65535))
    }
    let conda: Document = ["channels": ["conda-forge"], "dependencies": ["python=3.12", ["pip": ["a>=1", "b"]]]]
    return EnvironmentVersion(
      name: isNested ? maybe { $0.assetName() } : assetName(), version: maybe { $0.assetName() },
      description: maybe { $0.text() }, tags: strings(), properties: strings(), image: isBuilt ? nil : text(),
      build: isBuilt ? .init(path: maybe { $0.path() }, dockerfilePath: maybe { _ in "docker/Dockerfile" }) : nil,
      condaFile: isBuilt ? nil : maybe { $0.chance() ? .path($0.path()) : .text(conda.yaml()) },
      operatingSystem: word(), datastore: maybe { $0.text() },
      inferenceConfiguration: maybe {
        .init(liveness: route(&$0), readiness: route(&$0), scoring: route(&$0))
      })
  }

  mutating func rule() -> AutoscaleSettings.Rule {
    let grain = int(1...3600)
    return .init(
      trigger: .init(
        metricName: pick(AutoscaleSettings.metricNames), scope: word(), timeGrainSeconds: grain, statistic: word(),
        timeWindowSeconds: int(max(60, grain)...86_400), aggregation: word(), comparison: word(),
        threshold: Double(int(-8...800)) / 8),
      action: .init(direction: word(), count: int(1...100), cooldownSeconds: int(0...86_400)))
  }

  mutating func autoscale() -> AutoscaleSettings {
    let count = int(0...4)
    let plain = int(0...4)
    let profiles = (0..<count).map { index in
      let minimum = int(0...5), maximum = int(minimum...20)
      let schedule: AutoscaleSettings.Schedule? =
        index == plain
        ? nil
        : chance()
          ? .fixedDate(start: "2026-05-01T08:00:00", end: "2026-05-02T08:00:00", timeZone: pick(["UTC", "Europe/Berlin"]))
          : .recurrence(
            .init(
              days: [.monday, .sunday], hours: list(1...24) { $0.int(0...23) }, minutes: list(1...60) { $0.int(0...59) },
              timeZone: "Pacific Standard Time"))
      return AutoscaleSettings.Profile(
        name: "\(index) \(text())", minimum: minimum, maximum: maximum, defaultCount: int(minimum...maximum),
        schedule: schedule, rules: list(0...AutoscaleSettings.maxRules) { $0.rule() })
    }
    return AutoscaleSettings(
      name: maybe { $0.text() }, endpointName: name(), deploymentName: name(), enabled: chance(), profiles: profiles)
  }

  mutating func status() -> ResourceStatus {
    ResourceStatus(
      id: maybe { $0.text() }, location: maybe { $0.text() }, provisioningState: maybe { $0.word() },
      scoringURI: maybe { $0.text() }, openAPIURI: maybe { $0.text() }, createdAt: maybe { $0.text() },
      createdBy: maybe { $0.text() }, modifiedAt: maybe { $0.text() }, modifiedBy: maybe { $0.text() },
      deployments: list(0...3) { $0.name() })
  }
}
