internal import ArgumentParser
internal import Documents
internal import Foundation
internal import Resources

/// Rules that change a deployment's number of instances.
struct AutoscaleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "autoscale", abstract: "Rules that change a deployment's number of instances.",
    discussion: """
      The form is that of 'az monitor autoscale'; what it calls a resource is a deployment here, by -e and -d.

      EXAMPLES:
        apus autoscale create -e churn -d blue --min-count 1 --max-count 5 --count 2
        apus autoscale rule create -e churn -d blue \\
          --condition "CpuUtilizationPercentage > 70 avg 5m" --scale out 2
        apus autoscale create -f autoscale.yml
      """,
    subcommands: [Create.self, Show.self, Delete.self, Rule.self])

  static let columns = [
    TableColumn("endpoint", "endpoint_name"), TableColumn("deployment", "deployment_name"),
    TableColumn("enabled", "enabled"),
    TableColumn("profiles") { settings in
      (settings["profiles"]?.array ?? []).map { profile in
        let capacity = profile["capacity"]
        return "\(profile["name"]?.string ?? ""): \(capacity?["minimum"]?.int ?? 0) to \(capacity?["maximum"]?.int ?? 0), "
          + "\(profile["rules"]?.array?.count ?? 0) rules"
      }.joined(separator: "; ")
    },
  ]

  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Set the bounds of a deployment's number of instances.",
      discussion: "Takes the place of rules that are there. Give the numbers, or a file with whole settings.")

    @OptionGroup var target: AutoscaleTarget

    @Option(help: ArgumentHelp("Fewest instances.", valueName: "n"))
    var minCount: Int?

    @Option(help: ArgumentHelp("Most instances.", valueName: "n"))
    var maxCount: Int?

    @Option(help: ArgumentHelp("Instances where nothing is measured. (default: the fewest)", valueName: "n"))
    var count: Int?

    @OptionGroup var file: FileOptions
    @OptionGroup var edits: EditOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func validate() throws {
      if file.file == nil, minCount == nil || maxCount == nil {
        throw ValidationError("give --min-count and --max-count, or --file")
      }
    }

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        var source = try file.read()
        func set(_ key: String, _ value: Document) throws { try source.apply(.set(DocumentPath([.key(key)]), value)) }
        if let endpoint = target.endpoint.endpointName ?? (source.root["endpoint_name"] == nil ? session.defaultEndpoint : nil) {
          try set("endpoint_name", .string(endpoint))
        }
        if let deployment = target.deploymentName { try set("deployment_name", .string(deployment)) }
        if let minCount, let maxCount {
          let capacity: Document = ["minimum": .int(minCount), "maximum": .int(maxCount), "default": .int(count ?? minCount)]
          try set("profiles", [["name": "default", "capacity": capacity, "rules": []]])
        }
        try edits.apply(to: &source)
        let settings = try Findings.resource(
          AutoscaleSettings.self, from: source, folder: file.folder, file: file.file, isQuiet: output.onlyShowErrors)
        try await ControlClient.with(session) { client in
          let path = AutoscaleTarget.path(settings.deploymentName, of: settings.endpointName)
          _ = try await client.send(.put, path, body: settings.rest())
          try output.show(settings.cliForm(), columns: columns)
        }
      }
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a deployment's bounds and rules.")
    @OptionGroup var target: AutoscaleTarget
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let names = try target.names(in: session)
        try await ControlClient.with(session) { client in
          let answer = try await client.send(.get, AutoscaleTarget.path(names[1], of: names[0]))
          try output.show(ServedResource<AutoscaleSettings>.shown(answer.body, names: names), columns: columns)
        }
      }
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a deployment's rules away; its number of instances stays as it is.")
    @OptionGroup var target: AutoscaleTarget
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let names = try target.names(in: session)
        guard try confirmation.confirm("Take away the rules of \(names[1]) of \(names[0])?") else { throw ExitStatus.failed }
        try await ControlClient.with(session) { client in
          _ = try await client.send(.delete, AutoscaleTarget.path(names[1], of: names[0]))
        }
      }
    }
  }

  struct Rule: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "rule", abstract: "The rules of a deployment.", subcommands: [CreateRule.self])
  }

  struct CreateRule: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "create", abstract: "Add a rule to a deployment's settings.",
      discussion: """
        A condition is METRIC {==,!=,>,>=,<,<=} THRESHOLD {avg,min,max,total,count,last} TIME; a change is 'out N' or \
        'in N'.
        """)

    @OptionGroup var target: AutoscaleTarget

    @Option(help: ArgumentHelp("When: \"CpuUtilizationPercentage > 70 avg 5m\".", valueName: "text"))
    var condition: String

    @Option(parsing: .upToNextOption, help: ArgumentHelp("What: out 2, or in 1.", valueName: "change"))
    var scale: [String]

    @Option(help: ArgumentHelp("Minutes, or a time with its unit, until the next change. (default: 5)", valueName: "time"))
    var cooldown: String?

    @Option(help: ArgumentHelp("The profile to add it to. (default: the one without a time)", valueName: "name"))
    var profileName: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let names = try target.names(in: session)
        try await ControlClient.with(session) { client in
          let path = AutoscaleTarget.path(names[1], of: names[0])
          let present = try await client.send(.get, path)
          let served = try ServedResource<AutoscaleSettings>(present.body, names: names)
          let place = served.value.profiles.firstIndex { profileName == nil ? $0.schedule == nil : $0.name == profileName }
          guard let place else { throw UsageError("--profile-name: there is no profile \(profileName ?? "without a time")") }
          var rule: Document.Object = ["condition": .string(condition), "scale": .string(scale.joined(separator: " "))]
          // az's number has no unit and means minutes.
          if let cooldown { rule["cooldown"] = .string(Int(cooldown) == nil ? cooldown : "\(cooldown)m") }
          var source = SourceDocument(served.value.cliForm())
          let rules = DocumentPath([.key("profiles"), .index(place), .key("rules")])
          try source.apply(.add(rules, [.object(rule)]), addsParents: true)
          let changed = try Findings.resource(
            AutoscaleSettings.self, from: source, folder: "/", file: nil, isQuiet: output.onlyShowErrors)
          _ = try await client.send(.put, path, body: changed.rest(), headers: present.unchangedSince)
          try output.show(changed.cliForm(), columns: columns)
        }
      }
    }
  }
}

/// The deployment whose instances are meant.
struct AutoscaleTarget: ParsableArguments {
  @OptionGroup var endpoint: EndpointOption

  @Option(name: [.customShort("d"), .long], help: ArgumentHelp("The deployment.", valueName: "name"))
  var deploymentName: String?

  /// The endpoint's name and the deployment's.
  func names(in session: Session) throws(UsageError) -> [String] {
    guard let deploymentName else { throw UsageError("give the deployment with --deployment-name") }
    return [try endpoint.name(in: session), deploymentName]
  }

  static func path(_ deployment: String, of endpoint: String) -> String {
    "\(ResourcePath.deployment(deployment, of: endpoint))/autoscale"
  }
}
