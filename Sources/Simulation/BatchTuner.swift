internal import Arrivals
package import Batching
internal import Inference

/// How a model's batches should be closed under its present load.
package struct BatchTuning: Hashable, Sendable {
  /// Most rows that leave together.
  package var rows: Int
  /// How long the oldest request waits for company, in nanoseconds.
  package var delayNanoseconds: UInt64

  package init(rows: Int, delayNanoseconds: UInt64 = 0) {
    self.rows = rows
    self.delayNanoseconds = delayNanoseconds
  }
}

/// Finds the setting with the lowest tail of latency for a load, by trying settings in simulation: what a person would do with
/// a load test and a weekend.
///
/// Every setting meets the same arrivals, so that chance has no part in the comparison; and a setting is only left for one
/// that is better by `gain`, so that what is equally good does not take turns.
package struct BatchTuner: Sendable {
  /// What is tuned for.
  package struct Load: Hashable, Sendable {
    package var cost: CostCurve
    /// Standard deviation of runs, as a share of their cost.
    package var variation = 0.0
    /// Infinite: more than can be done.
    package var requestsPerSecond: Double
    package var rowsPerRequest: Int
    package var instances: Int
    package var maxBatchRows: Int
    /// The percentile of latency that should be low.
    package var percentile = 99.0

    package init(cost: CostCurve, requestsPerSecond: Double, rowsPerRequest: Int, instances: Int, maxBatchRows: Int) {
      self.cost = cost
      self.requestsPerSecond = requestsPerSecond
      self.rowsPerRequest = rowsPerRequest
      self.instances = instances
      self.maxBatchRows = maxBatchRows
    }
  }

  /// Requests of one try.
  package var requests = 8000
  /// How much lower the tail has to be, as a share, to be worth a change.
  package var gain = 0.03
  package var seed: UInt64 = 1

  package init() {}

  /// The best setting for a load.
  ///
  /// - Parameter present: What is in force, and stays unless another is better.
  package func tuned(_ load: Load, from present: BatchTuning) -> BatchTuning {
    let most = load.cost.bestRate(maxRows: load.maxBatchRows)
    guard load.requestsPerSecond * Double(load.rowsPerRequest) < 0.98 * most.rowsPerSecond * Double(load.instances) else {
      // More than can be done: as much as can.
      return BatchTuning(rows: most.rows)
    }
    var best = bounded(present, load)
    var tail = self.tail(of: best, load)
    let threshold = tail * (1 - gain)
    func consider(_ tuning: BatchTuning) -> Double {
      guard tuning != best else { return tail }
      let other = self.tail(of: tuning, load)
      if other < min(tail, threshold) { (best, tail) = (tuning, other) }
      return other
    }
    let sizes = sizes(load)
    var tails = Array(repeating: Double.infinity, count: sizes.count)
    for (index, rows) in sizes.enumerated() { tails[index] = consider(BatchTuning(rows: rows)) }
    // A wait is tried with the sizes that do best without one, and with the largest. None is worth more than a run.
    let shortlist = Set(sizes.indices.sorted { (tails[$0], $0) < (tails[$1], $1) }.prefix(BatchTuner.shortlisted) + [sizes.count - 1])
    for index in shortlist.sorted() {
      let run = load.cost.nanoseconds(rows: sizes[index])
      for share in [0.125, 0.25, 0.5, 1] {
        _ = consider(BatchTuning(rows: sizes[index], delayNanoseconds: UInt64(run * share)))
      }
    }
    return best
  }

  private static let shortlisted = 3

  /// The load's percentile of latency with a setting, in nanoseconds; without end for one that can't keep up.
  package func tail(of tuning: BatchTuning, _ load: Load) -> Double {
    let rate = load.cost.bestRate(maxRows: max(tuning.rows, load.rowsPerRequest)).rowsPerSecond * Double(load.instances)
    guard rate > load.requestsPerSecond * Double(load.rowsPerRequest) else { return .infinity }
    var batching = DynamicBatching()
    batching.maxQueueDelayMicroseconds = tuning.delayNanoseconds / 1000
    let policy = BatchPolicy(
      maxBatchSize: max(tuning.rows, load.rowsPerRequest), dynamicBatching: batching, queueLimit: requests)
    var plan = FleetPlan(cost: load.cost, policy: policy)
    plan.instances = load.instances
    plan.rows = load.rowsPerRequest
    plan.variation = load.variation
    plan.seed = seed
    let arrivals = ArrivalSchedule(.poisson, rate: load.requestsPerSecond, seed: seed)
    return Double(FleetSimulation.run(plan, arrivals, count: requests).latency(percentile: load.percentile) ?? .max)
  }

  private func bounded(_ tuning: BatchTuning, _ load: Load) -> BatchTuning {
    BatchTuning(rows: min(max(tuning.rows, 1), load.maxBatchRows), delayNanoseconds: tuning.delayNanoseconds)
  }

  /// Sizes worth trying: all small ones, then in steps of a quarter, the largest, and those past which a batch suddenly costs
  /// more.
  private func sizes(_ load: Load) -> [Int] {
    var sizes: Set = [load.maxBatchRows]
    var rows = 1
    while rows < load.maxBatchRows {
      sizes.insert(rows)
      rows = max(rows + 1, rows * 5 / 4)
    }
    for point in load.cost.points.prefix(BatchTuner.edges) where point.rows < load.maxBatchRows {
      let next = load.cost.nanoseconds(rows: point.rows + 1)
      // More rows a second than with one row more.
      if next * Double(point.rows) > point.nanoseconds * Double(point.rows + 1) { sizes.insert(point.rows) }
    }
    return sizes.sorted()
  }

  /// So many points of a curve are looked at for its edges.
  private static let edges = 64
}
