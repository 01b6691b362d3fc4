import Documents
import Resources
import Testing

/// A value at a key, and what is said of it; `nil`: nothing.
struct Rule: Sendable, CustomTestStringConvertible {
  var lines: String
  var finding: String?

  init(_ lines: String, _ finding: String?) {
    self.lines = lines
    self.finding = finding
  }

  var testDescription: String { lines }
}

@Suite struct EndpointRuleTests {
  @Test(arguments: [
    Rule("traffic: {blue: 100}", nil),
    Rule("traffic: {blue: 90, green: 10}", nil),
    Rule("traffic: {blue: 0, green: 0}", nil),
    Rule("traffic: {}", nil),
    Rule("traffic:", nil),
    Rule("traffic: blue=90 green=10", nil),
    Rule("traffic: blue=90,green=10", nil),
    Rule("traffic: {blue: 99}", "traffic: expected percents that sum to 0 or 100, they sum to 99 (line 2)"),
    Rule("traffic: {blue: 91, green: 10}", "traffic: expected percents that sum to 0 or 100, they sum to 101 (line 2)"),
    Rule("traffic: {blue: 1}", "traffic: expected percents that sum to 0 or 100, they sum to 1 (line 2)"),
    Rule("traffic: {blue: 110, green: -10}", "traffic: expected percents of 0 to 100, got 110 for 'blue' (line 2)"),
    Rule("traffic: {blue: 9223372036854775807}", "traffic: expected percents of 0 to 100, got 9223372036854775807 for 'blue' (line 2)"),
    Rule("traffic: {blue: 50.5}", "traffic.blue: expected a whole percent, got 50.5 (line 2)"),
    Rule("traffic: {blue: \"100\"}", "traffic.blue: expected a whole percent, got '100' (line 2)"),
    Rule("traffic: {b: 100}", "traffic.b: expected 3 to 32 characters, got 1 in 'b' (line 2)"),
    Rule("traffic: b=100", "traffic: expected 3 to 32 characters, got 1 in 'b' (line 2)"),
    Rule("traffic: blue=99", "traffic: expected percents that sum to 0 or 100, they sum to 99 (line 2)"),
    Rule("traffic: blue", "traffic: expected deployment=percent as in \"blue=90 green=10\", got 'blue' (line 2)"),
    Rule("traffic: blue=x", "traffic: expected deployment=percent as in \"blue=90 green=10\", got 'blue=x' (line 2)"),
    Rule("traffic: =100", "traffic: expected deployment=percent as in \"blue=90 green=10\", got '=100' (line 2)"),
    Rule("traffic: blue=50 blue=50", "traffic: the deployment 'blue' is given twice (line 2)"),
    Rule("traffic: [blue]", "traffic: expected an object, got a list of 1 (line 2)"),
  ])
  func `the shares of live traffic sum to a hundred or to nothing`(_ rule: Rule) throws {
    #expect(try findings(OnlineEndpoint.self, "name: churn\n" + rule.lines) == [rule.finding].compactMap(\.self))
  }

  @Test(arguments: [
    Rule("mirror_traffic: {red: 50}", nil),
    Rule("mirror_traffic: {red: 0}", nil),
    Rule("mirror_traffic: {blue: 0}", nil),
    Rule("mirror_traffic: {green: 10}", nil),
    Rule("mirror_traffic: {}", nil),
    Rule("mirror_traffic: red=10", nil),
    Rule("mirror_traffic: {red: 51}", "mirror_traffic: expected a percent of 0 to 50, got 51 for 'red' (line 3)"),
    Rule("mirror_traffic: {red: -1}", "mirror_traffic: expected a percent of 0 to 50, got -1 for 'red' (line 3)"),
    Rule("mirror_traffic: {red: 5, tan: 5}", "mirror_traffic: expected one deployment, got 2: 'red', 'tan' (line 3)"),
    Rule(
      "mirror_traffic: {blue: 10}",
      "mirror_traffic: 'blue' takes 100 % of the live traffic: expected a deployment that takes none (line 3)"),
  ])
  func `copies go to one deployment without live traffic, of at most half of the requests`(_ rule: Rule) throws {
    let yaml = "name: churn\ntraffic: {blue: 100, green: 0}\n" + rule.lines
    #expect(try findings(OnlineEndpoint.self, yaml) == [rule.finding].compactMap(\.self))
  }

  @Test func `shares of nothing are not kept`() throws {
    let endpoint = try resource(
      OnlineEndpoint.self, "name: churn\ntraffic: {blue: 100, green: 0}\nmirror_traffic: {red: 0}")
    #expect(endpoint.traffic == ["blue": 100])
    #expect(endpoint.mirrorTraffic == nil)
  }

