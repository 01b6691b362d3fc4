import Documents
import Resources
import Testing

@Suite struct AssetRuleTests {
  @Test(arguments: [
    ("model", "/base/model"), ("./model", "/base/model"), ("../model", "/model"), ("../../../model", "/model"),
    ("a//b/./c/", "/base/a/b/c"), ("/srv/model", "/srv/model"), ("file:model", "/base/model"),
    ("file:///srv/model", "/srv/model"), ("artifact:abc", "artifact:abc"), ("a b:c", "/base/a b:c"),
  ])
  func `a model's path is from the folder of its file`(_ written: String, _ path: String) throws {
    #expect(try resource(ModelVersion.self, "name: m\npath: \"\(written)\"").path == path)
  }

  @Test(arguments: [
    Rule("path: azureml://datastores/store/paths/m", "path: 'azureml://datastores/store/paths/m' is not on this machine, and this server does not fetch azureml: download it and give the local path (line 2)"),
    Rule("path: runs:/1/model", "path: 'runs:/1/model' is not on this machine, and this server does not fetch runs: download it and give the local path (line 2)"),
    Rule("path: https://example.com/m", "path: 'https://example.com/m' is not on this machine, and this server does not fetch https: download it and give the local path (line 2)"),
    Rule("path: \"\"", "path: expected a path, got '' (line 2)"),
    Rule("description: none", "path: expected a file or a folder, got nothing (line 1)"),
    Rule("path: m\ntype: onnx_model", "type: expected 'custom_model', 'mlflow_model' or 'triton_model', got 'onnx_model' (line 3)"),
    Rule("path: m\nversion: -1", "version: expected a letter or a digit, then letters, digits, '.', '_' and '-', got '-1' (line 3)"),
    Rule("path: m\ndatastore: store", "datastore: has no effect: this server keeps all models in the store of its data directory (line 3)"),
    Rule("path: m\nflavors: onnx", "flavors: expected an object, got 'onnx' (line 3)"),
  ])
  func `what can't be a model is told why`(_ rule: Rule) throws {
    #expect(try findings(ModelVersion.self, "name: m\n" + rule.lines) == [rule.finding].compactMap(\.self))
  }

  @Test func `a version is kept as it is spelt`() throws {
    for (written, version) in [("1", "1"), ("1.10", "1.10"), ("\"007\"", "007"), ("007", "007"), ("2026.05.01-b_1", "2026.05.01-b_1")] {
      #expect(try resource(ModelVersion.self, "name: m\npath: p\nversion: \(written)").version == version)
    }
  }

  @Test func `the name of an asset has up to two hundred and fifty-five characters`() throws {
    for (count, isName) in [(1, true), (255, true), (256, false)] {
      let name = String(repeating: "a", count: count)
      let all = try findings(ModelVersion.self, "name: \(name)\npath: p")
      #expect(all.isEmpty == isName, "\(all)")
    }
    #expect(try findings(ModelVersion.self, "path: p") == ["name: expected a name, got nothing (line 1)"])
    #expect(try findings(EnvironmentVersion.self, "image: a").contains("name: expected a name, got nothing (line 1)"))
  }

