/// How one model is served: what `config.pbtxt` says, completed from the model itself.
///
/// Source: Triton's `ModelConfig`; only what this server acts on. Words and defaults are Triton's, except where
/// docs/configuration.md says otherwise.
package struct ModelConfiguration: Sendable, Hashable {
  package var name: String
  /// Such as `onnxruntime_onnx`; either this or `backend` picks the backend.
  package var platform = ""
  package var backend = ""
  package var versionPolicy = VersionPolicy.latest(1)
  /// Most rows in one batch; 0: axis 0 is not a batch axis. Nil: decide from the model.
  package var maxBatchSize: Int?
  /// Empty: as the model says. Shapes are without the batch axis where `maxBatchSize` is over 0.
  package var inputs: [TensorMetadata] = []
  package var outputs: [TensorMetadata] = []
  /// File with one label a line, by output name; relative to the model's directory.
  package var labelFiles: [String: String] = [:]
  package var instanceGroups: [InstanceGroup] = []
  package var defaultModelFilename = ""
  package var dynamicBatching: DynamicBatching?
  /// ONNX Runtime's graph level by Triton's numbers: 0 all (default), -1 basic, 1 extended, 2 none.
  package var graphOptimizationLevel = 0
  package var executionAccelerators: [ExecutionAccelerator] = []
  /// Backend settings, such as `intra_op_thread_count`.
  package var parameters: [String: String] = [:]
  /// Whether answers may come from the server's response cache, if it has one.
  package var usesResponseCache = false
  /// What each instance runs before it serves, in this order. Empty: one row of zeros, if the server warms up at all.
  package var warmUpSamples: [WarmUpSample] = []

  package init(name: String) { self.name = name }
}

package enum VersionPolicy: Sendable, Hashable {
  /// The highest so many versions.
  case latest(Int)
  case all
  case specific([Int64])

  /// The versions to serve of those that exist, highest first.
  package func selected(from available: [Int64]) -> [Int64] {
    let descending = available.sorted(by: >)
    switch self {
    case .latest(let count): return Array(descending.prefix(count))
    case .all: return descending
    case .specific(let wanted): return descending.filter(wanted.contains)
    }
  }
}

/// Some instances of a model on one kind of device.
package struct InstanceGroup: Sendable, Hashable {
  package enum Kind: Sendable, Hashable { case auto, cpu, gpu }
  package var name = ""
  package var kind = Kind.auto
  /// 0: as many as suit the device; on a CPU, one a core.
  package var count = 0
  package var gpus: [Int] = []
  package init() {}
}

package struct DynamicBatching: Sendable, Hashable {
  /// Sizes at which a batch leaves without waiting for more, ascending.
  package var preferredBatchSizes: [Int] = []
  /// Longest wait of the oldest request for company. Zero: a free instance never waits.
  package var maxQueueDelayMicroseconds: UInt64 = 0
  /// Answers leave in the order in which the requests came.
  package var preserveOrdering = false
  package var queuePolicy = QueuePolicy()
  /// How many priorities requests may have, 1 the most urgent; 0: all are equal.
  package var priorityLevels = 0
  /// The priority of a request that names none.
  package var defaultPriorityLevel = 0
  /// The policies of single priorities, by level; the other levels have `queuePolicy`.
  package var priorityQueuePolicies: [Int: QueuePolicy] = [:]
  package init() {}
}

package struct QueuePolicy: Sendable, Hashable {
  package enum TimeoutAction: Sendable, Hashable {
    /// Fail it.
    case reject
    /// Serve it after everything that has not timed out.
    case delay
  }
  package var timeoutAction = TimeoutAction.reject
  /// Longest time in the queue; 0: no limit.
  package var defaultTimeoutMicroseconds: UInt64 = 0
  /// Whether a request's `timeout` parameter may shorten the default.
  package var allowTimeoutOverride = false
  /// Most requests waiting; 0: the server's limit.
  package var maxQueueSize = 0
  package init() {}
}

package struct ExecutionAccelerator: Sendable, Hashable {
  /// Such as `cuda`.
  package var name: String
  package var parameters: [String: String]
  package init(name: String, parameters: [String: String] = [:]) {
    self.name = name
    self.parameters = parameters
  }
}
