package import Inference
internal import Telemetry
internal import Threads
package import Wire

/// What clients and operators may do to the models.
extension ModelLifecycle {
  /// Loads a model, or loads it again while it serves.
  ///
  /// - Parameter completion: Runs once, on a thread of the control plane or on this one, when the model serves or has
  ///   failed to. Codes: `.unavailable` if control by clients is off or the server stops, `.invalidArgument` for bad
  ///   parameters and for a model that can't be served (with the reasons), `.internal` if no repository has it.
  package func load(_ model: String, parameters: [String: RepositoryParameter], completion: @escaping Completion) {
    do throws(InferenceError) {
      try checkModelControl()
      enqueueLoad(model, override: try LoadOverride(parameters), completion: completion)
    } catch { completion(.failure(error)) }
  }

  package func load(_ model: String, parameters: [String: RepositoryParameter] = [:]) async throws(InferenceError) {
    let result = await withCheckedContinuation { continuation in
      load(model, parameters: parameters) { continuation.resume(returning: $0) }
    }
    try result.get()
  }

  /// Takes a model out of service; one that is not loaded stays so. Its last requests are answered after `completion`.
  package func unload(_ model: String, parameters: [String: RepositoryParameter], completion: @escaping Completion) {
    do throws(InferenceError) {
      try checkModelControl()
      for (key, value) in parameters {
        // Nothing is loaded on behalf of another model, so there are no dependents.
        guard key == "unload_dependents", case .bool = value else {
          throw .invalidArgument("unknown unload parameter '\(key)': expected 'unload_dependents', a bool_param")
        }
      }
      enqueueUnload(model, completion: completion)
    } catch { completion(.failure(error)) }
  }

  package func unload(_ model: String, parameters: [String: RepositoryParameter] = [:]) async throws(InferenceError) {
    let result = await withCheckedContinuation { continuation in
      unload(model, parameters: parameters) { continuation.resume(returning: $0) }
    }
    try result.get()
  }

  /// - Throws: `.unavailable` if clients have no say; `.resourceExhausted` if too many operations wait already.
  private func checkModelControl() throws(InferenceError) {
    guard options.allowsModelControl else {
      throw .unavailable("explicit model load / unload is not allowed: model control is switched off")
    }
    let waiting = state.withLock { $0.queue.waitingCount }
    guard waiting < options.maxWaitingOperations else {
      throw .resourceExhausted(
        "\(waiting) loads and unloads are waiting for their turn; the limit is \(options.maxWaitingOperations)")
    }
  }

  // MARK: - Start and stop

  /// Loads what is to be served from the start, and returns when all of it is ready or has failed.
  ///
  /// - Returns: Why each model that failed did, by name. The others serve.
  /// - Throws: `.invalidArgument` if a repository can't be read, and nothing is loaded.
  package func start() async throws(InferenceError) -> [String: InferenceError] {
    let names: [String]
    if options.pollInterval != nil {
      let image = try repository.image()
      state.withLock { $0.image = image }
    }
    switch options.loadAtStart {
    case .all:
      names = try repository.modelNames()
      if names.isEmpty, !options.repositories.isEmpty {
        log.warning("the model repository is empty", ["repository": options.repositories.joined(separator: ", ")])
      }
    case .named(let named):
      _ = try repository.modelNames()
      names = named
    case .none:
      _ = try repository.modelNames()
      names = []
    }
    let failures = await withTaskGroup(of: (String, InferenceError?).self) { group in
      for name in names {
        group.addTask { (name, await self.loadOutcome(name)) }
      }
      var failures: [String: InferenceError] = [:]
      for await (name, failure) in group { failures[name] = failure }
      return failures
    }
    // A model that was asked for by name and is not there keeps the server from being ready.
    change { state in
      for (name, failure) in failures where state.records[name] == nil {
        state.records[name, default: ModelRecord()].failLoad(failure.message)
      }
      state.isStarted = true
    }
    return failures
  }

  internal func loadOutcome(_ name: String) async -> InferenceError? {
    let result = await withCheckedContinuation { continuation in
      enqueueLoad(name, override: nil) { continuation.resume(returning: $0) }
    }
    guard case .failure(let error) = result else { return nil }
    return error
  }

  /// Serves nothing new, and returns when every accepted request is answered and every pool is gone.
  package func drainAll() async {
    await withCheckedContinuation { continuation in
      drainAll { continuation.resume() }
    }
  }

  // MARK: - Observers

  /// Calls `body` after each change of what is served; on any thread, and perhaps once for several changes.
  ///
  /// - Returns: What `stopObserving` takes.
  package func observe(_ body: @escaping @Sendable () -> Void) -> Int {
    state.withLock { state in
      state.lastObserver += 1
      state.observers[state.lastObserver] = body
      return state.lastObserver
    }
  }

  package func stopObserving(_ observer: Int) {
    state.withLock { state in _ = state.observers.removeValue(forKey: observer) }
  }
}
