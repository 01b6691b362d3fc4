internal import ArgumentParser
internal import Documents

/// The private server that --local uses.
struct LocalCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "local", abstract: "The private server that --local uses.",
    discussion: """
      Any command takes --local, and then talks to a server of your own on this machine, which is started when none runs. \
      It is the same server: a deployment answers there as it does in production.

      EXAMPLES:
        apus endpoint create --local -f endpoint.yml
        apus deployment create --local -f blue.yml --all-traffic
        apus endpoint invoke --local -n churn --request-file row.json
        apus local stop
      """,
    subcommands: [Status.self, Stop.self])

  struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show whether it runs, and where.", discussion: "The exit status is 1 if it does not run.")
    @OptionGroup var output: OutputOptions

    func run() throws {
      try ExitStatus.report {
        let server = LocalServer.standard()
        let state = server.running()
        var shown: Document.Object = ["running": .bool(state != nil), "data": .string(server.folder), "log": .string(server.logFile)]
        if let state {
          shown["pid"] = .int(Int(state.process))
          shown["control"] = .string(state.control.description)
          shown["http"] = .string(state.http)
        }
        try output.show(.object(shown))
        if state == nil { throw ExitStatus.failed }
      }
    }
  }

  struct Stop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stop it; what it keeps is there when it is started again.")

    func run() async throws {
      try await ExitStatus.report {
        let wasRunning = try await LocalServer.standard().stop()
        ExitStatus.say(wasRunning ? "the local server has stopped" : "the local server was not running")
      }
    }
  }
}
