import Documents
import Resources
import Testing

/// A file with every key of one kind of resource, and what reads it.
struct Example: Sendable, CustomTestStringConvertible {
  /// What came of a reading, whatever the kind of the resource.
  struct Outcome {
    var findings: [Finding]
    /// `nil`: it had errors.
    var resource: AnyHashable?
    var cli: Document?
    var rest: Document?

    var errors: [Finding] { findings.filter { $0.severity == .error } }

    init<R: Resource>(_ reading: Reading<R>) {
      findings = reading.findings
      guard let resource = try? reading.get() else { return }
      self.resource = AnyHashable(resource)
      (cli, rest) = (resource.cliForm(), resource.rest())
    }
  }

  let testDescription: String
  let yaml: String
  private let reader: @Sendable (SourceDocument) -> Outcome
  private let restReader: @Sendable (Document) -> Outcome

  init<R: Resource>(_ type: R.Type, names: [String], _ yaml: String) {
    testDescription = "\(type)"
    self.yaml = yaml
    reader = { Outcome(R.read($0, folder: "/base")) }
    restReader = { Outcome(R.read(rest: $0, names: names)) }
  }

  /// An outcome of a resource's own two forms.
  init<R: Resource>(_ resource: R, names: [String]) {
    self.init(R.self, names: names, resource.cliForm().yaml())
  }

  func read(_ source: SourceDocument) -> Outcome { reader(source) }
  func read(_ document: Document, in form: Form) -> Outcome {
    form == .cli ? reader(SourceDocument(document)) : restReader(document)
  }

  func source() throws -> SourceDocument { try SourceDocument(yaml: yaml) }

  /// The example in a form.
  func document(_ form: Form) throws -> Document {
    let source = try source()
    return form == .cli ? source.root : try #require(read(source).rest)
  }

  static let all = [
    Example(
      OnlineEndpoint.self, names: ["churn"],
      """
      $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
      name: churn
      description: Who is about to leave
      tags:
        team: growth
        cost: 1.10
      properties:
        origin: import
      auth_mode: aad_token
      compute: azureml:cluster
      identity:
        type: user_assigned
        user_assigned_identities:
          - resource_id: /subscriptions/s/identities/one
      traffic:
        blue: 90
        green: 10
      mirror_traffic:
        red: 20
      public_network_access: disabled
      apus:
        sticky: true
        requests_per_second: 100
        burst: 200
        max_requests_in_flight: 50
        max_connections: 20
        bytes_per_second: 1000000
      """),
    Example(
      OnlineDeployment.self, names: ["churn", "blue"],
      """
      $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
      name: blue
      endpoint_name: churn
      description: The first
      tags:
        team: growth
      properties:
        origin: import
      type: kubernetes
      model: azureml:churn-model:3
      model_mount_path: /var/models
      code_configuration:
        code: src
        scoring_script: score.py
      environment: azureml:sklearn@latest
      environment_variables:
        WORKERS: 4
        EMPTY:
      instance_type: Standard_DS3_v2
      instance_count: 3
      app_insights_enabled: true
      scale_settings:
        type: target_utilization
        min_instances: 2
        max_instances: 5
        target_utilization_percentage: 60
        polling_interval: 10
      request_settings:
        request_timeout_ms: 8000
        max_concurrent_requests_per_instance: 4
        max_queue_wait_ms: 250
      liveness_probe: &probe
        initial_delay: 20
        period: 30
        timeout: 3
        success_threshold: 1
        failure_threshold: 5
      readiness_probe:
        initial_delay: 21
        period: 31
        timeout: 4
        success_threshold: 2
        failure_threshold: 6
      startup_probe: *probe
      egress_public_network_access: disabled
      data_collector:
        sampling_rate: 0.5
        rolling_rate: day
        collections:
          request:
            enabled: 'True'
            data:
              name: churn-requests
              path: azureml://datastores/store/paths/requests
              version: 2
            client_id: someone
          model_inputs:
            enabled: 'False'
        request_logging:
          capture_headers:
            - x-request-id
      private_network_connection: true
      resources:
        requests:
          cpu: "0.5"
          memory: 1Gi
          nvidia.com/gpu: 1
        limits:
          cpu: "1"
          memory: 2Gi
          nvidia.com/gpu: 1
      apus:
        load_on_demand: true
        idle_time: 600
      """),
    Example(
      OnlineDeployment.self, names: ["churn", "green"],
      """
      name: green
      endpoint_name: churn
      model:
        name: churn-model
        version: 4
        path: model
        type: triton_model
      environment:
        name: own
        version: 1
        image: registry/base:1
        conda_file: conda.yml
        inference_config:
          liveness_route:
            path: /live
            port: 5001
          readiness_route:
            path: /ready
            port: 5002
          scoring_route:
            path: /score
            port: 5003
      """),
    Example(
      ModelVersion.self, names: ["churn-model", "3"],
      """
      $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
      name: churn-model
      version: 3
      description: Trees
      tags:
        team: growth
      properties:
        run: r1
      stage: production
      path: ./model
      type: mlflow_model
      flavors:
        onnx:
          data: model.onnx
      datastore: azureml:store
      """),
    Example(
      EnvironmentVersion.self, names: ["sklearn", "7"],
      """
      $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
      name: sklearn
      version: "7"
      description: All of it
      tags:
        team: growth
      properties:
        origin: import
      image: registry/base:1
      conda_file:
        channels:
          - conda-forge
        dependencies:
          - python=3.12
      os_type: windows
      datastore: azureml:store
      inference_config:
        liveness_route:
          path: /live
          port: 5001
        readiness_route:
          path: /ready
          port: 5002
        scoring_route:
          path: /score
          port: 5003
      """),
    Example(
      EnvironmentVersion.self, names: ["built", "1"],
      """
      name: built
      version: "1"
      build:
        path: context
        dockerfile_path: docker/Dockerfile
      """),
    Example(
      AutoscaleSettings.self, names: ["churn", "blue"],
      """
      name: busy
      endpoint_name: churn
      deployment_name: blue
      enabled: false
      profiles:
        - name: always
          capacity:
            minimum: 1
            maximum: 10
            default: 2
          rules:
            - metric_trigger:
                metric_name: CpuUtilizationPercentage
                resource: endpoint
                time_grain: PT2M
                statistic: max
                time_window: PT10M
                time_aggregation: total
                operator: less_than_or_equal
                threshold: 30.5
              scale_action:
                direction: decrease
                type: change_count
                value: 2
                cooldown: PT15M
        - name: launch
          capacity:
            minimum: 4
            maximum: 8
            default: 6
          fixed_date:
            start: "2026-05-01T08:00:00"
            end: "2026-05-02T08:00:00"
            time_zone: Pacific Standard Time
        - name: mornings
          capacity:
            minimum: 2
            maximum: 4
            default: 3
          recurrence:
            frequency: week
            days:
              - monday
              - friday
            hours:
              - 8
              - 9
            minutes:
              - 30
            time_zone: Europe/Berlin
      """),
  ]
}

