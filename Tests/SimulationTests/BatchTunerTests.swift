import Arrivals
import Batching
import Simulation
import Testing

/// A curve with a fixed part and one for each row, in milliseconds; `step`: rows are counted in steps of so many.
private func load(
  _ fixed: Double, _ perRow: Double, rows: Int, step: Int = 1, share: Double, instances: Int = 1
) -> BatchTuner.Load {
  let cost = CostCurve(
    (1...rows).map { .init(rows: $0, nanoseconds: 1e6 * (fixed + perRow * Double(($0 + step - 1) / step * step))) })
  let capacity = cost.bestRate(maxRows: rows).rowsPerSecond * Double(instances)
  return BatchTuner.Load(
    cost: cost, requestsPerSecond: capacity * share, rowsPerRequest: 1, instances: instances, maxBatchRows: rows)
}

/// Debug builds simulate much more slowly than the ones that serve.
private var tuner: BatchTuner {
  var tuner = BatchTuner()
  tuner.requests = 1500
  return tuner
}

@Test func `where a batch costs as much as its rows alone, requests do not wait for one another`() {
  let tuning = tuner.tuned(load(0.05, 3, rows: 16, share: 0.6, instances: 2), from: BatchTuning(rows: 16))
  #expect(tuning == BatchTuning(rows: 1))
}

@Test func `where a batch costs no more than one row, it is as large as it may be`() {
  let tuning = tuner.tuned(load(8, 0.05, rows: 32, share: 0.8), from: BatchTuning(rows: 4))
  #expect(tuning.rows >= 30)
}

@Test func `a size that the load needs is taken, even if smaller ones are quicker`() {
  let load = load(1, 3.2, rows: 8, share: 0.95)
  let tuning = tuner.tuned(load, from: BatchTuning(rows: 1))
  #expect(tuning.rows >= 6)
  #expect(tuner.tail(of: BatchTuning(rows: 1), load) == .infinity)
}

@Test func `past what can be done, as much is done as can be`() {
  for share in [1.0, 3, .infinity] {
    #expect(tuner.tuned(load(1, 3.2, rows: 8, share: share), from: BatchTuning(rows: 1)) == BatchTuning(rows: 8))
  }
}

@Test func `a setting that is as good as any stays`() {
  let load = load(5, 0.1, rows: 64, share: 0.5)
  let first = tuner.tuned(load, from: BatchTuning(rows: 64))
  #expect(tuner.tuned(load, from: first) == first)
}

@Test(arguments: [(1.0, 3.2, 8, 1, 1), (3, 0.25, 32, 8, 2), (0.05, 3, 8, 1, 2), (8, 0.5, 16, 1, 1)])
func `on arrivals that it has not seen it does about as well as the best fixed setting`(
  model: (fixed: Double, perRow: Double, rows: Int, step: Int, instances: Int)
) {
  let load = load(model.fixed, model.perRow, rows: model.rows, step: model.step, share: 0.8, instances: model.instances)
  let tuned = tuner.tuned(load, from: BatchTuning(rows: model.rows))
  var judge = BatchTuner()
  judge.requests = 5000
  judge.seed = 77
  var best = Double.infinity
  for rows in [1, 2, 4, model.rows / 2, model.rows] {
    for delay in [0, 0.5] {
      let run = load.cost.nanoseconds(rows: rows)
      best = min(best, judge.tail(of: BatchTuning(rows: rows, delayNanoseconds: UInt64(delay * run)), load))
    }
  }
  #expect(judge.tail(of: tuned, load) <= 1.15 * best, "\(tuned)")
}
