internal import ArgumentParser
internal import Documents

/// What mirrored traffic has shown: how far a shadow's answers are from the live ones.
struct MirrorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mirror", abstract: "See how the answers to mirrored traffic differ from the live ones.",
    discussion: """
      EXAMPLES:
        apus endpoint update -n churn --mirror-traffic "green=20"
        apus mirror report -e churn -o table
        apus mirror reset -e churn
      """,
    subcommands: [Report.self, Reset.self])

  struct Report: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how far the shadow's outputs are from the live ones.",
      discussion: "A table has a row for each output of the model; the other forms have all there is.")

    @OptionGroup var endpoint: EndpointOption
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let name = try endpoint.name(in: session)
        try await ControlClient.with(session) { client in
          let report = try await client.send(.get, "\(ResourcePath.endpoint(name))/mirrorReport").body
          if output.isTable {
            output.say(
              "\(report["shadow"]?.string ?? "") against \(report["live"]?.string ?? ""): "
                + "\(report["comparedRequests"]?.int ?? 0) compared, \(report["mismatchedRequests"]?.int ?? 0) differ, "
                + "\(report["shadowFailures"]?.int ?? 0) failed in the shadow")
            return try output.show(SnakeCase.converted(report["outputs"] ?? []))
          }
          try output.show(SnakeCase.converted(report))
        }
      }
    }
  }

  struct Reset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Begin the comparison anew.")

    @OptionGroup var endpoint: EndpointOption
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let name = try endpoint.name(in: session)
        try await ControlClient.with(session) { client in
          _ = try await client.send(.delete, "\(ResourcePath.endpoint(name))/mirrorReport")
        }
      }
    }
  }
}
