internal import ArgumentParser
internal import LoadTesting

/// What the requests carry.
struct LoadInputOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Elements that are made up: random or zeros.", valueName: "kind"))
  var data = "random"

  @Option(help: ArgumentHelp("Different requests that are made up for each shape.", valueName: "n"))
  var inputs = 16

  @Option(
    help: ArgumentHelp(
      "Lengths of open axes, NAME:SHAPE[+NAME:SHAPE...][:PERCENT%]. Repeatable: a mix. (default: 1 each)",
      valueName: "shape"))
  var shape: [String] = []

  @Option(
    name: [.customShort("i"), .long],
    help: ArgumentHelp("One input as `apus infer` takes it: NAME[:SHAPE]=VALUE. Repeatable.", valueName: "input"))
  var input: [String] = []

  @Option(
    help: ArgumentHelp("Whole requests in the protocol's REST form: one, or a list.", valueName: "file"))
  var request: String?

  @Option(help: ArgumentHelp("A .npz file with an array of each input's name. Repeatable.", valueName: "file"))
  var npz: [String] = []

  @Option(
    help: ArgumentHelp(
      "NAME=FOLDER: a request for each file; an element of a BYTES input, or as --input reads it.",
      valueName: "folder"))
  var directory: String?

  @Option(help: ArgumentHelp("Decides what is made up, and when Poisson arrivals come.", valueName: "n"))
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("The models' version. (default: the server chooses)", valueName: "version"))
  var version = ""

  @Option(help: ArgumentHelp("Call this method instead of models: /package.Service/Method.", valueName: "path"))
  var method: String?

  @Option(
    help: ArgumentHelp(
      "With --method: a message's bytes, without gRPC's prefix. Repeatable. (default: an empty message)",
      valueName: "file"))
  var body: [String] = []

  func validate() throws {
    if GeneratedTensor.Values(rawValue: data) == nil {
      throw ValidationError("--data is '\(data)'; expected random or zeros")
    }
    if !(1...100_000).contains(inputs) { throw ValidationError("--inputs is \(inputs); expected 1 to 100000") }
    let whole = [request != nil, !npz.isEmpty].count { $0 }
    if whole > 1 || (whole == 1 && !(input.isEmpty && shape.isEmpty && directory == nil)) {
      throw ValidationError("--request and --npz have whole requests; leave out --input, --shape, --directory and each other")
    }
    if let method {
      guard method.hasPrefix("/"), method.dropFirst().split(separator: "/").count == 2 else {
        throw ValidationError("--method is '\(method)'; expected /package.Service/Method")
      }
    } else if !body.isEmpty {
      throw ValidationError("--body goes with --method")
    }
  }

  /// - Throws: `UsageError` for a shape that is none.
  func loadInputs() throws(UsageError) -> LoadInputs {
    var inputs = LoadInputs()
    inputs.values = GeneratedTensor.Values(rawValue: data) ?? .random
    inputs.count = self.inputs
    inputs.seed = seed
    inputs.fixed = input
    inputs.archives = npz
    inputs.folder = directory
    inputs.requests = request
    for argument in shape { inputs.mixes.append(try ShapeMix(argument: argument)) }
    return inputs
  }
}
