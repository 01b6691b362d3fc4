package import Backends
package import Inference
package import Pools
internal import Routing
internal import Serving
internal import Threads

/// One line of the repository's index.
package struct IndexEntry: Sendable, Hashable {
  package var name: String
  /// Nil for a model of which no version was ever looked at.
  package var version: Int64?
  /// Nil for a model that was never loaded.
  package var state: VersionState?
  package var reason: String
}

/// What a client may know of a model version before it sends a request.
package struct ModelMetadataAnswer: Sendable, Hashable {
  package var name: String
  /// All versions that are ready, lowest first; of an endpoint, the names of its deployments that are.
  package var versions: [String]
  package var platform: String
  /// With the batch axis in front, as -1, where the model batches.
  package var inputs: [TensorMetadata]
  package var outputs: [TensorMetadata]
}

/// What one version has done so far.
package struct ModelStatisticsAnswer: Sendable, Hashable {
  package var name: String
  package var version: String
  package var statistics: PoolStatistics
  package var memoryUsage: [MemoryUsage]
}

/// What the server says of its models. Each answer is of one moment.
extension ModelLifecycle {
  /// Whether every model that is wanted is ready, with every version that its last load chose. What was unloaded on
  /// purpose does not count.
  package var isServerReady: Bool {
    state.withLock { state in
      state.isStarted && !state.isStopping && state.records.values.allSatisfy(\.isSettled)
    }
  }

  /// Whether a version would serve a request now.
  ///
  /// - Parameter version: As the wire has it; empty for the highest ready one.
  /// - Throws: As for a request to it: `.notFound` if it is unknown, `.unavailable` if it is known and not ready,
  ///   `.invalidArgument` if `version` is no number.
  package func checkReady(_ model: String, version: String = "") throws(InferenceError) {
    _ = try deployment(model, version: version)
  }

  package func metadata(_ model: String, version: String = "") throws(InferenceError) -> ModelMetadataAnswer {
    let (deployment, snapshot) = try deployment(model, version: version)
    let versions = snapshot.deployments.filter { $0.name == model }.sorted(by: ServingDeployment.inOrder).map(\.version)
    return ModelMetadataAnswer(
      name: model, versions: versions, platform: deployment.configuration.platform,
      inputs: deployment.signature.inputs, outputs: deployment.signature.outputs)
  }

  /// The completed configuration of a version.
  package func configuration(_ model: String, version: String = "") throws(InferenceError) -> ModelConfiguration {
    try deployment(model, version: version).deployment.configuration
  }

  /// Statistics of all ready versions that match, by name and version.
  ///
  /// - Parameters:
  ///   - model: Empty: all models.
  ///   - version: Empty: all versions.
  package func statistics(
    _ model: String = "", version: String = ""
  ) throws(InferenceError) -> [ModelStatisticsAnswer] {
    let deployments: [ServingDeployment]
    if model.isEmpty {
      guard version.isEmpty else {
        throw .invalidArgument("statistics of version '\(version)' were asked for without a model: expected a name")
      }
      deployments = board.read().snapshot.deployments
    } else {
      let (chosen, snapshot) = try deployment(model, version: version)
      deployments = version.isEmpty ? snapshot.deployments.filter { $0.name == model } : [chosen]
    }
    return deployments.sorted(by: ServingDeployment.inOrder).map {
      ModelStatisticsAnswer(
        name: $0.name, version: $0.version, statistics: $0.pool.statistics, memoryUsage: $0.pool.memoryUsage)
    }
  }

  /// All models of the repositories and all that were ever loaded, by name and version.
  ///
  /// - Parameter readyOnly: Only versions that are ready.
  /// - Throws: `.invalidArgument` if a repository can't be read.
  package func index(readyOnly: Bool = false) throws(InferenceError) -> [IndexEntry] {
    let records = state.withLock { $0.records }
    let names = readyOnly ? Set(records.keys) : Set(try repository.modelNames()).union(records.keys)
    var entries: [IndexEntry] = []
    for name in names.sorted() {
      guard let record = records[name], !record.versions.isEmpty else {
        let failure = records[name]?.failure
        entries.append(
          IndexEntry(
            name: name, version: nil, state: failure == nil ? nil : .unavailable, reason: failure ?? ""))
        continue
      }
      for (version, status) in record.versions.sorted(by: { $0.key < $1.key }) {
        entries.append(IndexEntry(name: name, version: version, state: status.state, reason: status.reason))
      }
    }
    return readyOnly ? entries.filter { $0.state == .ready } : entries
  }

  private func deployment(
    _ model: String, version: String
  ) throws(InferenceError) -> (deployment: ServingDeployment, snapshot: ServingSnapshot) {
    let snapshot = board.read().snapshot
    let target = try snapshot.routing.target(model, version: version)
    return (snapshot.deployments[target], snapshot)
  }
}
