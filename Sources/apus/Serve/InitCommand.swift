internal import ApusServer
internal import ArgumentParser
internal import Control
internal import Inference
internal import Stores

/// Sets up the directory that endpoints are kept in.
struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init",
    abstract: "Set up a directory for endpoints, and the first administrator.",
    discussion: """
      Prints a secret that is good for one sign-in within \(DataDirectory.firstLoginHours) hours. Whoever uses it is the \
      administrator.

      EXAMPLES:
        apus init --data /var/lib/apus
        apus serve --data /var/lib/apus &
        apus login --server http://127.0.0.1:8003 --secret apus_once_…
      """)

  @Option(help: ArgumentHelp("The directory; made if it is not there.", valueName: "dir"))
  var data: String

  @Option(help: ArgumentHelp("Name of the first administrator.", valueName: "name"))
  var administrator = "admin"

  func run() async throws {
    do {
      let secret = try await DataDirectory(data).create(administrator: administrator)
      ExitStatus.say(
        """
        '\(data)' is set up. Serve it with

          apus serve --data \(data)

        and sign in as '\(administrator)', within \(DataDirectory.firstLoginHours) hours, with

          apus login --server http://127.0.0.1:8003 --secret \(secret)

        The secret is good once.
        """)
      print(secret)
    } catch let error as InferenceError {
      ExitStatus.say("apus: \(error.message)")
      throw ExitStatus.failed
    } catch let error as CatalogStoreError {
      ExitStatus.say("apus: \(error.message)")
      throw ExitStatus.failed
    }
  }
}
