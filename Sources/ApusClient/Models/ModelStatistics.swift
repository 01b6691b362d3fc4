internal import Wire

/// What one version of a model has done since it was loaded.
public struct ModelStatistics: Sendable, Hashable {
  /// So many times, and so long in all of them together.
  public struct Total: Sendable, Hashable {
    public var count: UInt64
    public var nanoseconds: UInt64

    public init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
      self.count = count
      self.nanoseconds = nanoseconds
    }

    /// Mean in milliseconds; nil where nothing happened.
    public var meanMilliseconds: Double? { count == 0 ? nil : Double(nanoseconds) / Double(count) / 1e6 }
  }

  public var name: String
  public var version: String
  /// Milliseconds since 1970; 0: never.
  public var lastInference: UInt64 = 0
  /// Rows that were inferred.
  public var inferenceCount: UInt64 = 0
  /// Batches that ran.
  public var executionCount: UInt64 = 0
  /// Requests, from arrival to answer.
  public var success = Total()
  public var failure = Total()
  public var queue = Total()
  public var computeInput = Total()
  public var computeInfer = Total()
  public var computeOutput = Total()
  /// Batches that ran, by their size.
  public var batches: [UInt64: Total] = [:]

  public init(name: String, version: String) {
    self.name = name
    self.version = version
  }

  /// Rows a batch; nil where none ran.
  public var averageBatch: Double? {
    executionCount == 0 ? nil : Double(inferenceCount) / Double(executionCount)
  }

  init(_ wire: Wire.ModelStatistics) {
    self.init(name: wire.name, version: wire.version)
    lastInference = wire.lastInference
    inferenceCount = wire.inferenceCount
    executionCount = wire.executionCount
    success = Total(wire.inferenceStatistics.success)
    failure = Total(wire.inferenceStatistics.fail)
    queue = Total(wire.inferenceStatistics.queue)
    computeInput = Total(wire.inferenceStatistics.computeInput)
    computeInfer = Total(wire.inferenceStatistics.computeInfer)
    computeOutput = Total(wire.inferenceStatistics.computeOutput)
    for batch in wire.batchStatistics { batches[batch.batchSize] = Total(batch.computeInfer) }
  }
}

extension ModelStatistics.Total {
  init(_ wire: StatisticDuration) { self.init(count: wire.count, nanoseconds: wire.nanoseconds) }
}