  @Test func `the short form is the map`() throws {
    #expect(try Traffic.percents(parsing: "blue=90 green=10", of: "--traffic") == ["blue": 90, "green": 10])
    #expect(try Traffic.percents(parsing: "", of: "--traffic") == [:])
    let error = #expect(throws: ResourceError.self) { try Traffic.percents(parsing: "blue=", of: "--traffic") }
    #expect(error?.description == "--traffic: expected deployment=percent as in \"blue=90 green=10\", got 'blue='")
  }

  @Test func `more deployments than the limit are refused in both forms, and the limit is told`() throws {
    let names = (1...Traffic.maxDeployments + 1).map { "dep\($0)" }
    let map = "name: churn\ntraffic: {\(names.map { "\($0): 0" }.joined(separator: ", "))}"
    let short = "name: churn\ntraffic: \(names.map { "\($0)=0" }.joined(separator: " "))"
    for yaml in [map, short] {
      #expect(try findings(OnlineEndpoint.self, yaml) == ["traffic: expected at most 100 deployments, got 101 (line 2)"])
    }
  }

  @Test(arguments: [
    ("ab", "expected 3 to 32 characters, got 2 in 'ab'"),
    ("abc", nil),
    ("aB3-9z", nil),
    (String(repeating: "a", count: 32), nil),
    (String(repeating: "a", count: 33), "expected 3 to 32 characters, got 33 in '\(String(repeating: "a", count: 33))'"),
    ("1abc", "expected a letter, then letters, digits and '-', with no '-' at the end, got '1abc'"),
    ("-abc", "expected a letter, then letters, digits and '-', with no '-' at the end, got '-abc'"),
    ("abc-", "expected a letter, then letters, digits and '-', with no '-' at the end, got 'abc-'"),
    ("a_bc", "expected a letter, then letters, digits and '-', with no '-' at the end, got 'a_bc'"),
    ("a bc", "expected a letter, then letters, digits and '-', with no '-' at the end, got 'a bc'"),
    ("ärger", "expected a letter, then letters, digits and '-', with no '-' at the end, got 'ärger'"),
    ("", "expected 3 to 32 characters, got 0 in ''"),
  ] as [(String, String?)])
  func `names are of three to thirty-two letters, digits and dashes`(_ name: String, _ message: String?) {
    let expected = message.map { [Finding(.error, at: "name", $0)] } ?? []
    #expect(OnlineEndpoint.read(SourceDocument(["name": .string(name)]), folder: "/").findings == expected)
    #expect(OnlineEndpoint.read(rest: ["properties": [:]], names: [name]).findings == expected)
    let deployment: Document = ["name": .string(name), "endpoint_name": "churn"]
    #expect(OnlineDeployment.read(SourceDocument(deployment), folder: "/").findings == expected)
    #expect(OnlineDeployment.read(rest: ["properties": [:]], names: ["churn", name]).findings == expected)
  }

