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
  /// How many instances it starts with.
  package let instanceCount: Int
  /// Most instances that it may be given.
  package let maxInstances: Int

  /// Nil while the pool is suspended. Guarded by the lock.
  @exclusivity(unchecked) var model: (any LoadedModel)?
  /// How a suspended pool gets its model back; nil: it is never suspended.
  let reload: (@Sendable () throws(InferenceError) -> any LoadedModel)?
  let limits: PoolLimits
  let policy: BatchPolicy
  let clock: PoolClock
  let log: @Sendable (String) -> Void
  let warmsUp: Bool
  let warmUpBatches: [WarmUpBatch]
  /// Whether the watcher looks for requests that waited too long, even while no instance has time to.
  let sweepsQueue: Bool
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
  /// How long an instance works on one request, as the runs of late say; 0: none ran yet.
  let requestNanoseconds = Atomic<UInt64>(0)

  let lock = Lock()
  let state: UnsafeMutablePointer<PoolState>
  let watcherCondition = Condition()
  /// Signalled when an instance was made, could not be made, or has ended.
  let changeCondition = Condition()
  /// Set by `start()`, joined and emptied by the drain; touched by nobody else.
  var watcher: OwnThread?

  /// - Parameters:
  ///   - name: The endpoint, for thread names and messages.
  ///   - version: What `answeredVersion` says.
  ///   - warmsUp: Whether each instance runs one row of zeros before it serves, where there are no `warmUpBatches`.
  ///   - warmUpBatches: What each instance runs before it serves; one that fails at it is not made.
  ///   - reload: Loads the model anew after `suspend()`; blocks, on a thread of its own. Nil: the pool is never suspended.
  ///   - log: Told what goes wrong without failing anything: one line, for operators.
  package init(
    name: String, version: String, configuration: ModelConfiguration, model: any LoadedModel,
    limits: PoolLimits = PoolLimits(), clock: PoolClock = .system, warmsUp: Bool = false,
    warmUpBatches: [WarmUpBatch] = [], reload: (@Sendable () throws(InferenceError) -> any LoadedModel)? = nil,
    log: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.name = name
    self.version = version
    self.configuration = configuration
    self.model = model
    self.reload = reload
    self.limits = limits
    self.clock = clock
    self.warmsUp = warmsUp
    self.warmUpBatches = warmUpBatches
    self.log = log
    signature = model.signature
    inlineLimitNanoseconds = limits.inlineRunLimit.wholeNanoseconds
    runsInline = model.runsOnAnyThread && inlineLimitNanoseconds > 0
    maxBatchSize = configuration.maxBatchSize ?? (signature.isBatchable ? limits.defaultMaxBatchSize : 0)
    validator = RequestValidator(signature: signature, maxBatchSize: maxBatchSize)
    policy = BatchPolicy(
      maxBatchSize: maxBatchSize, dynamicBatching: configuration.dynamicBatching,
      queueLimit: limits.maxQueuedRequests, maxBatchRequests: limits.requestsPerInstance,
      maxQueueWait: limits.maxQueueWait)
    sweepsQueue = limits.maxQueueWait != nil || !policy.levels.isEmpty
    instanceCount = ModelPool.instanceCount(of: configuration, for: model)
    maxInstances = max(instanceCount, min(limits.maxInstances, ModelPool.instanceLimit))
    replyOrder = configuration.dynamicBatching?.preserveOrdering == true ? ReplyOrder() : nil
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(version.utf8.count, 1), alignment: 1)
    bytes.copyBytes(from: version.utf8)
    versionBytes = UnsafeRawBufferPointer(rebasing: bytes[..<version.utf8.count])
    state = .allocate(capacity: 1)
    state.initialize(to: PoolState(queue: BatchQueue(policy: policy)))
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
    for condition in state.pointee.conditions { condition.deallocate() }
    state.deinitialize(count: 1)
    state.deallocate()
    watcherCondition.deallocate()
    changeCondition.deallocate()
    lock.deallocate()
    versionBytes.deallocate()
  }

  // MARK: - Requests

  /// Puts a valid request in the queue. Any thread; one short lock, no system call.
  ///
  /// Unless the result is `.accepted`, the request is the caller's still. If it is, the pool holds the request until it
  /// posts it to its mailbox; until then the caller may only raise `cancelled`.
  package func submit(_ request: RequestPointer, now: Instant) -> SubmitResult {
    let priority = requestedPriority(request)
    let timeout = policy.timeout(
      enteringAt: now, requested: requestedTimeout(request, priority), priority: priority)
    lock.lock()
    guard state.pointee.phase == .serving else {
      lock.unlock()
      return .draining
    }
    // The few that may be in the pool with `requestsPerInstance` are fewer than may wait.
    let room = max(state.pointee.maxInFlight - running.load(ordering: .relaxed), 0)
    guard !state.pointee.isDeserted || state.pointee.isSuspended else {
      lock.unlock()
      return .refused(noInstance)
    }
    if let held = replyOrder?.heldCount, held >= heldLimit { return refuse(request, heldRefusal(held), at: now) }
    let fullLevel = fullLevel(of: priority)
    request.pointee.enqueued = now
    request.pointee.ticket = state.pointee.nextTicket
    let admission = state.pointee.queue.append(
      UInt(bitPattern: request), rows: request.pointee.rows, shapeKey: request.pointee.shapeKey, at: now,
      timeout: timeout, deadline: request.pointee.deadline, priority: priority,
      caller: request.pointee.caller, limit: room)
    if admission == .full { return refuse(request, refusal(fullLevel), at: now) }
    state.pointee.nextTicket &+= 1
    state.pointee.lastUsed = now
    if sweepsQueue { watchNoLaterThan(timeout) }
    var needsWake = state.pointee.needsWake(timeout: min(timeout, request.pointee.deadline))
    if state.pointee.isSuspended {
      watchNoLaterThan(min(timeout, request.pointee.deadline))
      needsWake = true
    }
    if case .displaced(let token) = admission {
      displace(RequestPointer(bitPattern: token)!, refusal(fullLevel), at: now)
    } else {
      lock.unlock()
    }
    return .accepted(needsWake: needsWake)
  }

  /// Wakes one free instance if anything is waiting; it wakes the next if it leaves anything behind. Called once at the
  /// end of a turn in which `submit` asked for it.
  package func wake() {
    lock.lock()
    // While the model comes back, an instance that is there already serves who comes now.
    if state.pointee.isSuspended, !state.pointee.isResizing { return wakeSuspended() }
    let condition = state.pointee.queue.count > 0 ? state.pointee.pickInstanceToWake() : nil
    lock.unlock()
    condition?.signal()
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
  private func requestedTimeout(_ request: RequestPointer, _ priority: UInt8) -> UInt64? {
    policy.allowsTimeoutOverride(of: priority) ? ModelPool.number("timeout", of: request) : nil
  }

  /// The `priority` parameter, where the model has priorities and the door gave none.
  private func requestedPriority(_ request: RequestPointer) -> UInt8 {
    guard policy.priorityLevels > 1, request.pointee.priority == 0 else { return request.pointee.priority }
    return UInt8(clamping: ModelPool.number("priority", of: request) ?? 0)
  }

  private static func number(_ name: StaticString, of request: RequestPointer) -> UInt64? {
    let name = UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
    for parameter in request.pointee.parameters where parameter.key == name {
      switch parameter.value {
      case .int64(let value): return value > 0 ? UInt64(value) : nil
      case .uint64(let value): return value
      case .unset, .bool, .double, .string: return nil
      }
    }
    return nil
  }

  /// Why there is no room, and in how many nanoseconds there should be.
  private typealias Refusal = (error: InferenceError, delay: UInt64)

  /// A level that takes no more, though the queue as a whole might.
  private typealias FullLevel = (level: UInt8, count: Int)

  /// Refuses a request for which there is no room. With the lock held, which it gives up.
  private func refuse(_ request: RequestPointer, _ refusal: Refusal, at now: Instant) -> SubmitResult {
    lock.unlock()
    request.pointee.retryAfterNanoseconds = refusal.delay
    statisticsRecorder.addFailures(
      DurationCount(count: 1, nanoseconds: now.nanoseconds(since: request.pointee.arrival)), .rejected)
    return .refused(refusal.error)
  }

  /// Answers a request that had to make room for another. With the lock held, which it gives up.
  private func displace(_ request: RequestPointer, _ refusal: Refusal, at now: Instant) {
    lock.unlock()
    var error = refusal.error
    error.message += "; another came first by its priority or its caller's share"
    request.pointee.retryAfterNanoseconds = refusal.delay
    var mailboxes = MailboxSet()
    fail(request, error, .rejected, at: now, into: &mailboxes)
    mailboxes.wakeAll()
  }

  /// The level of this priority, if it has a limit of its own and is full. With the lock held.
  private func fullLevel(of priority: UInt8) -> FullLevel? {
    guard !policy.levels.isEmpty else { return nil }
    let level = policy.level(of: priority)
    guard let count = state.pointee.queue.countIfFull(level: level) else { return nil }
    return (level, count)
  }

  /// Most answers that wait for an earlier one before `submit` refuses. With the lock held.
  private var heldLimit: Int { min(limits.maxQueuedRequests, state.pointee.maxInFlight) }

  /// Too many answers wait for one that should leave before them. With the lock held.
  private func heldRefusal(_ held: Int) -> Refusal {
    (
      InferenceError(
        limits.queueFullCode,
        "Exceeds maximum queue size: \(held) answers wait for an earlier one to leave; the limit is \(heldLimit)"),
      retryDelay(waiting: state.pointee.queue.count, instances: state.pointee.wanted)
    )
  }

  /// With the lock held.
  ///
  /// - Parameter fullLevel: The newcomer's, as it was before; nil: there was room in it.
  private func refusal(_ fullLevel: FullLevel?) -> Refusal {
    let waiting = state.pointee.queue.count
    let (limit, instances) = (state.pointee.maxInFlight, state.pointee.wanted)
    let delay = retryDelay(waiting: waiting, instances: instances)
    if let (level, count) = fullLevel {
      return (
        InferenceError(
          limits.queueFullCode,
          "Exceeds maximum queue size of priority \(level + 1): \(count) requests are waiting; "
            + "the limit is \(policy.levels[Int(level)].maxQueuedRequests)"), delay
      )
    }
    guard waiting < policy.maxQueuedRequests else {
      return (
        InferenceError(
          limits.queueFullCode,
          "Exceeds maximum queue size: \(waiting) requests are waiting; the limit is \(policy.maxQueuedRequests)"), delay
      )
    }
    let inFlight = waiting + running.load(ordering: .relaxed)
    return (
      .resourceExhausted(
        "too many pending requests: \(inFlight) are in flight; the limit is \(limit), "
          + "twice \(limits.requestsPerInstance ?? 0) an instance for \(instances) instances"), delay
    )
  }

  /// In what time the instances should have served what waits now, at the rate of late; 1 ms to 30 s.
  func retryDelay(waiting: Int, instances: Int) -> UInt64 {
    let each = requestNanoseconds.load(ordering: .relaxed)
    let (all, overflow) = each.multipliedReportingOverflow(by: UInt64(max(waiting, 1)))
    guard !overflow else { return ModelPool.longestRetryDelay }
    return min(max(all / UInt64(max(instances, 1)), ModelPool.shortestRetryDelay), ModelPool.longestRetryDelay)
  }

  private static let shortestRetryDelay: UInt64 = 1_000_000
  private static let longestRetryDelay: UInt64 = 30_000_000_000

  // MARK: - What it has done, and how busy it is

  package var statistics: PoolStatistics {
    var statistics = statisticsRecorder.snapshot()
    statistics.batchCauses = lock.withLock { state.pointee.batchCauses }
    return statistics
  }

  package var load: PoolLoad {
    var load = lock.withLock {
      PoolLoad(
        queuedRequests: state.pointee.queue.count, instances: state.pointee.countInstances(),
        utilisation: state.pointee.utilisation.average)
    }
    load.runningRequests = running.load(ordering: .relaxed)
    load.heldAnswers = replyOrder?.heldCount ?? 0
    return load
  }

  /// Most requests that wait before `submit` refuses.
  package var queueLimit: Int { policy.maxQueuedRequests }

  /// Adds how busy the pool is now to `load.utilisation`. Called every second or so.
  package func sampleUtilisation(at now: Instant) {
    let together = limits.requestsPerInstance ?? (policy.joinsRequests ? policy.maxBatchRows : 1)
    lock.withLock {
      let waiting = Double(state.pointee.queue.count) / Double(max(together, 1))
      state.pointee.utilisation.add(state.pointee.countInstances().utilisation(waiting: waiting), at: now)
    }
  }

  /// `load.utilisation`, which begins anew.
  package func takeUtilisation() -> Double {
    lock.withLock {
      defer { state.pointee.utilisation.restart() }
      return state.pointee.utilisation.average
    }
  }

  /// What the model holds now; nothing while the pool is suspended.
  package var memoryUsage: [MemoryUsage] { lock.withLock { model }?.memoryUsage ?? [] }
  package var placement: String { lock.withLock { model }?.placement ?? "suspended" }
}
