internal import ApusClient
internal import ArgumentParser
internal import Arrivals
internal import Foundation
internal import LoadTesting

/// Runs a load test and reports what it measured.
struct RunLoadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Load-test models, or one gRPC method.",
    discussion: """
      Closed loop by default: --concurrency calls are in flight all the time. With --rate, --trace or --find-rate requests \
      are sent when they are due, whatever comes back, and latency counts from then.

      Models are NAME, NAME=WEIGHT, NAME@PRIORITY or NAME=WEIGHT@PRIORITY. Progress and remarks go to standard error, the \
      table to standard output. Ctrl-C ends the test with a report of what was measured; a second one at once.

      The exit status is 1 if an answer that was checked is wrong, if nothing was answered, or if a bound is not kept.
      """)

  @Argument(help: "The models.")
  var models: [String] = []

  @OptionGroup(title: "LOAD") var pace: LoadPaceOptions

  @OptionGroup(title: "INPUTS") var inputs: LoadInputOptions

  @Option(help: ArgumentHelp("Event-loop threads.", valueName: "n"))
  var threads = 1

  @Option(help: ArgumentHelp("Connections of all threads together.", valueName: "n"))
  var connections = 1

  @Option(
    help: ArgumentHelp(
      "Most calls in flight on a connection. (default: 1000, or what --concurrency needs)", valueName: "n"))
  var streams: Int?

  @Option(
    help: ArgumentHelp("Deadline of every call; the server is told. (default: none)", valueName: "time"),
    transform: TimeSpan.parse)
  var deadline: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "Give so many per cent of the calls up while they are in flight; they count as CANCELLED.", valueName: "percent"))
  var cancel = 0.0

  @Option(help: ArgumentHelp("NAME=VALUE: a header of every call. Repeatable.", valueName: "field"))
  var metadata: [String] = []

  @Flag(help: "Poll without rest, so that requests leave within microseconds of when they are due.")
  var precise = false

  @Option(
    help: ArgumentHelp(
      "Compare the first hundred answers, and then one in so many, with the first; 0: none.", valueName: "n"))
  var checkEvery = 100

  @Option(
    help: ArgumentHelp(
      "How far floats may differ from the first answer: by so much, or by that share above 1.", valueName: "x"))
  var tolerance = 0.0

  @Option(help: ArgumentHelp("The server's process on this machine: its CPU and memory are reported.", valueName: "n"))
  var pid: Int32?

  @Option(help: ArgumentHelp("Write the report as JSON.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("Write a row a window.", valueName: "file"))
  var csv: String?

  @Option(help: ArgumentHelp("Write a page with charts.", valueName: "file"))
  var html: String?

  @Flag(help: "Leave out the progress.")
  var quiet = false

  @OptionGroup var client: ClientOptions

  func validate() throws {
    if models.isEmpty == (inputs.method == nil) {
      throw ValidationError("name the models to test, or a method with --method")
    }
    if !(1...256).contains(threads) { throw ValidationError("--threads is \(threads); expected 1 to 256") }
    if !(1...100_000).contains(connections) {
      throw ValidationError("--connections is \(connections); expected 1 to 100000")
    }
    if threads > connections {
      throw ValidationError("--threads is \(threads), with \(connections) connections: each thread needs one")
    }
    if let streams, !(1...100_000).contains(streams) {
      throw ValidationError("--streams is \(streams); expected 1 to 100000")
    }
    if checkEvery < 0 { throw ValidationError("--check-every is \(checkEvery); expected 0 or more") }
    if !(tolerance >= 0) { throw ValidationError("--tolerance is \(tolerance); expected 0 or more") }
    if !(0...50).contains(cancel) { throw ValidationError("--cancel is \(cancel); expected 0 to 50 per cent") }
    if let deadline, deadline.duration <= .zero { throw ValidationError("--deadline is \(deadline); expected more") }
  }

  func run() throws {
    try ExitStatus.report {
      let signals = LoadSignals()
      let targets = LoadTargets(
        models: try models.map { argument throws(UsageError) in try LoadModel(argument: argument) },
        inputs: inputs, tolerance: checkEvery > 0 ? tolerance : nil)
      var client = WaitingClient(client: try client.makeClient())
      for field in try fields() { client.metadata.append(field.name, field.value) }
      let made = try targets.make(client, trace: try trace())
      let run = try LoadRun(made.workload, try options(), trace: made.trace)
      signals.interrupt(run)
      try run.connect()
      var report = report(made.workload, client)
      let progress = LoadProgress(isQuiet: quiet)
      let session = LoadSession(run: run, pace: pace, client: client, models: targets.modelNames, progress: progress)
      session.measure(&report, defaultConcurrency: defaultConcurrency)
      progress.clear()
      try finish(report)
    }
  }

  private var defaultConcurrency: Int { streams.map { $0 * connections } ?? 1 }

  private func trace() throws -> ArrivalTrace? {
    guard let path = pace.trace else { return nil }
    return try ArrivalTrace(String(decoding: try LoadInputs.content(path), as: UTF8.self), from: path)
  }

  private func fields() throws(UsageError) -> [(name: String, value: String)] {
    var fields: [(name: String, value: String)] = []
    for argument in metadata {
      guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
        throw UsageError("--metadata '\(argument)': expected NAME=VALUE")
      }
      fields.append((argument[..<equals].lowercased(), String(argument[argument.index(after: equals)...])))
    }
    return fields
  }

  private func options() throws -> LoadOptions {
    var options = LoadOptions(address: client.address)
    if client.usesTLS {
      var tls = LoadOptions.TLS()
      tls.caFile = client.ca ?? ""
      tls.certificateFile = client.certificate ?? ""
      tls.keyFile = client.key ?? ""
      options.tls = tls
    }
    options.threads = threads
    options.connections = connections
    options.streams = streamLimit
    options.metadata = try fields()
    options.deadlineNanoseconds = deadline?.nanoseconds
    options.isPrecise = precise
    options.seed = inputs.seed
    options.checkEvery = checkEvery
    options.cancelShare = cancel / 100
    options.windowNanoseconds = pace.window.nanoseconds
    options.warmUpNanoseconds = pace.warmUp.nanoseconds
    options.process = try pid.map { pid throws(LoadError) in try WatchedProcess(pid: pid) }
    return options
  }

  private var streamLimit: Int {
    if let streams { return streams }
    guard pace.isClosedLoop else { return 1000 }
    let most = pace.concurrency.flatMap { LoadRange($0) }.map { Int(max($0.first, $0.last)) } ?? 1
    return (most + connections - 1) / connections
  }

  private func report(_ workload: Workload, _ client: WaitingClient) -> LoadReport {
    let server = inputs.method == nil ? try? client.wait { try await $0.serverMetadata(options: $1) } : nil
    var report = LoadReport(
      address: client.client.addresses.joined(separator: ","), server: server.map { "\($0.name) \($0.version)" } ?? "", started: Date(),
      threads: threads, connections: connections, streams: streamLimit, seed: inputs.seed,
      targets: workload.targets.map { target in
        let sizes = target.inputs.map(\.message.count)
        return LoadReport.Target(
          name: target.name, method: target.method, weight: target.weight, inputs: target.inputs.count,
          leastBytes: sizes.min() ?? 0, mostBytes: sizes.max() ?? 0)
      })
    report.bounds = pace.bounds
    return report
  }

  private func finish(_ report: LoadReport) throws {
    print(report.readable)
    if let line = report.checkLine { ExitStatus.say(line) }
    let files = [(json, { try report.json.text() + "\n" }), (csv, { report.csv }), (html, { report.html })]
    for (path, content) in files {
      guard let path else { continue }
      guard FileManager.default.createFile(atPath: path, contents: Data(try content().utf8)) else {
        throw UsageError("can't write \(path)")
      }
    }
    for fault in report.faults { ExitStatus.say("apus: \(fault)") }
    if !report.faults.isEmpty { throw ExitStatus.failed }
  }
}
