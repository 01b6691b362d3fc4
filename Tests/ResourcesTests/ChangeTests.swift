import Resources
import Testing

/// What of a resource stays as it was created, and what may change.
@Suite struct ChangeTests {
  private func refused<R: Changeable>(_ old: R, _ change: (inout R) -> Void) -> [String] {
    var new = old
    change(&new)
    return new.changesThatAreRefused(from: old).map(\.description)
  }

  static let endpoint = OnlineEndpoint(name: "churn", properties: ["a": "1", "b": "2"], traffic: ["blue": 100])
  static let deployment = OnlineDeployment(
    name: "blue", endpointName: "churn", properties: ["a": "1"], model: .latest(name: "m"), instanceType: "small",
    instanceCount: 2)

  @Test func `an endpoint keeps its name and its compute`() {
    #expect(refused(Self.endpoint) { $0.name = "other" } == ["name: can't be changed after creation: expected 'churn' as it was, got 'other'"])
    #expect(
      refused(Self.endpoint) { $0.compute = "azureml:k8s" } == [
        "compute: can't be changed after creation: expected 'nothing' as it was, got 'azureml:k8s'"
      ])
  }

  @Test func `everything else of an endpoint may change`() {
    #expect(
      refused(Self.endpoint) {
        $0.description = "new"
        $0.tags = ["a": "b"]
        $0.authMode = .aadToken
        $0.traffic = [:]
        $0.mirrorTraffic = MirrorTraffic(deployment: "red", percent: 5)
        $0.publicNetworkAccess = .disabled
        $0.extensions.isSticky = true
      } == [])
  }

  @Test func `properties can be added, and not changed or taken away`() {
    #expect(refused(Self.endpoint) { $0.properties["c"] = "3" } == [])
    #expect(
      refused(Self.endpoint) {
        $0.properties["a"] = "2"
        $0.properties["b"] = nil
      } == [
        "properties.a: properties can only be added: expected '1' as it was, got '2'",
        "properties.b: properties can only be added: expected '2' as it was, got nothing",
      ])
    #expect(refused(Self.deployment) { $0.properties = [:] }.count == 1)
  }

  @Test func `a deployment keeps its names, its kind, its instance type and its way out`() {
    #expect(
      refused(Self.deployment) {
        $0.name = "green"
        $0.endpointName = "other"
        $0.kind = .kubernetes
        $0.instanceType = nil
        $0.egressPublicNetworkAccess = .disabled
      } == [
        "name: can't be changed after creation: expected 'blue' as it was, got 'green'",
        "endpoint_name: can't be changed after creation: expected 'churn' as it was, got 'other'",
        "type: can't be changed after creation: expected 'managed' as it was, got 'kubernetes'",
        "instance_type: can't be changed after creation: expected 'small' as it was, got 'nothing'",
        "egress_public_network_access: can't be changed after creation: expected 'enabled' as it was, got 'disabled'",
      ])
  }

  @Test func `the model, the environment, the settings and the count of a deployment may change`() {
    #expect(
      refused(Self.deployment) {
        $0.model = .version(name: "m", version: "2")
        $0.environment = .latest(name: "e")
        $0.environmentVariables = ["a": "b"]
        $0.codeConfiguration = CodeConfiguration(code: "/c", scoringScript: "s.py")
        $0.instanceCount = 5
        $0.requestSettings.requestTimeoutMilliseconds = 1
        $0.livenessProbe.periodSeconds = 1
        $0.scaleSettings = .default
        $0.tags = ["a": "b"]
        $0.extensions.loadsOnDemand = true
      } == [])
  }

  @Test func `the contents of a model and of an environment stay, their descriptions may change`() {
    let model = ModelVersion(name: "m", version: "1", path: "/m")
    #expect(
      refused(model) {
        $0.name = "n"
        $0.version = "2"
        $0.path = "/n"
        $0.kind = .mlflow
        $0.flavors = "{}"
      }.map { String($0.prefix { $0 != ":" }) } == ["name", "version", "path", "type", "flavors"])
    #expect(
      refused(model) {
        $0.description = "d"
        $0.tags = ["a": "b"]
        $0.properties = ["a": "b"]
        $0.stage = "production"
      } == [])
    let environment = EnvironmentVersion(name: "e", version: "1", image: "a")
    #expect(
      refused(environment) {
        $0.name = "f"
        $0.version = "2"
        $0.image = nil
        $0.build = .init(path: "/b")
        $0.condaFile = .text("a: 1")
        $0.operatingSystem = .windows
        let route = EnvironmentVersion.InferenceConfiguration.Route(path: "/", port: 1)
        $0.inferenceConfiguration = .init(liveness: route, readiness: route, scoring: route)
      }.map { String($0.prefix { $0 != ":" }) } == [
        "name", "version", "image", "build", "conda_file", "os_type", "inference_config",
      ])
    #expect(refused(environment) { $0.description = "d" } == [])
  }
}
