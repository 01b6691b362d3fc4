import Documents
import Resources
import Testing

@Suite struct DeploymentRuleTests {
  static let head = "name: blue\nendpoint_name: churn\n"

  @Test(arguments: [
    Rule("request_settings: {request_timeout_ms: 1}", nil),
    Rule("request_settings: {request_timeout_ms: 86400000}", nil),
    Rule(
      "request_settings: {request_timeout_ms: 0}",
      "request_settings.request_timeout_ms: expected a whole number of 1 to 86400000, got 0 (line 3)"),
    Rule(
      "request_settings: {request_timeout_ms: 5s}",
      "request_settings.request_timeout_ms: expected a whole number of 1 to 86400000, got '5s' (line 3)"),
    Rule(
      "request_settings:\n  request_timout_ms: 5000",
      "request_settings.request_timout_ms: unknown key. Did you mean 'request_timeout_ms'? (line 4)"),
    Rule("request_settings: {max_queue_wait_ms: 0}", nil),
    Rule(
      "request_settings: {max_concurrent_requests_per_instance: 0}",
      "request_settings.max_concurrent_requests_per_instance: expected a whole number of 1 to 1000000, got 0 (line 3)"),
    Rule("instance_count: 0", "instance_count: expected a whole number of 1 to 100000, got 0 (line 3)"),
    Rule("instance_count: 1.5", "instance_count: expected a whole number of 1 to 100000, got 1.5 (line 3)"),
    Rule("instance_count: \"2\"", "instance_count: expected a whole number of 1 to 100000, got '2' (line 3)"),
    Rule("liveness_probe: {period: 0}", "liveness_probe.period: expected a whole number of 1 to 86400, got 0 (line 3)"),
    Rule(
      "liveness_probe: {success_threshold: 2}",
      "liveness_probe.success_threshold: expected 1, the only threshold of a liveness probe, got 2 (line 3)"),
    Rule("readiness_probe: {success_threshold: 2}", nil),
    Rule("code_configuration: {code: src, scoring_script: a/score.py}", nil),
    Rule(
      "code_configuration: {code: src}",
      "code_configuration.scoring_script: expected a path relative to code, got nothing (line 3)"),
    Rule(
      "code_configuration: {code: src, scoring_script: ../score.py}",
      "code_configuration.scoring_script: expected a path relative to code that stays in it, got '../score.py' (line 3)"),
    Rule(
      "code_configuration: {code: src, scoring_script: /score.py}",
      "code_configuration.scoring_script: expected a path relative to code that stays in it, got '/score.py' (line 3)"),
    Rule("code_configuration: {code: \"\", scoring_script: s.py}", "code_configuration.code: expected a path, got '' (line 3)"),
    Rule("scale_settings: {type: default}", nil),
    Rule("scale_settings: {type: target_utilization, min_instances: 2, max_instances: 2}", nil),
    Rule(
      "scale_settings: {type: target_utilization, min_instances: 3, max_instances: 2}",
      "scale_settings.min_instances: expected at most max_instances, which is 2, got 3 (line 3)"),
    Rule(
      "scale_settings: {type: auto}",
      "scale_settings.type: expected 'default' or 'target_utilization', got 'auto' (line 3)"),
    Rule(
      "scale_settings: {type: target_utilization, target_utilization_percentage: 101}",
      "scale_settings.target_utilization_percentage: expected a whole number of 1 to 100, got 101 (line 3)"),
    Rule(
      "scale_settings: {type: default, max_instances: 3}",
      "scale_settings.max_instances: has no effect: the type is 'default', which keeps instance_count (line 3)"),
    Rule(
      "data_collector: {sampling_rate: 1.5}",
      "data_collector.sampling_rate: expected a number of 0.0 to 1.0, got 1.5 (line 3)"),
    Rule(
      "data_collector: {rolling_rate: weekly}",
      "data_collector.rolling_rate: expected 'minute', 'hour', 'day', 'month' or 'year', got 'weekly' (line 3)"),
    Rule("data_collector: {collections: {a: {}, b: {}, c: {}, d: {}, e: {}, request: {}, response: {}}}", nil),
    Rule(
      "data_collector: {collections: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}}}",
      "data_collector.collections: expected at most 5 beside 'request' and 'response', got 6 (line 3)"),
    Rule("apus: {load_on_demand: true, idle_time: 60}", nil),
    Rule("apus: {idle_time: 60}", "apus.idle_time: expected load_on_demand: true beside it, which brings the model back (line 3)"),
    Rule(
      "apus: {load_on_demand: true, idle_time: 0}",
      "apus.idle_time: expected a whole number of 1 to 31536000, got 0 (line 3)"),
  ])
  func `settings are within their bounds`(_ rule: Rule) throws {
    #expect(try findings(OnlineDeployment.self, Self.head + rule.lines) == [rule.finding].compactMap(\.self))
  }

