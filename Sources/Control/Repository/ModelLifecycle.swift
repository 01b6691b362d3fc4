package import Inference
internal import Pools
internal import Routing
internal import Serving
package import Telemetry
internal import Threads

/// The models of this server: loads, reloads and unloads them while requests run, and publishes who serves what.
///
/// ```
/// load:    read folder ▸ load versions ▸ start pools ▸ publish snapshot ▸ drain what was replaced
/// unload:                                              publish snapshot ▸ drain
/// ```
///
/// A request that was accepted is answered whatever happens here: doors see the new snapshot before an old pool drains.
/// A load is all or nothing for one model, and a failed one leaves what served serving; other models never notice. Each
/// load has a thread of its own, at most `maxParallelLoads` at a time, and the operations of one model run in turn.
package final class ModelLifecycle: Sendable {
  package typealias Completion = @Sendable (Result<Void, InferenceError>) -> Void

  internal struct State {
    var records: [String: ModelRecord] = [:]
    var deployments: [DeploymentID: LoadedDeployment] = [:]
    var queue: OperationQueue<@Sendable () -> Void>
    var lastID = 0
    /// Deployments that drain, and threads at work on operations.
    var draining = 0
    /// The repository at the start or the last poll.
    var image = RepositoryImage()
    var isStarted = false
    var isStopping = false
    var whenIdle: [@Sendable () -> Void] = []
    var observers: [Int: @Sendable () -> Void] = [:]
    var lastObserver = 0
  }

  internal let state: Locked<State>
  internal let options: ControlOptions
  internal let repository: ModelRepository
  internal let loader: DeploymentLoader
  internal let board: ServingBoard
  private let composer: SnapshotComposer
  internal let log: Log

  package init(options: ControlOptions, loader: DeploymentLoader, composer: SnapshotComposer, log: Log) {
    self.options = options
    self.loader = loader
    self.composer = composer
    board = composer.board
    self.log = log
    repository = ModelRepository(paths: options.repositories, log: log)
    state = Locked(State(queue: OperationQueue(maxParallelLoads: options.maxParallelLoads)))
  }

  // MARK: - Operations

  /// Loads a model, or loads it again. Returns at once; `completion` runs on the loading thread, when it serves or has
  /// failed.
  ///
  /// Fails with `.invalidArgument` and the reasons of each version if it can't be loaded, `.internal` if no repository
  /// has it, `.unavailable` if the server stops.
  internal func enqueueLoad(_ model: String, override: LoadOverride?, completion: @escaping Completion) {
    enqueue(model, .load, completion) { [self] in completion(performLoad(model, override)) }
  }

  /// Takes a model out of service. `completion` does not wait for its last requests.
  internal func enqueueUnload(_ model: String, completion: @escaping Completion) {
    enqueue(model, .unload, completion) { [self] in
      retire("unloaded") { $0.records[model]?.unload() ?? [] }
      completion(.success(()))
    }
  }

  private func enqueue(
    _ model: String, _ kind: OperationQueue<@Sendable () -> Void>.Kind, _ completion: @escaping Completion,
    work: @escaping @Sendable () -> Void
  ) {
    let isRefused = state.withLock { state in
      guard !state.isStopping else { return true }
      state.queue.enqueue(.init(model: model, kind: kind, work: work))
      return false
    }
    guard !isRefused else { return completion(.failure(ModelLifecycle.isStopping)) }
    startWhatMayRun()
  }

  private static let isStopping = InferenceError.unavailable("the server is stopping")

  private func startWhatMayRun() {
    while let operation = state.withLock({ $0.queue.next() }) {
      let run: @Sendable () -> Void = { [self] in
        operation.work()
        state.withLock { $0.queue.finish(operation.model) }
        startWhatMayRun()
        tellIfIdle()
      }
      // Without a thread the caller waits for the work; that is slow, and still right.
      do { try OwnThread(name: "apus-control", run).detach() } catch { run() }
    }
  }

  // MARK: - Load

  private func performLoad(_ model: String, _ override: LoadOverride?) -> Result<Void, InferenceError> {
    do throws(InferenceError) {
      let plan = try plan(model, override)
      change { $0.records[model, default: ModelRecord()].beginLoad(plan.versions) }
      log.info("loading", ["model": model, "versions": plan.versions.map(String.init).joined(separator: ",")])
      var loaded: [LoadedDeployment] = []
      var reasons: [Int64: String] = [:]
      for version in plan.versions {
        do throws(InferenceError) {
          loaded.append(try loader.load(plan, version: version))
        } catch { reasons[version] = error.message }
      }
      let isStopping = state.withLock { $0.isStopping }
      guard reasons.isEmpty && !isStopping && serve(loaded, of: model) else {
        for deployment in loaded { deployment.serving.pool.drain {} }
        if reasons.isEmpty { throw ModelLifecycle.isStopping }
        let text = reasons.sorted { $0.key > $1.key }.map { "version \($0.key): \($0.value)" }.joined(separator: "; ")
        change { $0.records[model]?.failLoad(text, reasons: reasons) }
        throw .invalidArgument("load failed for model '\(model)': \(text)")
      }
      return .success(())
    } catch {
      log.error("load failed", ["model": model, "error": error.message])
      return .failure(error)
    }
  }

  /// Reads what there is to load. What can't be read is noted as the model's own failure, unless there is no such
  /// model: a client can't make records of names that it thinks up.
  private func plan(_ model: String, _ override: LoadOverride?) throws(InferenceError) -> LoadPlan {
    if state.withLock({ $0.isStopping }) { throw ModelLifecycle.isStopping }
    do throws(InferenceError) {
      return try loader.plan(model, in: repository, override: override)
    } catch {
      change { state in
        if error.code == .internal && state.records[model] == nil { return }
        state.records[model, default: ModelRecord()].failLoad(error.message)
      }
      throw error
    }
  }

  /// Puts loaded deployments into service and lets go of those that they replace.
  ///
  /// - Returns: False if the server has begun to stop; the deployments are the caller's still.
  private func serve(_ loaded: [LoadedDeployment], of model: String) -> Bool {
    var isServed = false
    retire("replaced") { state in
      guard !state.isStopping else { return [] }
      isServed = true
      var serving: [Int64: DeploymentID] = [:]
      for deployment in loaded {
        state.lastID += 1
        let id = DeploymentID(number: state.lastID)
        state.deployments[id] = deployment
        serving[deployment.version] = id
      }
      return state.records[model]?.finishLoad(serving) ?? []
    }
    guard isServed else { return false }
    for deployment in loaded { log.info("ready", ["model": model, "version": deployment.serving.version]) }
    return true
  }

  /// Publishes what is served after a change, and then drains what no longer is.
  private func retire(_ reason: String, _ body: (inout State) -> [DeploymentID]) {
    var retired: [(id: DeploymentID, deployment: ServingDeployment)] = []
    change { state in
      for id in body(&state) {
        guard let deployment = state.deployments[id]?.serving else { continue }
        retired.append((id, deployment))
        state.draining += 1
      }
    }
    for (id, deployment) in retired {
      deployment.pool.drain { [self] in
        change { state in
          state.deployments[id] = nil
          state.records[deployment.name]?.drained(id)
          state.draining -= 1
        }
        log.info("drained", ["model": deployment.name, "version": deployment.version, "reason": reason])
        tellIfIdle()
      }
    }
  }

  // MARK: - Changes

  /// Changes the state, publishes the snapshot that follows from it, and tells the observers.
  internal func change(_ body: (inout State) -> Void) {
    let observers = state.withLock { state in
      body(&state)
      composer.publish(part(of: state), from: .repository)
      return Array(state.observers.values)
    }
    for observer in observers { observer() }
  }

  private func part(of state: borrowing State) -> SnapshotComposer.Part {
    var part = SnapshotComposer.Part()
    for (name, record) in state.records {
      var routes: [DeploymentRoute] = []
      for (version, status) in record.versions {
        if status.state == .ready, let id = status.deployment, let deployment = state.deployments[id]?.serving {
          routes.append(DeploymentRoute(version: version, destination: part.add(deployment)))
        } else {
          let text = status.reason.isEmpty ? status.state.rawValue : "\(status.state.rawValue): \(status.reason)"
          routes.append(
            DeploymentRoute(
              version: version, destination: .notReady(state: text, mayComeBack: status.state == .loading)))
        }
      }
      part.endpoints.append(EndpointRoutes(name: name, deployments: routes))
    }
    return part
  }

  // MARK: - Stop

  /// Serves nothing new, and runs `completion` when every accepted request is answered and every pool is gone.
  package func drainAll(completion: @escaping @Sendable () -> Void) {
    retire("stopping") { state in
      state.isStopping = true
      state.whenIdle.append(completion)
      return state.records.keys.sorted().flatMap { state.records[$0]?.unload() ?? [] }
    }
    tellIfIdle()
  }

  private func tellIfIdle() {
    let waiting = state.withLock { state -> [@Sendable () -> Void] in
      guard state.isStopping, state.queue.isIdle, state.draining == 0 else { return [] }
      defer { state.whenIdle = [] }
      return state.whenIdle
    }
    for completion in waiting { completion() }
  }
}
