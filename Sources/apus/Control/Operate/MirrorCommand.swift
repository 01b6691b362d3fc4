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
      discussion: """
        A table has a row for each output of the model; the other forms have all there is. Answers count as different \
        (mismatched_requests, what a rollout's --max-mismatch is held against) if any label differs, if a number of an \
        output without labels is beyond the tolerance, or if an output is missing or has another shape or datatype.
        """)

    static let columns = [
      TableColumn("output", "name"), TableColumn("elements", "elements"), TableColumn("unequal", "unequal_elements"),
      TableColumn("largest difference", "max_absolute_difference"), TableColumn("mean difference", "mean_absolute_difference"),
      TableColumn("beyond tolerance", "beyond_tolerance"), TableColumn("labels", "labels"),
      TableColumn("other labels", "mismatched_labels"),
    ]

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
            output.say(Report.summary(report))
            return try output.show(SnakeCase.converted(report["outputs"] ?? []), columns: Report.columns)
          }
          try output.show(SnakeCase.converted(report))
        }
      }
    }

    /// What was counted, of all outputs together.
    private static func summary(_ report: Document) -> String {
      func count(_ key: String) -> Int { report[key]?.int ?? 0 }
      let hasLabels = (report["outputs"]?.array ?? []).contains { $0["labels"]?.int ?? 0 > 0 }
      return """
        \(report["shadow"]?.string ?? "") against \(report["live"]?.string ?? ""): \
        \(count("comparedRequests")) answers compared; the shadow failed in \(count("shadowFailures")) more
        another label: \(hasLabels ? "\(count("requestsWithOtherLabels"))" : "no output has labels")
        a number that is not exactly the same: \(count("requestsWithOtherNumbers"))
        other outputs, shapes or datatypes: \(count("requestsWithOtherStructure"))
        count as different: \(count("mismatchedRequests"))
        """
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