// MARK: - Walking

extension Document {
  /// Every value with its place, the root left out.
  func places(at place: DocumentPath = DocumentPath()) -> [(place: DocumentPath, value: Document)] {
    switch self {
    case .object(let object):
      object.flatMap { [(place.appending($0.key), $0.value)] + $0.value.places(at: place.appending($0.key)) }
    case .array(let list):
      list.enumerated().flatMap {
        [(place.appending($0.offset), $0.element)] + $0.element.places(at: place.appending($0.offset))
      }
    default: []
    }
  }

  /// The document with something else at a place; `nil` takes the place away.
  func replacing(_ place: DocumentPath, by new: Document?) -> Document { replacing(place.steps[...], by: new) }

  private func replacing(_ steps: ArraySlice<DocumentPath.Step>, by new: Document?) -> Document {
    guard let first = steps.first else { return new ?? .null }
    switch (first, self) {
    case (.key(let key), .object(var object)):
      object[key] = steps.count == 1 ? new : object[key]?.replacing(steps.dropFirst(), by: new)
      return .object(object)
    case (.index(let index), .array(var list)):
      if steps.count > 1 {
        list[index] = list[index].replacing(steps.dropFirst(), by: new)
      } else if let new {
        list[index] = new
      } else {
        list.remove(at: index)
      }
      return .array(list)
    default: return self
    }
  }
}

extension DocumentPath {
  var keys: [String] { steps.compactMap { if case .key(let key) = $0 { key } else { nil } } }
  var isAtKey: Bool { if case .key = steps.last { true } else { false } }

  /// Whether what is written here has any shape, or is the server's own word.
  func isFree(in form: Form) -> Bool {
    let readOnly: Set<String> = form == .cli ? ["$schema"] : ["name", "type", "kind", "id", "location", "systemData"]
    return keys.first.map(readOnly.contains) ?? false || keys == ["sku", "name"] || keys.dropLast().contains("flavors")
      || keys.dropLast().contains("conda_file") || keys.dropLast().contains("userAssignedIdentities")
  }

  /// Whether the keys beside this one are the author's own.
  func isInMap(_ form: Form) -> Bool {
    let maps: Set<String> = [
      "tags", "traffic", "mirror_traffic", "mirrorTraffic", "environment_variables", "environmentVariables",
      "collections", "flavors", "conda_file", "userAssignedIdentities",
    ]
    guard let parent = keys.dropLast().last else { return false }
    return maps.contains(parent) || parent == "properties" && (form == .cli || keys.count > 2 && keys.dropLast(2).last == "properties")
  }
}

extension Form: CustomTestStringConvertible {
  package var testDescription: String { self == .cli ? "files" : "REST" }
  static let both: [Form] = [.cli, .rest]
}

/// What is said of a file, errors and warnings.
func findings<R: Resource>(_ type: R.Type, _ yaml: String) throws -> [String] {
  R.read(try SourceDocument(yaml: yaml), folder: "/base").findings.map(\.description)
}

/// A file that must have no errors.
func resource<R: Resource>(_ type: R.Type, _ yaml: String) throws -> R {
  try R.read(try SourceDocument(yaml: yaml), folder: "/base").get()
}
