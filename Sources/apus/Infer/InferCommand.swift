internal import ApusClient
internal import ArgumentParser
internal import Foundation

/// Sends one request to a model and prints its answer.
struct InferCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "infer",
    abstract: "Send one request to a model.",
    discussion: """
      An input is NAME=VALUE, or NAME:SHAPE=VALUE with a shape such as 1,3,224,224. VALUE is JSON or a file:
        [[1,2],[3,4]]   JSON; the shape is that of the nesting
        @values.json    the same from a file
        @array.npy      a NumPy array of the input's datatype
        @tensor.bin     the bytes as they are: little-endian, row-major
      Datatypes are the model's own, as its metadata says. A flat list, or a .bin file, takes the input's shape where \
      that leaves one length open at most.

      EXAMPLES:
        apus infer identity --input 'x=[[1.5, 2.5]]'
        apus infer magika --input bytes=@features.npy --classification 3
        apus infer resnet --input data:1,3,224,224=@image.bin --output logits --json
        apus infer text --input 'prompt=["hello"]'
        apus infer identity --request request.json --json
      """)

  @Argument(help: "The model.")
  var model: String

  @Option(help: ArgumentHelp("Its version. (default: the server chooses)", valueName: "version"))
  var version = ""

  @Option(
    name: [.customShort("i"), .long],
    help: ArgumentHelp("An input: NAME[:SHAPE]=VALUE. Repeatable.", valueName: "input"))
  var input: [String] = []

  @Option(
    help: ArgumentHelp("The whole request in the protocol's REST form; - is standard input.", valueName: "file"))
  var request: String?

  @Option(
    name: [.customShort("o"), .long],
    help: ArgumentHelp("An output to ask for. Repeatable. (default: all)", valueName: "name"))
  var output: [String] = []

  @Option(help: ArgumentHelp("The so many best classes of each output, with labels.", valueName: "n"))
  var classification: Int?

  @Option(help: ArgumentHelp("Comes back in the answer.", valueName: "id"))
  var id: String?

  @Flag(help: "Print the answer in the protocol's REST form.")
  var json = false

  @OptionGroup var client: ClientOptions

  func validate() throws {
    if request != nil, !input.isEmpty { throw ValidationError("--request has the inputs already; leave out --input") }
    if request == nil, input.isEmpty { throw ValidationError("give the inputs with --input, or --request") }
    if let classification, classification < 1 { throw ValidationError("--classification is 1 or more") }
  }

  func run() async throws {
    try await ExitStatus.report {
      let client = try client.makeClient()
      let answer = try await client.infer(try await makeRequest(client))
      print(json ? try answer.json.text() : answer.readable())
    }
  }

  private func makeRequest(_ client: InferenceClient) async throws -> InferRequest {
    var made: InferRequest
    var outputs = output
    if let request {
      let source = request == "-" ? "standard input" : request
      made = try InferRequest(
        json: try JSONValue(parsing: try text(of: request), from: source), model: model, from: source)
    } else {
      let metadata = try await client.modelMetadata(model, version: version)
      made = InferRequest(model: model, inputs: [])
      for argument in input { made.inputs.append(try InputArgument.tensor(argument, model: metadata)) }
      if classification != nil, outputs.isEmpty { outputs = metadata.outputs.map(\.name) }
    }
    made.version = version
    if let id { made.id = id }
    if !outputs.isEmpty { made.outputs = outputs.map { InferRequest.Output(name: $0) } }
    if let classification {
      if made.outputs.isEmpty { throw UsageError("--classification with --request needs --output") }
      for index in made.outputs.indices { made.outputs[index].classCount = classification }
    }
    return made
  }

  private func text(of file: String) throws(UsageError) -> String {
    if file == "-" { return String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) }
    guard let content = FileManager.default.contents(atPath: file) else { throw UsageError("can't read \(file)") }
    return String(decoding: content, as: UTF8.self)
  }
}
