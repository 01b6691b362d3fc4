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
        apus simulate magika --rate 2000 --find servers --p99 50ms
        apus login --server https://inference.example:8443 --secret -
        apus endpoint create -f endpoint.yml
        apus deployment create -f blue.yml --all-traffic
        apus endpoint invoke -n churn --request-file row.json

      Shells complete these words after 'apus --generate-completion-script bash' (or zsh, or fish); see the manual.

      Data goes to standard output, messages for people to standard error.

      EXIT STATUS:
        0    done
        1    the server or the request failed, or the server is not ready
        3    what is asked for is not there
        64   wrong usage: an option, a value or a file
        69   the server can't be reached
        77   not logged in, or no right to do this
      """,
    version: apusVersion,
    subcommands: [
      InitCommand.self, ServeCommand.self, InferCommand.self, ModelsCommand.self, StatusCommand.self, LoadCommand.self,
      SimulateCommand.self,
    ],
    groupedSubcommands: [
      CommandGroup(
        name: "Endpoint",
        subcommands: [
          EndpointCommand.self, DeploymentCommand.self, ModelCommand.self, EnvironmentCommand.self, InvokeEndpoint.self,
          GetCredentials.self, RegenerateKeys.self, GetLogs.self,
          RolloutCommand.self, MirrorCommand.self, AutoscaleCommand.self, ComputeCommand.self, OperationCommand.self,
          LocalCommand.self,
        ]),
      CommandGroup(
        name: "Access",
        subcommands: [
          LoginCommand.self, LogoutCommand.self, ConfigureCommand.self, RoleCommand.self, PrincipalCommand.self,
          AuditCommand.self,
        ]),
    ])
}

@main enum Program {
  /// On the main thread and before any other has begun, since `apus serve` has all threads leave signals to this one.
  @MainActor static func main() async {
    do {
      let arguments = Array(CommandLine.arguments.dropFirst())
      if let script = CompletionScript.asked(by: arguments) { return print(script) }
      let command = try Apus.parseAsRoot(EditOptions.joined(arguments))
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
