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
    /// It never left, and is the caller's again.
    case refused(InferenceError)
  }

  /// Requests that found their pool draining and went to a newer snapshot's.
  package private(set) var reroutedCount = 0

  private let board: ServingBoard
  private let admission: Admission
  @exclusivity(unchecked) private var snapshot: ServingSnapshot
  @exclusivity(unchecked) private var generation: UInt64
  // The same by pointers; see `ServingSnapshot.Target`.
  @exclusivity(unchecked) private var routing: Unmanaged<RoutingTable>
  @exclusivity(unchecked) private var targets: UnsafeMutablePointer<ServingSnapshot.Target>
  /// Pools that got a request in this turn. The snapshot keeps them; it is replaced only when this is empty.
  private let toWake: UnsafeMutablePointer<Unmanaged<ModelPool>>
  @exclusivity(unchecked) private var toWakeCount = 0
  @exclusivity(unchecked) private var hasCancelled = false
  /// More pools than this in one turn, and the first ones are woken before it ends.
  private static let mostToWake = 32

  package init(board: ServingBoard, admission: Admission) {
    self.board = board
    self.admission = admission
    (snapshot, generation) = board.read()
    routing = .passUnretained(snapshot.routing)
    targets = snapshot.targets
    toWake = .allocate(capacity: ServingDoor.mostToWake)
  }

  deinit { toWake.deallocate() }

  /// Hands a request to the pool of its deployment.
  ///
  /// - Parameter now: The loop's time.
  /// - Returns: `.refused` with `.notFound`, `.unavailable` or `.invalidArgument` from routing and checks, and
  ///   `.resourceExhausted` if the server or the pool has no room.
  package func submit(_ request: RequestPointer, now: Instant) -> Submission {
    if board.generation != generation { refresh() }
    do throws(InferenceError) {
      try RequestParameters.check(UnsafeBufferPointer(request.pointee.parameters))
      try admission.admit()
    } catch { return .refused(error) }
    guard let error = place(request, now: now) else { return .accepted }
    admission.release()
    return .refused(error)
  }

  /// Tells whoever holds an accepted request that nobody waits for its answer. It still comes back.
  package func cancel(_ request: RequestPointer) {
    request.pointee.cancelled.store(true, ordering: .relaxed)
    hasCancelled = true
  }

  /// Whether `endOfTurn` has something to do.
  package var hasWork: Bool { toWakeCount > 0 || hasCancelled }

  /// Sets every pool to work that got something since the last call. The loop calls it when it has read all that was
  /// there. Quick models run right here, so answers may be in the mailboxes afterwards.
  ///
  /// - Parameter until: When the loop wants its thread back; the default: no model runs here.
  package func endOfTurn(until: Instant = Instant(nanoseconds: 0)) {
    noticeCancellation()
    for index in 0..<toWakeCount { toWake[index]._withUnsafeGuaranteedRef { $0.work(until: until) } }
    toWakeCount = 0
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
  }

  /// Finishes what was asked of an answer that came back: outputs for which classes were wanted become their classes.
  package func prepareAnswer(_ request: RequestPointer) {
    guard request.pointee.failure == nil, let deployment = request.pointee.servedBy else { return }
    let target = Unmanaged<ServingDeployment>.fromOpaque(deployment.toOpaque()).takeUnretainedValue()
    do throws(InferenceError) {
      try target.classify(request)
    } catch {
      request.pointee.failure = error
    }
  }

  /// Ends the stay of an accepted request: its answer is encoded or thrown away, and its place is free again.
  package func finish(_ request: RequestPointer) {
    forgetDeployment(of: request)
    request.pointee.releaseAnswer()
    admission.release()
  }

  /// Routes, checks and submits; again with the next snapshot if the pool found drains by now.
  ///
  /// - Returns: Why it was refused; nil if it was not.
  private func place(_ request: RequestPointer, now: Instant) -> InferenceError? {
    while true {
      let target: UnsafeMutablePointer<ServingSnapshot.Target>
      switch find(request) {
      case .success(let index): target = targets + index
      case .failure(let error): return error
      }
      if let error = validate(request, for: target) { return error }
      // Set before the request leaves: from then on it is the pool's.
      let wantsClasses = request.pointee.requestedOutputs.contains { $0.classCount > 0 }
      if wantsClasses {
        _ = target.pointee.deployment.retain()
        request.pointee.servedBy = Unmanaged.fromOpaque(target.pointee.deployment.toOpaque())
      }
      switch target.pointee.pool._withUnsafeGuaranteedRef({ $0.submit(request, now: now) }) {
      case .accepted(let needsWake):
        if needsWake { rememberToWake(target.pointee.pool) }
        return nil
      case .refused(let error):
        forgetDeployment(of: request)
        return error
      case .draining:
        forgetDeployment(of: request)
        // The control plane publishes before it drains, so there is a newer snapshot without this pool.
        let seen = generation
        let deployment = target.pointee.deployment.takeUnretainedValue()
        refresh()
        guard generation != seen else {
          return .unavailable("model '\(deployment.name)' version \(deployment.version) is being unloaded")
        }
        reroutedCount += 1
      }
    }
  }

  // `_withUnsafeGuaranteedRef` uses an object without touching its reference count; the snapshot keeps it.

  private func find(_ request: RequestPointer) -> Result<Int, InferenceError> {
    routing._withUnsafeGuaranteedRef { table in
      do throws(InferenceError) {
        return .success(
          try table.target(endpoint: request.pointee.modelName, version: request.pointee.modelVersion))
      } catch { return .failure(error) }
    }
  }

  private func validate(
    _ request: RequestPointer, for target: UnsafeMutablePointer<ServingSnapshot.Target>
  ) -> InferenceError? {
    target.pointee.validator._withUnsafeGuaranteedRef { validator in
      do throws(InferenceError) {
        try validator.validate(request)
        return nil
      } catch { return error }
    }
  }

  private func forgetDeployment(of request: RequestPointer) {
    request.pointee.servedBy?.release()
    request.pointee.servedBy = nil
  }

  private func rememberToWake(_ pool: Unmanaged<ModelPool>) {
    for index in 0..<toWakeCount where toWake[index].toOpaque() == pool.toOpaque() { return }
    if toWakeCount == ServingDoor.mostToWake { wakeAll() }
    (toWake + toWakeCount).initialize(to: pool)
    toWakeCount += 1
  }
}

extension ServingDeployment {
  fileprivate func classify(_ request: RequestPointer) throws(InferenceError) {
    let requested = request.pointee.requestedOutputs
    for position in 0..<min(requested.count, request.pointee.outputs.count) where requested[position].classCount > 0 {
      try Classification.apply(
        to: &request.pointee.outputs[position], classCount: requested[position].classCount,
        isBatched: signature.isBatchable, labels: labels[requested[position].index], arena: request.pointee.arena)
    }
  }
}