  @Test(arguments: [
    Rule("type: kubernetes", "type"),
    Rule("type: managed", nil),
    Rule("model_mount_path: /models", "model_mount_path"),
    Rule("app_insights_enabled: true", "app_insights_enabled"),
    Rule("app_insights_enabled: false", nil),
    Rule("private_network_connection: true", "private_network_connection"),
    Rule("environment_variables: {A: 1}", "environment_variables"),
    Rule("startup_probe: {period: 1}", "startup_probe"),
    Rule("egress_public_network_access: disabled", "egress_public_network_access"),
    Rule("resources: {requests: {cpu: 1}}", "resources"),
    Rule("data_collector: {collections: {request: {enabled: 'True'}}}", "data_collector"),
    Rule("data_collector: {collections: {request: {enabled: 'False'}}}", nil),
    Rule("identity: {type: system_assigned}", "identity"),
    Rule("scale_settings: {type: target_utilization}\ninstance_count: 2", "instance_count"),
    Rule("environment: {image: a}", "environment.image"),
    Rule("environment: {image: a, conda_file: c.yml}", "environment.image environment.conda_file"),
  ])
  func `what has no effect here is answered with a warning`(_ rule: Rule) throws {
    let reading = OnlineDeployment.read(try SourceDocument(yaml: Self.head + rule.lines), folder: "/")
    _ = try reading.get()
    #expect(reading.warnings.map(\.path).joined(separator: " ") == rule.finding ?? "")
    #expect(reading.warnings.allSatisfy { ($0.line ?? 0) >= 3 && $0.message.contains("has no effect") })
  }

  @Test func `what is left out is nil, and the defaults are managed and enabled`() throws {
    let deployment = try resource(OnlineDeployment.self, Self.head)
    #expect(deployment == OnlineDeployment(name: "blue", endpointName: "churn"))
    #expect(deployment.kind == .managed && deployment.egressPublicNetworkAccess == .enabled)
    #expect(deployment.instanceCount == nil && deployment.requestSettings == RequestSettings())
  }

  @Test func `the scale settings of a cluster aim at a utilization, others keep the count`() throws {
    let cluster = try resource(OnlineDeployment.self, Self.head + "type: kubernetes\nscale_settings: {min_instances: 4}")
    #expect(cluster.scaleSettings == .targetUtilization(.init(minInstances: 4, maxInstances: 4)))
    #expect(try resource(OnlineDeployment.self, Self.head + "scale_settings: {}").scaleSettings == .default)
  }

  @Test(arguments: [
    ("azureml:churn:3", .version(name: "churn", version: "3")),
    ("azureml:churn.v_1-b:1.10", .version(name: "churn.v_1-b", version: "1.10")),
    ("azureml:churn@latest", .latest(name: "churn")),
    ("models/churn/versions/3", .version(name: "churn", version: "3")),
    ("azureml:/subscriptions/s/workspaces/w/models/churn/versions/3", .version(name: "churn", version: "3")),
    ("/subscriptions/s/workspaces/w/models/churn/labels/latest", .latest(name: "churn")),
    ("/subscriptions/s/workspaces/w/models/churn/versions/3", .version(name: "churn", version: "3")),
    ("model.onnx", .path("/base/model.onnx")),
    ("./a/../model", .path("/base/model")),
    ("../model", .path("/model")),
    ("/srv/model", .path("/srv/model")),
    ("file:///srv/model", .path("/srv/model")),
    ("/srv/models/churn/versions/3", .path("/srv/models/churn/versions/3")),
    ("./models/churn/versions/3", .path("/base/models/churn/versions/3")),
  ] as [(String, AssetReference<ModelVersion>)])
  func `a reference is a version, the newest one, or a path from the file's folder`(
    _ text: String, _ reference: AssetReference<ModelVersion>
  ) throws {
    #expect(try resource(OnlineDeployment.self, Self.head + "model: \(text)").model == reference)
  }

