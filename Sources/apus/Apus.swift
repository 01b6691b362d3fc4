internal import ArgumentParser

struct Apus: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apus",
    abstract: "Serve machine-learning models, and talk to servers that do.",
    discussion: """
      The server speaks the Open Inference Protocol over gRPC, with Triton's model repository, so clients of Triton \
      and KServe work as they are.

      EXAMPLES:
        apus serve --model-repository models
        apus status
        apus infer magika --input 'bytes=@features.npy' --classification 3
        apus models load magika
        apus load magika --rate 500

      Data goes to standard output, messages for people to standard error.

      EXIT STATUS:
        0    done
        1    the server or the request failed, or the server is not ready
        64   wrong usage: an option, a value or the configuration file
        69   the server can't be reached
      """,
    version: apusVersion,
    subcommands: [
      InitCommand.self, ServeCommand.self, InferCommand.self, ModelsCommand.self, StatusCommand.self, LoadCommand.self,
    ])
}

@main enum Program {
  /// On the main thread and before any other has begun, since `apus serve` has all threads leave signals to this one.
  @MainActor static func main() async {
    do {
      let command = try Apus.parseAsRoot()
      if let command = command as? any AsyncParsableCommand {
        try await run(command)
      } else {
        var command = command
        try command.run()
      }
    } catch {
      Apus.exit(withError: error)
    }
  }

  private static func run(_ command: sending any AsyncParsableCommand) async throws {
    var command = command
    try await command.run()
  }
}

/// What `apus --version` and the server's metadata say.
let apusVersion = "0.1.0"
