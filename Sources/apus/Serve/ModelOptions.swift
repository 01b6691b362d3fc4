internal import ApusServer
internal import ArgumentParser
internal import Control
internal import ONNXBackend

/// Which models are served, and how they are run.
struct ModelOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Directory of models, <model>/<version>/<file>. Repeatable.", valueName: "dir"))
  var modelRepository: [String] = []

  @Option(help: ArgumentHelp("Which models to load at start: all, named or none. (default: all)", valueName: "which"))
  var loadModels: LoadSelection?

  @Option(help: ArgumentHelp("A model to load at start; implies --load-models named. Repeatable.", valueName: "name"))
  var loadModel: [String] = []

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: ArgumentHelp(
      "Let clients load and unload models of the repositories; nobody is asked who they are. (default: --model-control, but "
        + "--no-model-control with --data)"))
  var modelControl: Bool?

  @Option(
    help: ArgumentHelp("How often to look for changes in the repositories; 0: never. (default: 0)", valueName: "time"),
    transform: TimeSpan.parse)
  var pollInterval: TimeSpan?

  @Option(help: ArgumentHelp("Models that load at the same time. (default: 4)", valueName: "n"))
  var modelLoadThreads: Int?

  @Option(
    help: ArgumentHelp("Rows in a batch of a model whose configuration does not say. (default: 8)", valueName: "n"))
  var defaultMaxBatchSize: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Run every instance once on zeros before its model serves. (default: --warm-up)")
  var warmUp: Bool?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Set when batches leave by the load, for models whose configuration does not say. (default: --batch-tuning)")
  var batchTuning: Bool?

  @Option(
    help: ArgumentHelp("ONNX Runtime's library, or its folder. (default: the system's)", valueName: "path"))
  var onnxruntime: String?

  @Option(
    help: ArgumentHelp("Where models run that do not say it: cpu or cuda. (default: cpu)", valueName: "provider"))
  var executionProvider: ExecutionProvider?

  @Option(help: ArgumentHelp("Folder with CUDA's libraries. Repeatable.", valueName: "dir"))
  var cudaLibraries: [String] = []

  @Option(help: ArgumentHelp("Threads that share one operator; 0: one a core. (default: 1)", valueName: "n"))
  var intraOpThreads: Int?

  @Option(help: ArgumentHelp("Threads that run independent operators of one model. (default: 1)", valueName: "n"))
  var interOpThreads: Int?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Keep memory for intermediate tensors from run to run. (default: --memory-arena)")
  var memoryArena: Bool?

  @Option(
    help: ArgumentHelp(
      "Instances of a model on the CPU where its configuration does not say; 0: one a core. (default: 0)",
      valueName: "n"))
  var instances: Int?

  enum LoadSelection: String, ExpressibleByArgument, CaseIterable { case all, named, none }
  enum ExecutionProvider: String, ExpressibleByArgument, CaseIterable { case cpu, cuda }

  func apply(to configuration: inout ServerConfiguration) throws {
    if !modelRepository.isEmpty { configuration.modelRepositories = modelRepository }
    switch (loadModels, loadModel.isEmpty) {
    case (.all?, true): configuration.loadAtStart = .all
    case (.none?, true): configuration.loadAtStart = .none
    case (.named?, false), (nil, false): configuration.loadAtStart = .named(loadModel)
    case (nil, true): break
    case (.named?, true): throw UsageError("--load-models named needs the names: give --load-model for each")
    case (let selection?, false):
      throw UsageError("--load-model names models, but --load-models \(selection.rawValue) does not ask for names")
    }
    if let modelControl { configuration.allowsModelControl = modelControl }
    if let pollInterval { configuration.pollInterval = pollInterval.duration == .zero ? nil : pollInterval.duration }
    try set(&configuration.modelLoadThreads, modelLoadThreads, "--model-load-threads", 1...1024)
    try set(&configuration.defaultMaxBatchSize, defaultMaxBatchSize, "--default-max-batch-size", 1...1_000_000)
    if let warmUp { configuration.warmsUp = warmUp }
    if let batchTuning { configuration.tunesBatches = batchTuning }
    if let onnxruntime { configuration.onnx.libraryPath = onnxruntime }
    if let executionProvider { configuration.onnx.provider = executionProvider == .cuda ? .cuda : .cpu }
    if !cudaLibraries.isEmpty { configuration.onnx.cudaLibraryFolders = cudaLibraries }
    try set(&configuration.onnx.intraOpThreads, intraOpThreads, "--intra-op-threads", 0...1024)
    try set(&configuration.onnx.interOpThreads, interOpThreads, "--inter-op-threads", 1...1024)
    if let memoryArena { configuration.onnx.usesArena = memoryArena }
    try set(&configuration.onnx.cpuInstanceCount, instances, "--instances", 0...1024)
  }
}

/// Sets a number that was given, if it is in its range.
func set(_ target: inout Int, _ value: Int?, _ option: String, _ range: ClosedRange<Int>) throws(UsageError) {
  guard let value else { return }
  guard range.contains(value) else {
    throw UsageError("\(option) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
  }
  target = value
}
