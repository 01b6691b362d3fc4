internal import ApusClient
internal import ArgumentParser

/// The server's repository: what is in it, and what is loaded.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models",
    abstract: "List, load and unload the models of a server.",
    discussion: """
      EXAMPLES:
        apus models
        apus models list --json
        apus models load magika
        apus models unload magika
      """,
    subcommands: [List.self, Load.self, Unload.self], defaultSubcommand: List.self)

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the models, their versions and states.")

    @Flag(help: "Leave out what is not ready.")
    var ready = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
      try await ExitStatus.report {
        let models = try await client.makeClient().repositoryIndex(onlyReady: ready)
        if json { return print(try JSONValue.array(models.map(\.json)).text()) }
        if models.isEmpty { return ExitStatus.say("the repository has no models\(ready ? " that are ready" : "")") }
        var table = TextTable(["NAME", "VERSION", "STATE", "REASON"])
        for model in models { table.append([model.name, model.version, model.state, model.reason]) }
        print(table.text)
      }
    }
  }

  struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Load a model, or load it anew, and wait until it is ready.")

    @Argument(help: "The model.")
    var model: String

    @OptionGroup var client: ClientOptions

    func run() async throws {
      try await ExitStatus.report {
        try await client.makeClient().load(model)
        ExitStatus.say("\(model) is loaded")
      }
    }
  }

  struct Unload: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a model out of service; requests that it has are still answered.",
      discussion: "A model that was not loaded is no error: it is said, and the status is 0.")

    @Argument(help: "The model.")
    var model: String

    @OptionGroup var client: ClientOptions

    func run() async throws {
      try await ExitStatus.report {
        let client = try client.makeClient()
        // The server takes an unload of anything, as Triton does: a mistyped name would pass for success.
        let wasInService = try await client.repositoryIndex().contains { entry in
          entry.name == model && ["READY", "LOADING", "UNLOADING"].contains(entry.state)
        }
        try await client.unload(model)
        ExitStatus.say(wasInService ? "\(model) is unloaded" : "\(model) was not loaded")
      }
    }
  }
}

extension ModelIndexEntry {
  var json: JSONValue {
    .object(["name": .string(name), "version": .string(version), "state": .string(state), "reason": .string(reason)])
  }
}