  @Test func `the URL says the name and the version of an asset in REST`() throws {
    let body: Document = ["name": "9", "properties": ["modelUri": "/m", "modelType": "mlflow_model", "isArchived": false]]
    let model = try ModelVersion.read(rest: body, names: ["churn", "3"]).get()
    #expect(model == ModelVersion(name: "churn", version: "3", path: "/m", kind: .mlflow))
    #expect(
      model.rest(ResourceStatus(provisioningState: .succeeded)) == [
        "name": "3", "type": "Microsoft.MachineLearningServices/workspaces/models/versions",
        "properties": ["modelType": "mlflow_model", "modelUri": "/m", "provisioningState": "Succeeded"],
      ])
    #expect(
      ModelVersion.read(rest: body, names: ["churn", "a b"]).findings.map(\.description) == [
        "version: expected a letter or a digit, then letters, digits, '.', '_' and '-', got 'a b'"
      ])
  }

  @Test func `a conda file in place of an environment is known for what it is`() throws {
    let all = try findings(EnvironmentVersion.self, "name: sklearn\nchannels: [conda-forge]\ndependencies: [python]")
    #expect(
      all.contains(
        "this is a conda file, not an environment: write its path as conda_file of an environment with a name and an image (line 1)"))
  }

  @Test(arguments: [
    Rule("image: a", nil),
    Rule("build: {path: .}", nil),
    Rule("image: a\nbuild: {path: .}", "build: expected image or build, got both (line 3)"),
    Rule("build: {path: .}\nconda_file: c.yml", "conda_file: expected it beside an image, got it beside build (line 3)"),
    Rule("image: a\nconda_file: 7", "conda_file: expected a path or the contents of a conda file, got 7 (line 3)"),
    Rule(
      "build: {path: ., dockerfile_path: ../Dockerfile}",
      "build.dockerfile_path: expected a path relative to build.path that stays in it, got '../Dockerfile' (line 2)"),
    Rule("image: a\nos_type: mac", "os_type: expected 'linux' or 'windows', got 'mac' (line 3)"),
    Rule(
      "image: a\ninference_config:\n  liveness_route: {path: /l, port: 0}\n  readiness_route: {path: /r, port: 1}\n  scoring_route: {path: /s, port: 1}",
      "inference_config.liveness_route.port: expected a whole number of 1 to 65535, got 0 (line 4)"),
    Rule(
      "image: a\ninference_config:\n  liveness_route: {path: /l, port: 1}\n  readiness_route: {path: /r, port: 1}",
      "inference_config.scoring_route: expected a path and a port, got nothing; all three routes are needed (line 3)"),
  ])
  func `an environment is one image or one recipe, with all three routes or none`(_ rule: Rule) throws {
    let reading = EnvironmentVersion.read(try SourceDocument(yaml: "name: e\n" + rule.lines), folder: "/")
    #expect(
      reading.findings.filter { $0.severity == .error }.map(\.description) == [rule.finding].compactMap(\.self))
  }

  @Test func `a conda file is a path or its contents, and its text in REST`() throws {
    let path = try resource(EnvironmentVersion.self, "name: e\nimage: a\nconda_file: ../conda.yml")
    #expect(path.condaFile == .path("/conda.yml"))
    let inline = try resource(EnvironmentVersion.self, "name: e\nimage: a\nconda_file: {channels: [defaults]}")
    #expect(inline.condaFile == .text("channels:\n  - defaults\n"))
    #expect(inline.rest()["properties"]?["condaFile"] == "channels:\n  - defaults\n")
    for text in ["just text", "a: [", "- 1"] {
      let body: Document = ["properties": ["image": "a", "condaFile": .string(text)]]
      let errors = EnvironmentVersion.read(rest: body, names: ["e", "1"]).findings.filter { $0.severity == .error }
      #expect(errors.map(\.description) == ["properties.condaFile: expected the text of a conda file, got '\(text)'"])
    }
  }

  @Test(arguments: [
    ("datastore: d", "datastore"), ("os_type: windows", "os_type"), ("conda_file: c.yml", "conda_file"),
    (
      "inference_config: {liveness_route: {path: /, port: 1}, readiness_route: {path: /, port: 1}, scoring_route: {path: /, port: 1}}",
      "inference_config"
    ),
  ])
  func `what of an environment has no effect here is answered`(_ line: String, _ key: String) throws {
    let reading = EnvironmentVersion.read(try SourceDocument(yaml: "name: e\nimage: a\n" + line), folder: "/")
    _ = try reading.get()
    #expect(reading.warnings.map { "\($0.path) \($0.line ?? 0)" }.sorted() == ["\(key) 3", "image 2"].sorted())
    #expect(reading.warnings.allSatisfy { $0.message.contains("has no effect") })
  }
}
