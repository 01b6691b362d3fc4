internal import Glibc
internal import Inference
internal import Pools
package import Serving
internal import Simulation
package import Telemetry
internal import Threads

/// Sets when batches leave, for models whose configuration leaves it to the server: by the load that they have, and what
/// their batches cost, as measured.
///
/// ```
/// every second: counters of a pool ─▶ ModelTuning ─── changed? ──▶ BatchTuner (simulations) ─▶ pool.retune
/// ```
///
/// It works on a thread of its own, behind everybody else: a search takes tenths of a second.
package final class BatchTuningDriver: @unchecked Sendable {  // what changes belongs to its thread, or to the lock
  private static let intervalNanoseconds: UInt64 = 1_000_000_000

  private let board: ServingBoard
  private let log: Log
  private var tuned: [ObjectIdentifier: ModelTuning] = [:]

  private let lock = Lock()
  private let condition = Condition()
  private var isStopping = false
  private var thread: OwnThread?

  package init(board: ServingBoard, log: Log) {
    self.board = board
    self.log = log
  }

  deinit {
    condition.deallocate()
    lock.deallocate()
  }

  /// - Throws: `InferenceError` if there is no thread left.
  package func start() throws {
    thread = try OwnThread(name: "apus-tuner") { [self] in
      setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)  // of this thread alone, on Linux
      while waitForTurn() { tick(at: .now()) }
    }
  }

  /// Returns when its thread has ended, which takes no longer than one search.
  package func stop() {
    lock.withLock {
      isStopping = true
      condition.signal()
    }
    thread?.join()
    thread = nil
  }

  private func waitForTurn() -> Bool {
    let turn = Instant.now().advanced(byNanoseconds: BatchTuningDriver.intervalNanoseconds)
    return lock.withLock {
      while !isStopping, Instant.now() < turn { condition.wait(lock, until: turn) }
      return !isStopping
    }
  }

  private func tick(at now: Instant) {
    let pools = board.read().snapshot.deployments.map(\.pool).filter(\.isTunable)
    let present = Set(pools.map { ObjectIdentifier($0) })
    tuned = tuned.filter { present.contains($0.key) }
    for pool in pools {
      let instances = pool.load.instances.ready
      let found = tuned[ObjectIdentifier(pool), default: ModelTuning(maxBatchRows: pool.maxBatchSize)]
        .look(at: pool.statistics, instances: instances, at: now)
      guard let found, let load = tuned[ObjectIdentifier(pool)]?.load else { continue }
      pool.retune(rows: found.rows, delayNanoseconds: found.delayNanoseconds)
      log.info(
        "batches leave by other numbers",
        [
          "model": pool.name, "version": pool.version, "rows": "\(found.rows)", "delay_us": "\(found.delayNanoseconds / 1000)",
          "requests_per_second": load.requestsPerSecond.isFinite ? "\(Int(load.requestsPerSecond.rounded()))" : "all that can be",
        ])
    }
  }
}