  @Test(arguments: [
    ("azureml:churn", ". Did you mean 'azureml:churn@latest'?"),
    ("churn:3", ". Did you mean 'azureml:churn:3'?"),
    ("azureml:", ", got 'azureml:'"),
    ("azureml:churn:", ", got 'azureml:churn:'"),
    ("azureml::3", "the name: expected 1 to 255 characters, got 0 in ''"),
    ("azureml:a:b:c", ", got 'azureml:a:b:c'"),
    ("azureml:churn@newest", "expected the label 'latest', the only one there is, got 'newest'"),
    ("azureml:ch urn:3", "the name: expected a letter or a digit, then letters, digits, '.', '_' and '-', got 'ch urn'"),
    ("azureml:churn:3/4", "the version: expected a letter or a digit, then letters, digits, '.', '_' and '-', got '3/4'"),
    ("azureml://registries/shared/models/churn/versions/3", "is in a registry, and this server has none"),
    ("azureml://datastores/store/paths/churn", ", got 'azureml://datastores/store/paths/churn'"),
    ("https://example.com/model", ", got 'https://example.com/model'"),
    ("", ", got ''"),
  ])
  func `a reference that is none is told which forms there are`(_ text: String, _ end: String) throws {
    let all = try findings(OnlineDeployment.self, Self.head + "model: \"\(text)\"")
    #expect(all.count == 1)
    #expect(all[0].hasPrefix("model: ") && all[0].contains(end), "\(all)")
    #expect(all[0].contains(end + " (line 3)") || end.contains("registry"))
  }

