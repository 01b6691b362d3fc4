internal import Batching
package import Inference
package import Pools
package import Simulation

/// When the batches of one model leave: what is in force, and what its counters say of it. Looks at no clock.
package struct ModelTuning: Sendable {
  /// A setting stays for so long at least.
  private static let restNanoseconds: UInt64 = 5_000_000_000
  /// Runs before there is anything to say.
  private static let fewestRuns: UInt64 = 200
  /// Instances that are busy for this share of the time have callers who wait for them, in a closed loop or beyond what can be
  /// done: then the most is done that can be. A search would take the little that comes for the little that is wanted.
  private static let saturation = 0.97
  /// How much of a change of the load, or of the cost, is none.
  private static let tolerance = 0.1
  /// Models that run more quickly gain nothing by it: their runs cost less than to wait for them.
  private static let shortestRunNanoseconds = 200_000.0
  /// How much runs differ, as a share of their cost: the counters don't say.
  private static let variation = 0.1

  package private(set) var tuning: BatchTuning
  /// What it was found for; nil: nothing yet.
  package private(set) var load: BatchTuner.Load?
  private let maxBatchRows: Int
  private let tuner: BatchTuner
  private var estimate = LoadEstimate()
  private var tunedAt = Instant(nanoseconds: 0)

  /// - Parameter maxBatchRows: With which the model begins, and which it never exceeds.
  package init(maxBatchRows: Int, tuner: BatchTuner = BatchTuner()) {
    self.maxBatchRows = maxBatchRows
    self.tuner = tuner
    tuning = BatchTuning(rows: maxBatchRows)
  }

  /// Takes the model's counters as they are now. Now and then that takes some tenths of a second.
  ///
  /// - Parameter instances: Those that are ready.
  /// - Returns: A setting that is another one from now on; nil: all stays as it is.
  package mutating func look(at statistics: PoolStatistics, instances: Int, at now: Instant) -> BatchTuning? {
    estimate.observe(
      statistics.batchSizes.map { size in
        LoadEstimate.Runs(
          rows: size.batchSize, count: size.computeInfer.count,
          nanoseconds: size.computeInput.nanoseconds + size.computeInfer.nanoseconds + size.computeOutput.nanoseconds)
      },
      requests: statistics.success.count + statistics.fail.count,
      answered: (statistics.success.count, statistics.inferenceCount), at: now.nanoseconds)
    guard let present = presentLoad(instances), now.nanoseconds(since: tunedAt) >= ModelTuning.restNanoseconds,
      load.map({ ModelTuning.differ($0, present) }) ?? true
    else { return nil }
    (load, tunedAt) = (present, now)
    let found = tuner.tuned(present, from: tuning)
    guard found != tuning else { return nil }
    tuning = found
    return found
  }

  /// Nil where there is too little to go by, or too little to gain.
  private func presentLoad(_ instances: Int) -> BatchTuner.Load? {
    guard instances > 0, estimate.runs >= ModelTuning.fewestRuns, let cost = estimate.cost,
      let rate = estimate.requestsPerSecond, rate > 0, cost.nanoseconds(rows: 1) >= ModelTuning.shortestRunNanoseconds
    else { return nil }
    let isSaturated = estimate.busyInstances >= ModelTuning.saturation * Double(instances)
    var load = BatchTuner.Load(
      cost: cost, requestsPerSecond: isSaturated ? .infinity : rate,
      rowsPerRequest: min(max(Int(estimate.rowsPerRequest.rounded()), 1), maxBatchRows), instances: instances,
      maxBatchRows: maxBatchRows)
    load.variation = ModelTuning.variation
    return load
  }

  private static func differ(_ old: BatchTuner.Load, _ new: BatchTuner.Load) -> Bool {
    func differ(_ one: Double, _ other: Double) -> Bool {
      guard one.isFinite, other.isFinite else { return one != other }
      return abs(one - other) > tolerance * max(one, other)
    }
    guard old.instances == new.instances, old.rowsPerRequest == new.rowsPerRequest else { return true }
    return differ(old.requestsPerSecond, new.requestsPerSecond)
      || [1, new.maxBatchRows].contains { differ(old.cost.nanoseconds(rows: $0), new.cost.nanoseconds(rows: $0)) }
  }
}
