package import Backends
internal import Batching
package import Inference
internal import Synchronization
internal import Threads

/// The instances of one deployment and the requests that wait for them.
///
/// Any event loop submits; every instance is a thread that takes a batch whenever it is free, so that requests gather
/// for as long as all instances are busy. Every accepted request is answered through its mailbox exactly once.
/// Requests must have passed `validator`.
///
/// ```
/// submit ─▶ BatchQueue ─┬▶ instance 0: gather ▸ run ▸ scatter ─┬▶ mailbox of each request
///    (one short lock)   └▶ instance 1: …                       ┘   (in the order of submission, if configured)
///
/// made ─start─▶ starting ─▶ serving ─drain─▶ draining ─▶ drained
///                  └─ an instance fails ─▶ failed
/// ```
///
/// The threads hold the pool: one that was started must be drained to go away, and so must what each answer refers to
/// (`answeredBy`) be released.
///
/// `@unchecked`: `state` is guarded by `lock`, and everything else is constant or synchronises itself.
package final class ModelPool: @unchecked Sendable {
  package let name: String
  package let version: String
  package let configuration: ModelConfiguration
  package let signature: ModelSignature
  /// Checks requests for this pool; on the event loop, before `submit`.
  package let validator: RequestValidator
  /// Most rows in one batch; 0: the model does not batch.
  package let maxBatchSize: Int
  package let instanceCount: Int

  let model: any LoadedModel
  let limits: PoolLimits
  let policy: BatchPolicy
  let clock: PoolClock
  let log: @Sendable (String) -> Void
  let warmsUp: Bool
  let statisticsRecorder = StatisticsRecorder()
  let replyOrder: ReplyOrder?
  let versionBytes: UnsafeRawBufferPointer
  /// Whether event loops may run quick batches themselves.
  let runsInline: Bool
  let inlineLimitNanoseconds: UInt64
  /// Batches with so many bytes of input, or fewer, are known to run within the limit; see `work(until:)`.
  let quickBytes = Atomic<Int>(-1)
  /// Requests taken by an instance and not yet answered.
  let running = Atomic<Int>(0)

  let lock = Lock()
  let state: UnsafeMutablePointer<PoolState>
  /// One an instance, so that a wake-up reaches the one it is meant for.
  let instanceConditions: [Condition]
  let watcherCondition = Condition()
  let startCondition = Condition()
  /// Set by `start()`, joined and emptied by the drain; touched by nobody else.
  var threads: [OwnThread] = []
  var watcher: OwnThread?

  /// - Parameters:
  ///   - name: The endpoint, for thread names and messages.
  ///   - version: What `answeredVersion` says.
  ///   - warmsUp: Whether each instance runs one row of zeros before it serves.
  ///   - log: Told what goes wrong without failing anything: one line, for operators.
  package init(
    name: String, version: String, configuration: ModelConfiguration, model: any LoadedModel,
    limits: PoolLimits = PoolLimits(), clock: PoolClock = .system, warmsUp: Bool = false,
    log: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.name = name
    self.version = version
    self.configuration = configuration
    self.model = model
    self.limits = limits
    self.clock = clock
    self.warmsUp = warmsUp
    self.log = log
    signature = model.signature
    inlineLimitNanoseconds = limits.inlineRunLimit.wholeNanoseconds
    runsInline = model.runsOnAnyThread && inlineLimitNanoseconds > 0
    maxBatchSize = configuration.maxBatchSize ?? (signature.isBatchable ? limits.defaultMaxBatchSize : 0)
    validator = RequestValidator(signature: signature, maxBatchSize: maxBatchSize)
    policy = BatchPolicy(
      maxBatchSize: maxBatchSize, dynamicBatching: configuration.dynamicBatching,
      queueLimit: limits.maxQueuedRequests)
    instanceCount = ModelPool.instanceCount(of: configuration, for: model)
    replyOrder = configuration.dynamicBatching?.preserveOrdering == true ? ReplyOrder() : nil
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(version.utf8.count, 1), alignment: 1)
    bytes.copyBytes(from: version.utf8)
    versionBytes = UnsafeRawBufferPointer(rebasing: bytes[..<version.utf8.count])
    instanceConditions = (0..<instanceCount).map { _ in Condition() }
    state = .allocate(capacity: 1)
    state.initialize(to: PoolState(queue: BatchQueue(policy: policy), instanceCount: instanceCount))
  }

  /// Most instances of one deployment that a configuration may ask for: each is a thread.
  package static let instanceLimit = 1024

  /// How many instances a configuration asks for; where it does not say, what the model suggests, within the limit.
  package static func instanceCount(of configuration: ModelConfiguration, for model: any LoadedModel) -> Int {
    let suggested = min(max(model.suggestedInstanceCount, 1), instanceLimit)
    let configured = configuration.instanceGroups.reduce(0) { $0 + ($1.count > 0 ? $1.count : suggested) }
    return configured > 0 ? configured : suggested
  }

  deinit {
    state.deinitialize(count: 1)
    state.deallocate()
    for condition in instanceConditions { condition.deallocate() }
    watcherCondition.deallocate()
    startCondition.deallocate()
    lock.deallocate()
    versionBytes.deallocate()
  }

  // MARK: - Requests

  /// Puts a valid request in the queue. Any thread; one short lock, no system call.
  ///
  /// Unless the result is `.accepted`, the request is the caller's still. If it is, the pool holds the request until it
  /// posts it to its mailbox; until then the caller may only raise `cancelled`.
  package func submit(_ request: RequestPointer, now: Instant) -> SubmitResult {
    let timeout = policy.timeout(enteringAt: now, requested: requestedTimeout(request))
    lock.lock()
    guard state.pointee.phase == .serving else {
      lock.unlock()
      return .draining
    }
    request.pointee.enqueued = now
    request.pointee.ticket = state.pointee.nextTicket
    let isQueued = state.pointee.queue.append(
      UInt(bitPattern: request), rows: request.pointee.rows, shapeKey: request.pointee.shapeKey, at: now,
      timeout: timeout, deadline: request.pointee.deadline)
    guard isQueued else {
      let waiting = state.pointee.queue.count
      lock.unlock()
      return .refused(refuse(request, waiting: waiting, at: now))
    }
    state.pointee.nextTicket &+= 1
    let needsWake = state.pointee.needsWake(timeout: min(timeout, request.pointee.deadline))
    lock.unlock()
    return .accepted(needsWake: needsWake)
  }

  /// Wakes one free instance if anything is waiting; it wakes the next if it leaves anything behind. Called once at the
  /// end of a turn in which `submit` asked for it.
  package func wake() {
    lock.lock()
    let index = state.pointee.queue.count > 0 ? state.pointee.pickInstanceToWake() : nil
    lock.unlock()
    if let index { instanceConditions[index].signal() }
  }

  /// Stops runs that nobody waits for any more. Called once at the end of a turn in which requests were cancelled.
  ///
  /// A run goes on as long as one of its requests is wanted. Requests in the queue are not looked at: they are answered
  /// when an instance comes to them.
  package func noticeCancellation() {
    let now = clock.now()
    lock.withLock { watchRuns(at: now) }
  }

  /// The `timeout` parameter in microseconds, where the policy lets a request have one.
  private func requestedTimeout(_ request: RequestPointer) -> UInt64? {
    guard policy.allowsTimeoutOverride else { return nil }
    for parameter in request.pointee.parameters where ModelPool.isTimeout(parameter.key) {
      switch parameter.value {
      case .int64(let value): return value > 0 ? UInt64(value) : nil
      case .uint64(let value): return value
      case .unset, .bool, .double, .string: return nil
      }
    }
    return nil
  }

  private static func isTimeout(_ key: UnsafeRawBufferPointer) -> Bool {
    let name: StaticString = "timeout"
    return key == UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
  }

  private func refuse(_ request: RequestPointer, waiting: Int, at now: Instant) -> InferenceError {
    statisticsRecorder.addFailures(
      DurationCount(count: 1, nanoseconds: now.nanoseconds(since: request.pointee.arrival)), .rejected)
    return InferenceError(
      limits.queueFullCode,
      "Exceeds maximum queue size: \(waiting) requests are waiting; the limit is \(policy.maxQueuedRequests)")
  }

  // MARK: - What it has done, and how busy it is

  package var statistics: PoolStatistics {
    var statistics = statisticsRecorder.snapshot()
    statistics.batchCauses = lock.withLock { state.pointee.batchCauses }
    return statistics
  }

  package var load: PoolLoad {
    PoolLoad(
      queuedRequests: lock.withLock { state.pointee.queue.count },
      runningRequests: running.load(ordering: .relaxed))
  }

  /// Most requests that wait before `submit` refuses.
  package var queueLimit: Int { policy.maxQueuedRequests }

  package var memoryUsage: [MemoryUsage] { model.memoryUsage }
  package var placement: String { model.placement }
}
