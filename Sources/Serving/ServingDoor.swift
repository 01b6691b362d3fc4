internal import Access
package import Inference
internal import Pools
internal import Routing
internal import Synchronization

/// The front door of one event loop: a request goes in here, to the pool that will answer it.
///
/// Routes, checks, admits, submits. Belongs to one thread, and is made for each. On the way back the same thread calls
/// `prepareAnswer` when it has taken the request from its mailbox, and `finish` when the answer is sent or dropped.
///
/// ```
/// submit ──accepted──▶ pool ──▶ mailbox ──▶ prepareAnswer ─▶ (encode) ─▶ finish
///    └────refused────▶ the caller answers; `finish` is not called
/// endOfTurn: sets each pool to work that got something, once
/// ```
package final class ServingDoor {
  package enum Submission: Hashable, Sendable {
    /// The request comes back through its mailbox, exactly once.
    case accepted
    /// It never left, and is the caller's again. The request's `retryAfterNanoseconds` says when it is worth another try.
    case refused(InferenceError)
    /// It never left: its credential is one that this door does not know. Have `verificationNeed` seen to, `remember` the
    /// verdict, and submit again.
    case needsVerification
  }

  /// Requests that found their pool draining and went to a newer snapshot's.
  package private(set) var reroutedCount = 0

  let board: ServingBoard
  let admission: Admission
  let mirror: MirrorQueue?
  let cache: ResponseCache?
  let shard: Int
  let credentials: DoorCredentials?
  /// What clients have registered; nil: this server shares no memory.
  package let sharedMemory: SharedMemoryRegions?
  @exclusivity(unchecked) private(set) var snapshot: ServingSnapshot
  @exclusivity(unchecked) private(set) var generation: UInt64
  // The same by pointers; see `ServingSnapshot.Target`.
  @exclusivity(unchecked) private(set) var routing: Unmanaged<RoutingTable>
  @exclusivity(unchecked) private(set) var targets: UnsafeMutablePointer<ServingSnapshot.Target>
  @exclusivity(unchecked) private(set) var endpoints: UnsafeMutablePointer<Unmanaged<EndpointPolicy>?>
  /// Pools that got a request in this turn. The snapshot keeps them; it is replaced only when this is empty.
  private let toWake: UnsafeMutablePointer<Unmanaged<ModelPool>>
  @exclusivity(unchecked) private var toWakeCount = 0
  @exclusivity(unchecked) private var hasCancelled = false
  @exclusivity(unchecked) var hasMirrored = false
  /// Whether one of the two lists that follow has any.
  @exclusivity(unchecked) var hasCacheWork = false
  /// Requests that the cache answered in this turn.
  @exclusivity(unchecked) var answered = RequestList()
  /// Requests that waited for another's answer, and must go on without it.
  @exclusivity(unchecked) var strayed = RequestList()
  /// More pools than this in one turn, and the first ones are woken before it ends.
  private static let mostToWake = 32

  /// - Parameters:
  ///   - mirror: Where copies of live requests go; nil: endpoints mirror nothing.
  ///   - cache: Where answers are kept, for all doors; nil: nowhere, whatever a model's configuration says.
  ///   - credentials: What this loop knows of credentials; nil: endpoints that ask for one are closed.
  ///   - sharedMemory: What clients have registered, for all doors; nil: requests with tensors there are refused.
  ///   - shard: The loop's number, so that it counts apart from others.
  package init(
    board: ServingBoard, admission: Admission, mirror: MirrorQueue? = nil, cache: ResponseCache? = nil,
    credentials: DoorCredentials? = nil, sharedMemory: SharedMemoryRegions? = nil, shard: Int = 0
  ) {
    self.board = board
    self.admission = admission
    self.mirror = mirror
    self.cache = cache
    self.shard = shard
    self.credentials = credentials
    self.sharedMemory = sharedMemory
    (snapshot, generation) = board.read()
    routing = .passUnretained(snapshot.routing)
    targets = snapshot.targets
    endpoints = snapshot.endpoints
    toWake = .allocate(capacity: ServingDoor.mostToWake)
  }

  deinit { toWake.deallocate() }

  /// Hands a request to the pool of its deployment.
  ///
  /// - Parameter now: The loop's time.
  /// - Returns: `.refused` with `.notFound`, `.unavailable` or `.invalidArgument` from routing and checks, and
  ///   `.resourceExhausted` if the endpoint, the deployment, the server or the pool has no room. For a request with tensors
  ///   in shared memory `.failedPrecondition` and `.permissionDenied` too.
  package func submit(_ request: RequestPointer, now: Instant) -> Submission {
    if board.generation != generation { refresh() }
    let endpoint = routing._withUnsafeGuaranteedRef { $0.index(of: request.pointee.modelName) }
    guard endpoint >= 0 else { return refuseUnknown(request) }
    if let policy = endpoints[endpoint],
      let closed = policy._withUnsafeGuaranteedRef({ checkAccess(of: request, to: $0) })
    {
      return closed
    }
    do throws(InferenceError) {
      try RequestParameters.check(request)
      try admission.admit()
    } catch { return .refused(error) }
    let sharesMemory = request.pointee.sharedTensors != nil
    if sharesMemory, let error = takeIn(request) {
      admission.release()
      return .refused(error)
    }
    let error =
      if let policy = endpoints[endpoint] {
        policy._withUnsafeGuaranteedRef { enter($0, request, endpoint, now: now) }
      } else {
        place(request, endpoint, now: now)
      }
    guard let error else { return .accepted }
    if sharesMemory { letGo(request) }
    admission.release()
    return .refused(error)
  }

  /// Tells whoever holds an accepted request that nobody waits for its answer. It still comes back.
  package func cancel(_ request: RequestPointer) {
    request.pointee.cancelled.store(true, ordering: .relaxed)
    hasCancelled = true
  }

  /// Whether `endOfTurn` has something to do.
  package var hasWork: Bool { toWakeCount > 0 || hasCancelled || hasMirrored || hasCacheWork }

  /// Sets every pool to work that got something since the last call. The loop calls it when it has read all that was
  /// there. Quick models run right here, so answers may be in the mailboxes afterwards.
  ///
  /// - Parameter until: When the loop wants its thread back; the default: no model runs here.
  package func endOfTurn(until: Instant = Instant(nanoseconds: 0)) {
    if hasCacheWork { endCacheTurn() }
    noticeCancellation()
    for index in 0..<toWakeCount { toWake[index]._withUnsafeGuaranteedRef { $0.work(until: until) } }
    toWakeCount = 0
    // Last: copies come after what somebody waits for.
    if hasMirrored {
      hasMirrored = false
      mirror?.wake()
    }
  }

  private func noticeCancellation() {
    guard hasCancelled else { return }
    // Which pool has which request is the pools' to know, and cancellations are rare: all look.
    hasCancelled = false
    for deployment in snapshot.deployments { deployment.pool.noticeCancellation() }
  }

  private func wakeAll() {
    for index in 0..<toWakeCount { toWake[index]._withUnsafeGuaranteedRef { $0.wake() } }
    toWakeCount = 0
  }

  /// Lets go of what is no longer served. The loop calls it now and then, so that an idle one keeps nothing alive.
  package func refresh() {
    noticeCancellation()
    wakeAll()
    (snapshot, generation) = board.read()
    routing = .passUnretained(snapshot.routing)
    targets = snapshot.targets
    endpoints = snapshot.endpoints
  }

  func rememberToWake(_ pool: Unmanaged<ModelPool>) {
    for index in 0..<toWakeCount where toWake[index].toOpaque() == pool.toOpaque() { return }
    if toWakeCount == ServingDoor.mostToWake { wakeAll() }
    (toWake + toWakeCount).initialize(to: pool)
    toWakeCount += 1
  }

  func noteRerouted() { reroutedCount += 1 }
}