  @Test func `what has no name is told so`() throws {
    #expect(try findings(OnlineEndpoint.self, "auth_mode: key") == ["name: expected a name, got nothing (line 1)"])
    #expect(
      try findings(OnlineDeployment.self, "name: 7") == [
        "name: expected a string, got 7 (line 1)", "endpoint_name: expected a name, got nothing (line 1)",
      ])
  }

  @Test(arguments: [
    ("key", AuthMode.key), ("Key", .key), ("AML_TOKEN", .amlToken), ("AMLToken", .amlToken), ("aml_token", .amlToken),
    ("AADToken", .aadToken), ("aad_token", .aadToken),
  ])
  func `words of both forms are understood in both, in any case`(_ word: String, _ mode: AuthMode) throws {
    #expect(try resource(OnlineEndpoint.self, "name: churn\nauth_mode: \(word)").authMode == mode)
    let body: Document = ["properties": ["authMode": .string(word)]]
    #expect(try OnlineEndpoint.read(rest: body, names: ["churn"]).get().authMode == mode)
  }

  @Test func `a word that is none is told which there are, and the nearest`() throws {
    #expect(
      try findings(OnlineEndpoint.self, "name: churn\nauth_mode: aml_tokn") == [
        "auth_mode: expected 'key', 'aml_token' or 'aad_token', got 'aml_tokn'. Did you mean 'aml_token'? (line 2)"
      ])
    let body: Document = ["properties": ["publicNetworkAccess": "open"]]
    #expect(
      OnlineEndpoint.read(rest: body, names: ["churn"]).findings.map(\.description) == [
        "properties.publicNetworkAccess: expected 'Enabled' or 'Disabled', got 'open'"
      ])
  }

  @Test func `REST has the words of Azure Resource Manager`() throws {
    let rest = OnlineEndpoint(
      name: "churn", authMode: .amlToken, identity: Identity(kind: .userAssigned, userAssigned: ["/id"]),
      traffic: ["blue": 100], mirrorTraffic: MirrorTraffic(deployment: "red", percent: 5),
      publicNetworkAccess: .disabled
    ).rest(ResourceStatus(id: "/x", provisioningState: .succeeded, scoringURI: "http://a/score", deployments: ["blue", "red"]))
    #expect(
      rest == [
        "id": "/x", "name": "churn", "type": "Microsoft.MachineLearningServices/workspaces/onlineEndpoints",
        "kind": "Managed", "identity": ["type": "UserAssigned", "userAssignedIdentities": ["/id": [:]]],
        "properties": [
          "authMode": "AMLToken", "traffic": ["blue": 100, "red": 0], "mirrorTraffic": ["red": 5],
          "publicNetworkAccess": "Disabled", "scoringUri": "http://a/score", "provisioningState": "Succeeded",
        ],
      ])
  }

  @Test func `keys come in with a body and are never printed`() throws {
    let body: Document = ["sku": ["name": "Default"], "properties": ["keys": ["primaryKey": "one", "secondaryKey": "two"]]]
    let endpoint = try OnlineEndpoint.read(rest: body, names: ["churn"]).get()
    #expect(endpoint.keys == EndpointKeys(primary: "one", secondary: "two"))
    #expect(endpoint.rest()["properties"]?["keys"] == nil)
    #expect(endpoint.cliForm()["keys"] == nil)
    #expect(
      try findings(OnlineEndpoint.self, "name: churn\nkeys: {primary_key: a}").first?.hasPrefix("keys: unknown key") == true)
  }

  @Test(arguments: [
    Rule("apus: {sticky: yes}", nil),
    Rule("apus: {requests_per_second: 5, burst: 1}", nil),
    Rule("apus: {}", nil),
    Rule("apus: {burst: 1}", "apus.burst: expected requests_per_second beside it, which it goes beyond (line 2)"),
    Rule(
      "apus: {requests_per_second: 0}",
      "apus.requests_per_second: expected a whole number of 1 to 1000000000, got 0 (line 2)"),
    Rule(
      "apus: {max_requests_in_flight: -1}",
      "apus.max_requests_in_flight: expected a whole number of 1 to 1000000000, got -1 (line 2)"),
    Rule(
      "apus: {bytes_per_second: 1000000000001}",
      "apus.bytes_per_second: expected a whole number of 1 to 1000000000000, got 1000000000001 (line 2)"),
    Rule("apus: {stiky: true}", "apus.stiky: unknown key. Did you mean 'sticky'? (line 2)"),
    Rule("apus: {sticky: maybe}", "apus.sticky: expected true or false, got 'maybe' (line 2)"),
  ])
  func `what is our own stands under our own key and is checked like the rest`(_ rule: Rule) throws {
    #expect(try findings(OnlineEndpoint.self, "name: churn\n" + rule.lines) == [rule.finding].compactMap(\.self))
  }

  @Test func `a default says nothing of our own key`() {
    #expect(OnlineEndpoint(name: "churn").cliForm()["apus"] == nil)
    #expect(OnlineDeployment(name: "blue", endpointName: "churn").rest()["properties"]?["apus"] == nil)
    let endpoint = OnlineEndpoint(name: "churn", extensions: EndpointExtensions(isSticky: true, maxRequestsInFlight: 3))
    #expect(endpoint.rest()["properties"]?["apus"] == ["sticky": true, "maxRequestsInFlight": 3])
  }

  @Test(arguments: [
    Rule("compute: azureml:k8s", "compute: has no effect"),
    Rule("public_network_access: disabled", nil),
    Rule("public_network_access: enabled", nil),
    Rule("identity: {type: system_assigned}", "identity: has no effect"),
  ])
  func `what an endpoint can't have here is answered with a warning and its line`(_ rule: Rule) throws {
    let reading = OnlineEndpoint.read(try SourceDocument(yaml: "name: churn\n" + rule.lines), folder: "/")
    _ = try reading.get()
    #expect(reading.warnings.count == (rule.finding == nil ? 0 : 1))
    #expect(reading.warnings.allSatisfy { $0.line == 2 && $0.description.hasPrefix(rule.finding ?? "") })
  }
}
