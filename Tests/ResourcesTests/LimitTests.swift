import Documents
import Resources
import Testing

/// Files and bodies of someone who means harm: each is refused within its limit.
@Suite struct LimitTests {
  @Test func `a file of ten megabytes is refused before it is read`() {
    let text = "name: churn\ndescription: " + String(repeating: "a", count: 10 << 20)
    let error = #expect(throws: DocumentError.self) { try SourceDocument(yaml: text) }
    #expect(error?.message == "it has \(text.utf8.count) bytes: expected at most maxBytes, which is 1048576")
  }

  @Test func `aliases of aliases are counted as what they stand for`() {
    var text = "name: churn\ntags:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      text += "  a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n"
    }
    let error = #expect(throws: DocumentError.self) { try SourceDocument(yaml: text) }
    #expect(error?.message.contains("maxValues") == true, "\(String(describing: error))")
  }

  @Test func `objects within objects without end are refused`() {
    let text = "name: churn\ntags: " + String(repeating: "{a: ", count: 5000) + "1" + String(repeating: "}", count: 5000)
    let error = #expect(throws: DocumentError.self) { try SourceDocument(yaml: text) }
    #expect(error?.message.contains("maxDepth") == true, "\(String(describing: error))")
    #expect(throws: DocumentError.self) { try Document(json: String(repeating: "[", count: 100_000)) }
  }

  @Test(arguments: ["tags", "properties", "environment_variables"])
  func `a map has at most a thousand entries`(_ key: String) throws {
    for (count, said) in [(1000, []), (1001, ["\(key): expected at most 1000 entries, got 1001"])] {
      var map = Document.Object()
      for index in 0..<count { map["key\(index)"] = "value" }
      let source = SourceDocument(["name": "blue", "endpoint_name": "churn", key: .object(map)])
      let reading = OnlineDeployment.read(source, folder: "/")
      #expect(reading.findings.filter { $0.severity == .error }.map(\.description) == said)
    }
  }

  @Test func `a list has at most a thousand elements`() {
    let headers = Document.array(Array(repeating: "x", count: 1001))
    let collector: Document = ["request_logging": ["capture_headers": headers]]
    let source = SourceDocument(["name": "blue", "endpoint_name": "churn", "data_collector": collector])
    #expect(
      OnlineDeployment.read(source, folder: "/").findings.map(\.description) == [
        "data_collector.request_logging.capture_headers: expected at most 1000 elements, got 1001"
      ])
  }

  @Test func `the first hundred findings are told, and that there are more`() {
    for (unknown, told) in [(50_000, 101), (101, 101), (100, 100)] {
      var object: Document.Object = ["name": "churn"]
      for index in 0..<unknown { object["unknown\(index)"] = 1 }
      let findings = OnlineEndpoint.read(SourceDocument(.object(object)), folder: "/").findings
      #expect(findings.count == told)
      #expect((findings.last?.description == "there is more to say; the first 100 are told") == (told == 101))
    }
  }

  @Test func `a message quotes the beginning of a long value and not all of it`() {
    let long = String(repeating: "a", count: 100_000)
    let source = SourceDocument([
      "name": .string(long), "endpoint_name": "churn", "model": .string("azureml:" + long + ":1"),
      "environment": .string("azureml:" + long), "instance_count": .string(long), "type": .string(long),
      "code_configuration": ["scoring_script": .string("/" + long)], "data_collector": ["rolling_rate": .string(long)],
      "resources": ["limits": ["cpu": .string(long)]],
    ])
    let reading = OnlineDeployment.read(source, folder: "/")
    #expect(reading.findings.count >= 8)
    for finding in reading.findings { #expect(finding.message.count < 500, "\(finding.path)") }
    let traffic = SourceDocument(["name": "churn", "traffic": .string(long)])
    for finding in OnlineEndpoint.read(traffic, folder: "/").findings { #expect(finding.message.count < 500) }
    let share = SourceDocument(["name": "churn", "traffic": .string(long + "=100")])
    for finding in OnlineEndpoint.read(share, folder: "/").findings { #expect(finding.message.count < 500) }
    let model = SourceDocument(["name": "m", "path": .string("https://" + long)])
    for finding in ModelVersion.read(model, folder: "/").findings { #expect(finding.message.count < 500) }
    let settings = SourceDocument([
      "target_resource_id": .string(long),
      "profiles": [["name": "a", "rules": [["condition": .string(long), "scale": .string(long)]]]],
    ])
    for finding in AutoscaleSettings.read(settings, folder: "/").findings { #expect(finding.message.count < 500) }
  }

  @Test func `errors come first, and one is enough to have no resource`() throws {
    let yaml = "name: churn\ncompute: azureml:k8s\ntraffic: {blue: 5}"
    let reading = OnlineEndpoint.read(try SourceDocument(yaml: yaml), folder: "/")
    #expect(reading.findings.map(\.severity) == [.warning, .error])
    let error = #expect(throws: ResourceError.self) { try reading.get() }
    #expect(error?.findings.map(\.severity) == [.error, .warning])
    #expect(error?.description == "traffic: expected percents that sum to 0 or 100, they sum to 5 (line 3)")
  }

  @Test func `a warning is no error`() throws {
    let reading = OnlineEndpoint.read(try SourceDocument(yaml: "name: churn\ncompute: azureml:k8s"), folder: "/")
    #expect(try reading.get().compute == "azureml:k8s")
    #expect(reading.warnings.count == 1)
  }

  @Test func `anchors and merge keys are what they stand for`() throws {
    let yaml = """
      name: blue
      endpoint_name: churn
      liveness_probe: &probe {period: 5, timeout: 1}
      readiness_probe: {<<: *probe, period: 7}
      """
    let deployment = try resource(OnlineDeployment.self, yaml)
    #expect(deployment.readinessProbe == ProbeSettings(periodSeconds: 7, timeoutSeconds: 1))
  }
}
