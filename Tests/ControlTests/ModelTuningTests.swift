import Control
import Inference
import Pools
import Simulation
import Testing

private let second: UInt64 = 1_000_000_000

/// The counters of a model that has run so often with so many rows, each time for `milliseconds`.
private func counters(_ runs: [(rows: Int, count: UInt64, milliseconds: Double)], requests: UInt64) -> PoolStatistics {
  var statistics = PoolStatistics()
  statistics.batchSizes = runs.map { run in
    var size = BatchSizeStatistics()
    size.batchSize = run.rows
    size.computeInfer = DurationCount(count: run.count, nanoseconds: UInt64(Double(run.count) * run.milliseconds * 1e6))
    return size
  }
  statistics.success = DurationCount(count: requests, nanoseconds: 0)
  statistics.inferenceCount = requests
  return statistics
}

private var quickTuner: BatchTuner {
  var tuner = BatchTuner()
  tuner.requests = 1000
  return tuner
}

private func tuning() -> ModelTuning { ModelTuning(maxBatchRows: 8, tuner: quickTuner) }

/// Looks at the start, and after ten seconds with these counters and the rate that they make.
private func look(_ tuning: inout ModelTuning, at statistics: PoolStatistics, instances: Int = 2) -> BatchTuning? {
  _ = tuning.look(at: PoolStatistics(), instances: instances, at: Instant(nanoseconds: second))
  return tuning.look(at: statistics, instances: instances, at: Instant(nanoseconds: 11 * second))
}

/// Rows cost 10 ms each, and little besides.
private func linear(_ requests: UInt64) -> PoolStatistics {
  counters([(1, requests / 2, 10), (2, requests / 8, 19.9), (8, requests / 32, 79)], requests: requests)
}

@Test func `a model whose rows cost what they cost alone runs them alone, and once that is found it stays`() {
  var tuning = tuning()
  #expect(look(&tuning, at: linear(800)) == BatchTuning(rows: 1))
  #expect(tuning.load?.requestsPerSecond == 80)
  for later in 12...30 as ClosedRange<UInt64> {
    #expect(tuning.look(at: linear(80 * (later - 1)), instances: 2, at: Instant(nanoseconds: later * second)) == nil)
  }
}

@Test func `instances that are never idle do all that can be done`() {
  var tuning = tuning()
  // 10 s of two instances, all of them busy.
  let statistics = counters([(1, 1000, 10), (8, 250, 40)], requests: 3000)
  _ = look(&tuning, at: statistics)
  #expect(tuning.load?.requestsPerSecond == .infinity)
  #expect(tuning.tuning == BatchTuning(rows: 8))
}

@Test func `little to go by, and little to gain, changes nothing`() {
  for statistics in [linear(100), counters([(1, 5000, 0.1), (8, 100, 0.8)], requests: 5800), PoolStatistics()] {
    var tuning = tuning()
    #expect(look(&tuning, at: statistics) == nil)
    #expect(tuning.load == nil)
  }
  var idle = tuning()
  #expect(look(&idle, at: linear(800), instances: 0) == nil)
}

@Test func `a setting has time to show what it is worth`() {
  var tuning = tuning()
  _ = look(&tuning, at: linear(800))
  let load = tuning.load
  // Twice the load, a second later, and again when the rest is over.
  #expect(tuning.look(at: linear(2000), instances: 2, at: Instant(nanoseconds: 12 * second)) == nil)
  #expect(tuning.load == load)
  _ = tuning.look(at: linear(9000), instances: 2, at: Instant(nanoseconds: 17 * second))
  #expect(tuning.load != load)
}
