internal import ArgumentParser
internal import Documents

/// Traffic that moves to a new deployment in steps, watched by the server, and goes back by itself.
struct RolloutCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollout", abstract: "Move an endpoint's traffic to a new deployment in watched steps.",
    discussion: """
      The server compares the new deployment's errors and latency with the old one's at each step. When a bound is \
      broken, all traffic goes back by itself.

      EXAMPLES:
        apus rollout start -e churn -d green
        apus rollout start -e churn -d green --steps 10,50,100 --hold 5m --max-latency-ratio 1.2 --mirror 20
        apus rollout status -e churn --watch
        apus rollout abort -e churn
      """,
    subcommands: [Start.self, Status.self, Pause.self, Resume.self, Abort.self, Promote.self])

  static let columns = [
    TableColumn("endpoint", "name"), TableColumn("from", "from"), TableColumn("to", "deployment"),
    TableColumn("state", "state"), TableColumn("percent", "percent"), TableColumn("progress", "progress"),
  ]

  static func path(_ endpoint: String) -> String { "\(ResourcePath.endpoint(endpoint))/rollout" }

  struct Start: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Begin a rollout, and follow it to its end.",
      discussion: """
        Ends with status 0 when the new deployment has all the traffic of the two, and 1 when the rollout went back. \
        'none' takes a bound away.
        """)

    @OptionGroup var endpoint: EndpointOption

    @Option(name: [.customShort("d"), .long], help: ArgumentHelp("The new deployment.", valueName: "name"))
    var deploymentName: String

    @Option(help: ArgumentHelp("The deployment to take traffic from. (default: the one with most of it)", valueName: "name"))
    var from: String?

    @Option(
      parsing: .upToNextOption,
      help: ArgumentHelp(
        "Percents of the two's traffic, ascending, apart by spaces or commas. (default: 1,5,10,25,50,100)", valueName: "percent"))
    var steps: [String] = []

    @Option(help: ArgumentHelp("How long each step is watched. (default: 1m)", valueName: "time"), transform: TimeSpan.parse)
    var hold: TimeSpan?

    @Option(help: ArgumentHelp("Answers of the new deployment that each step needs. (default: 20)", valueName: "n"))
    var minimumRequests: Int?

    @Option(
      help: ArgumentHelp(
        "The longest that a step may take, such as one without enough requests. (default: 1h more than it is watched)",
        valueName: "time"),
      transform: TimeBound.parse)
    var stepTimeout: TimeBound?

    @Option(help: ArgumentHelp("What then: roll-back or pause. (default: roll-back)", valueName: "what"))
    var onStepTimeout: TimeoutAction?

    @Option(help: ArgumentHelp("Most that its error rate may exceed the old one's by; 0.01 is a percentage point. (default: 0.01)", valueName: "share"))
    var maxErrorDifference: Bound?

    @Option(help: ArgumentHelp("Most that its error rate may be, as a multiple of the old one's. (default: none)", valueName: "ratio"))
    var maxErrorRatio: Bound?

    @Option(help: ArgumentHelp("Most that its latency may be, as a multiple of the old one's. (default: 1.5)", valueName: "ratio"))
    var maxLatencyRatio: Bound?

    @Option(help: ArgumentHelp("The percentile of latency that is compared. (default: 95)", valueName: "percentile"))
    var latencyPercentile: Double?

    @Option(help: ArgumentHelp("First mirror so many percent of the traffic, and compare the answers.", valueName: "percent"))
    var mirror: Int?

    @Option(help: ArgumentHelp("How long to mirror.", valueName: "time"), transform: TimeSpan.parse)
    var mirrorHold: TimeSpan?

    @Option(help: ArgumentHelp("Most answers that may differ, as a share.", valueName: "share"))
    var maxMismatch: Bound?

    @OptionGroup var wait: WaitOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    enum TimeoutAction: String, CaseIterable, ExpressibleByArgument {
      case rollBack = "roll-back"
      case pause

      var rest: Document { self == .rollBack ? "rollBack" : "pause" }
    }

    func validate() throws {
      do throws(UsageError) { _ = try RolloutSteps.parse(steps) } catch { throw ValidationError(error.message) }
      if mirror == nil, mirrorHold != nil || maxMismatch != nil {
        throw ValidationError("--mirror-hold and --max-mismatch go with --mirror")
      }
    }

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let name = try endpoint.name(in: session)
        try await ControlClient.with(session) { client in
          let begun = try await client.send(.put, path(name), body: ["properties": try plan()])
          if wait.noWait { return try output.show(Flattened.document(begun.body), columns: columns) }
          try await RolloutWatch(client: client, endpoint: name, output: output).untilOver()
        }
      }
    }

    /// What is not given is the server's to choose.
    private func plan() throws -> Document {
      var plan: Document.Object = ["deployment": .string(deploymentName)]
      if let from { plan["from"] = .string(from) }
      if !steps.isEmpty { plan["steps"] = .array(try RolloutSteps.parse(steps).map { .int($0) }) }
      if let hold { plan["hold"] = hold.iso8601 }
      if let minimumRequests { plan["minimumRequests"] = .int(minimumRequests) }
      if let stepTimeout { plan["stepTimeout"] = stepTimeout.document }
      if let onStepTimeout { plan["onStepTimeout"] = onStepTimeout.rest }
      var bounds = Document.Object()
      if let maxErrorDifference { bounds["maxErrorDifference"] = maxErrorDifference.document }
      if let maxErrorRatio { bounds["maxErrorRatio"] = maxErrorRatio.document }
      if let maxLatencyRatio { bounds["maxLatencyRatio"] = maxLatencyRatio.document }
      if let latencyPercentile { bounds["latencyPercentile"] = .double(latencyPercentile) }
      if !bounds.isEmpty { plan["bounds"] = .object(bounds) }
      if let mirror {
        var step: Document.Object = ["percent": .int(mirror)]
        if let mirrorHold { step["hold"] = mirrorHold.iso8601 }
        if let maxMismatch { step["maxMismatch"] = maxMismatch.document }
        plan["mirror"] = .object(step)
      }
      return .object(plan)
    }
  }

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how an endpoint's rollout goes, or how the last one went.")

    @OptionGroup var endpoint: EndpointOption

    @Flag(help: "Follow it to its end; the exit status is 1 if it goes back.")
    var watch = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var server: ServerOptions

    func run() async throws {
      try await ExitStatus.report {
        let session = try await server.session()
        let name = try endpoint.name(in: session)
        try await ControlClient.with(session) { client in
          if watch { return try await RolloutWatch(client: client, endpoint: name, output: output).untilOver() }
          try output.show(Flattened.document(try await client.send(.get, path(name)).body), columns: columns)
        }
      }
    }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Stay at this step; a broken bound still sends the traffic back.")
    @OptionGroup var steering: RolloutSteering
    func run() async throws { try await steering.send("pause") }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go on where it was paused.")
    @OptionGroup var steering: RolloutSteering
    func run() async throws { try await steering.send("resume") }
  }

  struct Abort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give all traffic back to the old deployment, now.")

    @Option(help: ArgumentHelp("Why, for the audit log.", valueName: "text"))
    var reason: String?

    @OptionGroup var steering: RolloutSteering
    func run() async throws { try await steering.send("abort", body: reason.map { ["reason": .string($0)] }) }
  }

  struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Give the new deployment the last step's share, now.")
    @OptionGroup var steering: RolloutSteering
    func run() async throws { try await steering.send("promote") }
  }
}

