internal import Batching
internal import Inference

/// One server of a simulation: a model's queue, by the rules of the real one, and its instances on virtual time.
struct SimulatedServer {
  /// A batch that runs.
  struct Run {
    var requests: [UInt32] = []
    var rows = 0
  }

  private var queue: BatchQueue
  private(set) var idle: Int
  private var batch = FormedBatch()
  /// When the queue asked to be looked at again; `.max`: not before something happens.
  private(set) var lookAgain = UInt64.max

  init(policy: BatchPolicy, instances: Int) {
    queue = BatchQueue(policy: policy)
    idle = instances
  }

  var waiting: Int { queue.count }

  /// Takes a request in, or says whom there is no room for.
  mutating func take(_ request: UInt32, rows: Int, at now: UInt64, deadline: UInt64) -> UInt32? {
    let admission = queue.append(
      UInt(request), rows: rows, shapeKey: 0, at: Instant(nanoseconds: now),
      timeout: queue.policy.timeout(enteringAt: Instant(nanoseconds: now), requested: nil),
      deadline: Instant(nanoseconds: deadline))
    switch admission {
    case .queued: return nil
    case .displaced(let other): return UInt32(other)
    case .full: return request
    }
  }

  /// What a look brought out.
  enum Look {
    case run(Run)
    /// Nothing leaves now.
    case rest
  }

  /// Looks for a batch for an idle instance. What leaves the queue without running is given to `lose`.
  mutating func look(at now: UInt64, lose: (UInt32) -> Void) -> Look {
    lookAgain = .max
    guard idle > 0 else { return .rest }
    let verdict = queue.form(at: Instant(nanoseconds: now), isCancelled: { _ in false }, into: &batch)
    for removal in batch.removed { lose(UInt32(removal.token)) }
    switch verdict {
    case .send:
      idle -= 1
      return .run(Run(requests: batch.tokens.map { UInt32($0) }, rows: batch.rows))
    case .wait(let until):
      lookAgain = until.nanoseconds
      return .rest
    case .idle: return .rest
    }
  }

  mutating func finishRun() { idle += 1 }
}