  @Test func `a reference may be the keys of the asset, and what is wrong with them is told`() throws {
    let yaml = Self.head + "model:\n  path: m\n  typ: custom_model\nenvironment:\n  name: e\n  version: 1.10\n  build: {path: .}"
    #expect(
      try findings(OnlineDeployment.self, yaml).first == "model.typ: unknown key. Did you mean 'type'? (line 5)")
    let deployment = try resource(OnlineDeployment.self, yaml.replacing("typ:", with: "type:"))
    #expect(deployment.model == .anonymous(ModelVersion(path: "/base/m")))
    #expect(
      deployment.environment == .anonymous(EnvironmentVersion(name: "e", version: "1.10", build: .init(path: "/base"))))
  }

  @Test(arguments: [
    ("PT0.001S", 1), ("PT5S", 5000), ("PT0.5S", 500), ("PT1M30S", 90_000), ("PT1H", 3_600_000), ("P1D", 86_400_000),
    ("PT0.2500000S", 250), ("PT60S", 60_000),
  ])
  func `times are durations in REST and milliseconds in files`(_ text: String, _ milliseconds: Int) throws {
    #expect(ISODuration.milliseconds(text) == milliseconds)
    let body: Document = ["properties": ["requestSettings": ["requestTimeout": .string(text)]]]
    let deployment = try OnlineDeployment.read(rest: body, names: ["churn", "blue"]).get()
    #expect(deployment.requestSettings.requestTimeoutMilliseconds == milliseconds)
    #expect(deployment.cliForm()["request_settings"] == ["request_timeout_ms": .int(milliseconds)])
    #expect(
      try OnlineDeployment.read(rest: deployment.rest(), names: ["churn", "blue"]).get() == deployment)
  }

  @Test(arguments: [
    "", "P", "PT", "P1DT", "5S", "PT5", "PT5X", "pt5s", "PT-5S", "-PT5S", "P1Y", "P1M", "PT1S1M", "PT1M1M", "PT1.5M",
    "PT.5S", "PT5.S", "PT1.2.3S", "PT0.0001S", "PT1S ", "PT٣S", "P367D", "PT99999999999999999999S", "P1W1W", "PTT1S",
    "PT0,5S", String(repeating: "P", count: 65),
  ])
  func `what is no duration is refused`(_ text: String) {
    #expect(ISODuration.milliseconds(text) == nil)
    let body: Document = ["properties": ["livenessProbe": ["period": .string(text)]]]
    let findings = OnlineDeployment.read(rest: body, names: ["churn", "blue"]).findings
    #expect(findings.map(\.path) == ["properties.livenessProbe.period"])
    #expect(findings[0].message.hasPrefix("expected an ISO 8601 duration of whole seconds, PT1S to P1D, got "))
  }

  @Test func `a duration that is written reads as the same, in the shortest form`() {
    var dice = ResourceDice(seed: 7)
    for _ in 0..<2000 {
      let time = dice.int(0...ISODuration.maxMilliseconds)
      #expect(ISODuration.milliseconds(ISODuration.text(time)) == time)
    }
    for (time, text) in [
      (0, "PT0S"), (250, "PT0.25S"), (1, "PT0.001S"), (90_000, "PT1M30S"), (86_400_000, "P1D"), (90_000_000, "P1DT1H"),
      (ISODuration.maxMilliseconds, "P366D"),
    ] {
      #expect(ISODuration.text(time) == text)
    }
  }

  @Test func `a probe in REST has whole seconds`() {
    let body: Document = ["properties": ["readinessProbe": ["initialDelay": "PT1.5S"]]]
    #expect(
      OnlineDeployment.read(rest: body, names: ["churn", "blue"]).findings.map(\.description) == [
        "properties.readinessProbe.initialDelay: expected an ISO 8601 duration of whole seconds, PT1S to P1D, got 'PT1.5S'"
      ])
  }

  @Test(arguments: [
    ("0.5", 500), ("500m", 500), ("1", 1000), ("2k", 2_000_000), ("1Ki", 1_024_000), ("0.1Gi", 107_374_182_400),
    ("1e3", nil), ("1.", 1000), (".5", nil), ("-1", nil), ("", nil), ("Gi", nil), ("1gi", nil), ("1 Gi", nil), ("1.1.1", nil),
    ("9999999999Ti", nil), ("٣", nil),
  ] as [(String, Int?)])
  func `amounts are written as Kubernetes writes them`(_ text: String, _ thousandths: Int?) throws {
    #expect(Quantity(text)?.thousandths == thousandths)
    let all = try findings(OnlineDeployment.self, Self.head + "resources: {limits: {memory: \"\(text)\"}}")
      .filter { !$0.contains("has no effect") }
    let fault = "expected an amount such as '0.5', '500m' or '2Gi', got '\(text)' (line 3)"
    #expect(all == (thousandths == nil ? ["resources.limits.memory: " + fault] : []))
  }

  @Test func `a request is at most its limit`() throws {
    let yaml = Self.head + "resources:\n  requests: {cpu: 600m, nvidia.com/gpu: 2}\n  limits: {cpu: 0.5, nvidia.com/gpu: 1}"
    #expect(
      try findings(OnlineDeployment.self, yaml).filter { !$0.contains("has no effect") } == [
        "resources.requests.cpu: expected at most the limit, which is 0.5, got 600m (line 4)",
        "resources.requests['nvidia.com/gpu']: expected at most the limit, which is 1, got 2 (line 4)",
      ])
  }

  @Test func `numbers and truth values in maps of strings are kept as they are spelt`() throws {
    let yaml = Self.head + "tags: {a: 1.10, b: 0x1F, c: true, d: null, e: 007, f: 1e3}"
    #expect(
      try resource(OnlineDeployment.self, yaml).tags == ["a": "1.10", "b": "0x1F", "c": "true", "d": "", "e": "007", "f": "1e3"])
    #expect(
      try findings(OnlineDeployment.self, Self.head + "tags: {a: [1]}") == ["tags.a: expected a string, got a list of 1 (line 3)"])
  }

  @Test func `REST has the count in the stock keeping unit and everything else in the properties`() throws {
    let rest = OnlineDeployment(
      name: "blue", endpointName: "churn", kind: .kubernetes, environment: .latest(name: "e"), instanceCount: 2,
      scaleSettings: .targetUtilization(.init()),
      dataCollector: DataCollector(collections: ["request": .init(enabled: true)], rollingRate: .hour)
    ).rest()
    #expect(
      rest == [
        "name": "blue", "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments",
        "kind": "Kubernetes", "sku": ["name": "Default", "capacity": 2],
        "properties": [
          "endpointComputeType": "Kubernetes", "environmentId": "azureml:e@latest", "appInsightsEnabled": false,
          "scaleSettings": [
            "scaleType": "TargetUtilization", "minInstances": 1, "maxInstances": 1, "targetUtilizationPercentage": 70,
            "pollingInterval": "PT1S",
          ],
          "egressPublicNetworkAccess": "Enabled",
          "dataCollector": ["rollingRate": "Hour", "collections": ["request": ["dataCollectionMode": "Enabled"]]],
        ],
      ])
  }
}
