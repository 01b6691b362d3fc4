import Documents
import Resources
import Testing

/// Draws resources and takes each through both forms, as documents and as text, with and without what a server says.
@Suite struct RoundTripTests {
  static let seeds: ClosedRange<UInt64> = 1...20

  private func check<R: Resource>(_ resource: R, names: [String], status: ResourceStatus) throws {
    for status in [nil, status] {
      let cli = resource.cliForm(status)
      #expect(try R.read(SourceDocument(cli), folder: "/elsewhere").get() == resource, "\(cli.json())")
      #expect(try R.read(SourceDocument(yaml: cli.yaml()), folder: "/elsewhere").get() == resource, "\(cli.yaml())")
      let rest = resource.rest(status)
      #expect(try R.read(rest: rest, names: names).get() == resource, "\(rest.json())")
      #expect(try R.read(rest: Document(json: rest.json()), names: names).get() == resource, "\(rest.json())")
    }
  }

  @Test func `an endpoint that is printed, with what the server says, reads as it was`() throws {
    for seed in Self.seeds {
      var dice = ResourceDice(seed: seed)
      let endpoint = dice.endpoint()
      try check(endpoint, names: [endpoint.name], status: dice.status())
    }
  }

  @Test func `a deployment that is printed, with what the server says, reads as it was`() throws {
    for seed in Self.seeds {
      var dice = ResourceDice(seed: seed)
      let deployment = dice.deployment()
      try check(deployment, names: [deployment.endpointName, deployment.name], status: dice.status())
    }
  }

  @Test func `a model that is printed, with what the server says, reads as it was`() throws {
    for seed in Self.seeds {
      var dice = ResourceDice(seed: seed)
      let model = dice.model()
      try check(model, names: [model.name, model.version].compactMap(\.self), status: dice.status())
    }
  }

  @Test func `an environment that is printed, with what the server says, reads as it was`() throws {
    for seed in Self.seeds {
      var dice = ResourceDice(seed: seed)
      let environment = dice.environment()
      try check(environment, names: [environment.name, environment.version].compactMap(\.self), status: dice.status())
    }
  }

  @Test func `autoscale settings that are printed, with what the server says, read as they were`() throws {
    for seed in Self.seeds {
      var dice = ResourceDice(seed: seed)
      let settings = dice.autoscale()
      try check(settings, names: [settings.endpointName, settings.deploymentName], status: dice.status())
    }
  }

  /// The resource of a seed, whatever its kind.
  private func example(_ seed: UInt64) -> Example {
    var dice = ResourceDice(seed: seed)
    switch seed % 5 {
    case 0: return Example(dice.endpoint(), names: ["churn"])
    case 1: return Example(dice.deployment(), names: ["churn", "blue"])
    case 2: return Example(dice.model(), names: ["churn-model", "1"])
    case 3: return Example(dice.environment(), names: ["sklearn", "1"])
    default: return Example(dice.autoscale(), names: ["churn", "blue"])
    }
  }

  @Test(arguments: Form.both)
  func `no value of a drawn resource can be of the wrong kind without a finding there`(_ form: Form) throws {
    for seed: UInt64 in 1...10 {
      let example = example(seed)
      let document = try example.document(form)
      for (place, value) in document.places() where !place.isFree(in: form) {
        guard let damage = Damage.kinds(of: value, at: place).first else { continue }
        let errors = example.read(document.replacing(place, by: damage), in: form).errors
        #expect(errors.contains { $0.path == place.description }, "\(place) as \(damage.json()): \(errors)")
      }
    }
  }

  @Test(arguments: Form.both)
  func `what is read from a damaged document is refused, or is printed and read again as the same`(_ form: Form) throws {
    let damages: [Document] = [
      .null, true, 0, -1, .int(.max), .int(.min), 1e308, -0.5, "", "a=b", "\u{0}", "azureml:", "azureml:@", "P", "../..",
      .string(String(repeating: "a", count: 5000)), [], [[]], [.null], [:], ["": .null], ["a": ["b": [1]]],
    ]
    for seed: UInt64 in 1...20 {
      let example = example(seed)
      var dice = ResourceDice(seed: seed &+ 1000)
      var document = try example.document(form)
      for _ in 0..<3 {
        let places = document.places()
        document = document.replacing(dice.pick(places).place, by: dice.pick(damages))
        let outcome = example.read(document, in: form)
        #expect((outcome.resource == nil) == !outcome.errors.isEmpty)
        guard let cli = outcome.cli, let rest = outcome.rest else { continue }
        let second = example.read(form == .cli ? cli : rest, in: form)
        #expect(second.resource == outcome.resource, "\(document.json()): \(second.errors)")
        // The names of the other form are in the URL.
        guard form == .rest else { continue }
        let third = example.read(cli, in: .cli)
        #expect(third.resource == outcome.resource, "\(document.json()): \(third.errors)")
      }
    }
  }
}