/// What the verbs that steer a rollout have in common.
struct RolloutSteering: ParsableArguments {
  @OptionGroup var endpoint: EndpointOption
  @OptionGroup var output: OutputOptions
  @OptionGroup var server: ServerOptions

  func send(_ verb: String, body: Document? = nil) async throws {
    try await ExitStatus.report {
      let session = try await server.session()
      let name = try endpoint.name(in: session)
      try await ControlClient.with(session) { client in
        let answer = try await client.send(.post, "\(RolloutCommand.path(name))/\(verb)", body: body ?? .object(.init()))
        try output.show(Flattened.document(answer.body), columns: RolloutCommand.columns)
      }
    }
  }
}

/// Follows a rollout, and tells each change of its state.
struct RolloutWatch {
  let client: ControlClient
  let endpoint: String
  let output: OutputOptions

  static let pause = Duration.seconds(1)

  func untilOver() async throws {
    let progress = ProgressLine(isQuiet: output.onlyShowErrors)
    defer { progress.clear() }
    while true {
      let answer = try await client.look(at: client.session.base + RolloutCommand.path(endpoint)) {
        progress.show(ProgressLine.Content(text: "rollout of \(endpoint): \($0); asking again", changing: ""))
      }
      let rollout = Flattened.document(answer.body)
      let state = rollout["state"]?.string ?? ""
      progress.show(ProgressLine.Content(
        text: "rollout of \(endpoint): \(state), \(rollout["percent"]?.int ?? 0) %", changing: rollout["progress"]?.string ?? ""))
      switch state {
      case "finished":
        progress.clear()
        return try output.show(rollout, columns: RolloutCommand.columns)
      case "rolledBack":
        progress.clear()
        try output.show(rollout, columns: RolloutCommand.columns)
        throw ControlError(
          status: 0, code: "RolledBack",
          message: "the rollout of \(endpoint) went back: \(rollout["reason"]?.string ?? "it gives no reason")")
      default: try await Task.sleep(for: RolloutWatch.pause)
      }
    }
  }
}

/// A number, or none: a bound that is not watched.
struct Bound: ExpressibleByArgument {
  let document: Document

  init?(argument: String) {
    if argument == "none" {
      document = .null
    } else if let number = Double(argument), number.isFinite {
      document = .double(number)
    } else {
      return nil
    }
  }
}

/// A time, or none: something that may take as long as it takes.
struct TimeBound {
  let document: Document

  static func parse(_ text: String) throws(UsageError) -> TimeBound {
    if text == "none" { return TimeBound(document: .null) }
    guard let span = TimeSpan(argument: text) else { throw UsageError("\(TimeSpan.form), or none") }
    return TimeBound(document: span.iso8601)
  }
}

extension TimeSpan {
  /// As REST writes times: `PT90S`, `PT0.5S`.
  var iso8601: Document {
    let (seconds, attoseconds) = duration.components
    let thousandths = attoseconds / 1_000_000_000_000_000
    if thousandths == 0 { return .string("PT\(seconds)S") }
    let digits = String(1000 + thousandths).dropFirst()
    return .string("PT\(seconds).\(digits)S")
  }
}
