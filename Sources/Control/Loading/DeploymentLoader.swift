package import Backends
internal import Inference
package import Pools
internal import Serving
package import Telemetry

/// What a load of one model will do: settled before the first byte of a model is read.
internal struct LoadPlan: Sendable {
  /// As the operator wrote it; completed with each version's own signature.
  var configuration: ModelConfiguration
  var backend: any Backend
  /// Highest first; at least one.
  var versions: [Int64]
  /// The directory with the version directories.
  var path: String
  /// Labels by output name.
  var labels: [String: LabelList]
  /// Set where the files came with the load.
  var files: OverrideDirectory?
}

/// One file of a model, and how it is to be run.
internal struct ModelFile: Sendable {
  var path: String
  /// The model's, where files lie that its configuration names.
  var directory: String
  var backend: any Backend
  var configuration: ModelConfiguration
  /// Labels by output name.
  var labels: [String: LabelList]

  func load() throws(InferenceError) -> any LoadedModel { try backend.load(path: path, configuration: configuration) }
}

/// A version that is loaded, and the files that it may go on reading.
internal struct LoadedDeployment: Sendable {
  var version: Int64
  var serving: ServingDeployment
  var files: OverrideDirectory?
}

/// Makes a deployment of a model version: configuration, backend, labels, pool. Blocks while it loads.
package struct DeploymentLoader: Sendable {
  private let choice: BackendChoice
  private let poolLimits: PoolLimits
  private let warmsUp: Bool
  private let hasResponseCache: Bool
  private let completion: ConfigurationCompletion
  private let log: Log
  /// A label file is read whole; ImageNet's 21,841 labels take less than a megabyte.
  private static let labelFileLimitBytes = 64 << 20

  /// - Parameters:
  ///   - defaultMaxBatchSize: For a model that batches and whose configuration does not say how much. At least 1.
  ///   - warmsUp: Whether every instance runs once on zeros before its version serves, if the model has no samples for that.
  ///   - hasResponseCache: Whether models that ask for it have their answers kept. If not, the log says so.
  package init(
    backends: [any Backend], poolLimits: PoolLimits = PoolLimits(), defaultMaxBatchSize: Int = 8,
    warmsUp: Bool = true, hasResponseCache: Bool = false, log: Log
  ) {
    choice = BackendChoice(backends: backends)
    self.warmsUp = warmsUp
    self.hasResponseCache = hasResponseCache
    self.poolLimits = poolLimits
    completion = ConfigurationCompletion(defaultMaxBatchSize: defaultMaxBatchSize)
    self.log = log
  }

  /// Reads what there is to load.
  ///
  /// - Throws: `.internal` if no repository has the model; `.invalidArgument` for whatever is wrong with it.
  internal func plan(
    _ model: String, in repository: ModelRepository, override: LoadOverride?
  ) throws(InferenceError) -> LoadPlan {
    var path: String
    var versions: [Int64]
    var files: OverrideDirectory?
    let read: ReadConfiguration
    if let override, !override.files.isEmpty {
      let directory = try OverrideDirectory(override.files)
      files = directory
      path = directory.path
      versions = Array(Set(override.files.map(\.version)))
      read = try ReadConfiguration(json: override.configuration, model: model)
    } else {
      let folder = try repository.folder(model)
      path = folder.path
      versions = folder.versions
      if let override {
        read = try ReadConfiguration(json: override.configuration, model: model)
      } else if let text = folder.configurationText {
        read = try ReadConfiguration(text: text, file: "\(path)/\(ModelRepository.configurationFilename)", model: model)
      } else {
        read = ReadConfiguration(absentFor: model)
      }
    }
    return try plan(model, read, path: path, versions: versions, files: files)
  }

  /// Settles which versions of a folder are loaded, and by which backend.
  private func plan(
    _ model: String, _ read: ReadConfiguration, path: String, versions: [Int64], files: OverrideDirectory?
  ) throws(InferenceError) -> LoadPlan {
    for field in read.ignoredFields {
      log.warning("a field of the configuration is set and has no effect here", ["model": model, "field": field])
    }
    let configuration = read.configuration
    if let reason = whyNotCached(configuration) {
      log.warning("response_cache is enabled and has no effect: \(reason)", ["model": model])
    }
    try checkPath(configuration.defaultModelFilename, "default_model_filename", of: model)
    for (output, filename) in configuration.labelFiles.sorted(by: { $0.key < $1.key }) {
      try checkPath(filename, "label_filename of output '\(output)'", of: model)
    }
    let selected = configuration.versionPolicy.selected(from: versions)
    guard !selected.isEmpty else {
      throw .invalidArgument(noVersion(of: model, at: path, configuration.versionPolicy, available: versions))
    }
    warnAboutMissing(configuration.versionPolicy, available: versions, model)
    let backend = try choice.backend(for: configuration) { filename throws(InferenceError) in
      // What can't be looked at may well be there: that is said, and not that no file was found.
      for version in selected where try Files.kind("\(path)/\(version)/\(filename)") != nil { return true }
      return false
    }
    return LoadPlan(
      configuration: configuration, backend: backend, versions: selected, path: path,
      labels: try labels(of: configuration, at: path), files: files)
  }

  /// The file that a deployment of a registered model runs: of several versions the highest that its policy chooses.
  internal func file(of layout: ModelLayout, model: String) throws(InferenceError) -> ModelFile {
    switch layout {
    case .repository(let folder):
      let read =
        if let text = folder.configurationText {
          try ReadConfiguration(text: text, file: ModelRepository.configurationFilename, model: nil)
        } else {
          ReadConfiguration(absentFor: model)
        }
      let plan = try plan(model, read, path: folder.path, versions: folder.versions, files: nil)
      let given = plan.configuration.defaultModelFilename
      let filename = given.isEmpty ? plan.backend.defaultModelFilename : given
      return ModelFile(
        path: "\(plan.path)/\(plan.versions[0])/\(filename)", directory: plan.path, backend: plan.backend,
        configuration: plan.configuration, labels: plan.labels)
    case .file(let folder, let name):
      var configuration = ModelConfiguration(name: model)
      configuration.defaultModelFilename = name
      let backend = try choice.backend(for: configuration) { _ in true }
      return ModelFile(
        path: "\(folder)/\(name)", directory: folder, backend: backend, configuration: configuration, labels: [:])
    }
  }

  /// Loads one version of a plan and starts its pool.
  internal func load(_ plan: LoadPlan, version: Int64) throws(InferenceError) -> LoadedDeployment {
    let given = plan.configuration.defaultModelFilename
    let filename = given.isEmpty ? plan.backend.defaultModelFilename : given
    var file = ModelFile(
      path: "\(plan.path)/\(version)/\(filename)", directory: plan.path, backend: plan.backend,
      configuration: plan.configuration, labels: plan.labels)
    file.configuration.defaultModelFilename = filename
    let serving = try start(file, endpoint: plan.configuration.name, deployment: "\(version)", limits: poolLimits)
    return LoadedDeployment(version: version, serving: serving, files: plan.files)
  }

  /// Loads a file and starts a pool for it. Blocks until its instances are made and warm.
  ///
  /// - Parameter reloads: Whether the pool may let go of the model and load it again.
  internal func start(
    _ file: ModelFile, endpoint: String, deployment: String, limits: PoolLimits, reloads: Bool = false,
    log: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(InferenceError) -> ServingDeployment {
    guard try Files.kind(file.path) != nil else {
      throw .invalidArgument("there is no file '\(file.path)', which backend '\(file.backend.name)' would load")
    }
    let model = try file.load()
    var configuration = try completion.complete(file.configuration, for: model.signature)
    let instanceCount = ModelPool.instanceCount(of: configuration, for: model)
    guard instanceCount <= ModelPool.instanceLimit else {
      throw .invalidArgument(
        "instance_group asks for \(instanceCount) instances in all; the limit is \(ModelPool.instanceLimit)")
    }
    configuration.backend = file.backend.name
    configuration.platform = file.backend.platform
    let signature = ConfigurationCompletion.signature(of: configuration)
    let warmUp = WarmUpReader(
      directory: file.directory, signature: signature, maxBatchSize: configuration.maxBatchSize ?? 0)
    let warmUpBatches = try warmUp.batches(of: configuration.warmUpSamples)
    let ownLog = self.log
    var reload: (@Sendable () throws(InferenceError) -> any LoadedModel)?
    if reloads { reload = { () throws(InferenceError) in try file.load() } }
    let pool = ModelPool(
      name: endpoint, version: deployment, configuration: configuration, model: model, limits: limits,
      warmsUp: warmsUp, warmUpBatches: warmUpBatches, reload: reload,
      log: { line in
        ownLog.warning(line)
        log(line)
      })
    try pool.start()
    ownLog.debug(
      "loaded",
      ["model": endpoint, "version": deployment, "file": file.path, "placement": model.placement])
    return ServingDeployment(
      name: endpoint, version: deployment, pool: pool, signature: signature, configuration: configuration,
      labels: signature.outputs.map { file.labels[$0.name] })
  }

  /// Why a model that asks for it has no part in the response cache; nil if it has, or does not ask.
  private func whyNotCached(_ configuration: ModelConfiguration) -> String? {
    guard configuration.usesResponseCache else { return nil }
    guard hasResponseCache else { return "this server has no response cache; --response-cache-bytes gives it one" }
    guard configuration.dynamicBatching?.preserveOrdering == true else { return nil }
    return "answers of the model leave in the order of its requests, by dynamic_batching.preserve_ordering"
  }

  private func labels(
    of configuration: ModelConfiguration, at path: String
  ) throws(InferenceError) -> [String: LabelList] {
    var labels: [String: LabelList] = [:]
    for (output, filename) in configuration.labelFiles.sorted(by: { $0.key < $1.key }) {
      let bytes = try Files.contents("\(path)/\(filename)", limitBytes: DeploymentLoader.labelFileLimitBytes)
      labels[output] = LabelList(file: bytes)
    }
    return labels
  }

  /// A configuration may come from a client, and what it names is opened: nothing outside the model's directory.
  private func checkPath(_ filename: String, _ field: String, of model: String) throws(InferenceError) {
    let parts = filename.split(separator: "/", omittingEmptySubsequences: false)
    guard filename.isEmpty || (!parts.contains("..") && parts.first != "" && !filename.utf8.contains(0)) else {
      throw .invalidArgument(
        "model '\(model)': \(field) is '\(filename)': expected a path inside the model's directory")
    }
  }

  private func noVersion(
    of model: String, at path: String, _ policy: VersionPolicy, available: [Int64]
  ) -> String {
    let found = available.isEmpty ? "none" : available.sorted().map(String.init).joined(separator: ", ")
    return "at least one version must be available under the version policy of model '\(model)': the policy is "
      + "\(policy.description), and the versions in '\(path)' are: \(found)"
  }

  private func warnAboutMissing(_ policy: VersionPolicy, available: [Int64], _ model: String) {
    guard case .specific(let wanted) = policy else { return }
    for version in wanted where !available.contains(version) {
      log.warning("version_policy names a version that does not exist", ["model": model, "version": "\(version)"])
    }
  }
}

extension VersionPolicy {
  fileprivate var description: String {
    switch self {
    case .latest(let count): "latest { num_versions: \(count) }"
    case .all: "all"
    case .specific(let versions): "specific { versions: \(versions) }"
    }
  }
}
