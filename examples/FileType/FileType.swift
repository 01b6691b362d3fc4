internal import ApusClient
internal import ArgumentParser
internal import Foundation

/// Names the kind of each file, by its bytes alone: an example of a program that asks a model on a server.
@main struct FileType: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "FileType",
    abstract: "Say what kind of file each of these is, by its bytes.",
    discussion: """
      Asks the model magika on a server that speaks the Open Inference Protocol.

      EXAMPLE:
        apus serve --model-repository models &
        FileType Package.swift /bin/ls
      """)

  @Option(help: "The server's address.")
  var server = "127.0.0.1:8001"

  @Option(help: "The model's name on the server.")
  var model = "magika"

  @Flag(help: "Show the three best guesses.")
  var all = false

  @Argument(help: "The files.")
  var files: [String]

  func run() async throws {
    do throws(ClientError) {
      var options = InferenceClient.Options()
      options.timeout = .seconds(30)
      let client = try InferenceClient(server, options: options)
      for file in files { print("\(file): \(try await describe(file, client))") }
    } catch {
      FileHandle.standardError.write(Data("FileType: \(error)\n".utf8))
      throw ExitCode(error.origin == .connection ? 69 : 1)
    }
  }

  private func describe(_ file: String, _ client: InferenceClient) async throws(ClientError) -> String {
    guard let content = FileManager.default.contents(atPath: file) else { return "can't be read" }
    if content.isEmpty { return "empty" }
    guard let features = Features.extract(Array(content)) else { return "too short to tell" }

    let input = Tensor(name: "bytes", features, shape: [1, Int64(features.count)])
    var request = InferRequest(model: model, inputs: [input])
    request.outputs = [.init(name: "target_label", classCount: 3)]
    let answer = try await client.infer(request)

    let guesses = (answer["target_label"]?.strings ?? []).compactMap(Guess.init)
    guard let best = guesses.first else {
      throw ClientError(.client, .internal, "model \(model) has no labels on this server, so its classes have no names")
    }
    return all ? guesses.map(\.text).joined(separator: ", ") : best.text
  }
}
