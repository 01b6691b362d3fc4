internal import Inference
internal import Pools
internal import Routing

// The way of a request whose deployment has `response_cache` on, where the server has a cache. By the time that the cache is
// asked, the request may come in, is within all limits, and is routed and valid.
//
// ```
// place ─▶ takesFromCache ─┬─ true: a hit ─▶ `answered` ─endOfTurn─▶ its mailbox
//                          ├─ true: it waits for the leader's answer
//                          └─ false ─▶ pool ─▶ leader's prepareAnswer or finish ─▶ landFlight ─▶ mailboxes of those who wait
//                                                                            └─ failed ─▶ `strayed` ─endOfTurn─▶ pool
// ```
//
// Those who wait may be of other loops than the leader, whose thread answers them and has them go on. It is the only one that
// touches them then; their own doors hear of them through their mailboxes, once.
extension ServingDoor {
  /// Has the cache answer a request that is ready for its pool, or has the request wait for the answer to an identical one.
  ///
  /// - Returns: Whether that is so. If not, the request goes to its pool; `flight` is set if it leads.
  func takesFromCache(
    _ request: RequestPointer, _ target: UnsafeMutablePointer<ServingSnapshot.Target>, _ cache: ResponseCache
  ) -> Bool {
    let start = Instant.now()
    guard let tag = cache.tag(of: request, deployment: target.pointee.cacheNumber) else { return false }
    // In case that it waits: then it may be another thread's before `find` returns.
    request.pointee.enqueued = start
    request.pointee.ticket = Instant.now().nanoseconds(since: start)
    switch cache.find(tag, for: request) {
    case .waits: return true
    case .leads, .crowded:
      let lookup = Instant.now().nanoseconds(since: start)
      target.pointee.pool._withUnsafeGuaranteedRef { $0.noteCacheMiss(lookup: lookup) }
      return false
    case .kept(let answer):
      request.pointee.answeredVersion = target.pointee.served._withUnsafeGuaranteedRef { $0.deployment.versionBytes }
      answer._withUnsafeGuaranteedRef {
        give(request, $0.tensors, ownedBy: Unmanaged<AnyObject>.fromOpaque(answer.toOpaque()))
      }
      answer.release()
      let end = Instant.now()
      if request.pointee.failure == nil {
        target.pointee.pool._withUnsafeGuaranteedRef {
          $0.noteCacheHit(request, waited: 0, lookup: end.nanoseconds(since: start), at: end)
        }
      }
      answered.append(request)
      hasCacheWork = true
      return true
    }
  }

  /// Gives a request an answer that is there already. Shapes are copied into its arena, contents stay where they are.
  ///
  /// - Parameter owner: What keeps all of the tensors alive; nil: each has an owner of its own.
  private func give(
    _ request: RequestPointer, _ tensors: UnsafeMutableBufferPointer<Tensor>, ownedBy owner: Unmanaged<AnyObject>?
  ) {
    let arena = request.pointee.arena
    guard let outputs = arena.pointee.allocate(Tensor.self, count: tensors.count) else { return failForRoom(request) }
    for position in 0..<tensors.count {
      var tensor = tensors[position]
      guard let shape = arena.pointee.allocate(Int64.self, count: tensor.shape.count) else { return failForRoom(request) }
      for axis in 0..<tensor.shape.count { shape[axis] = tensor.shape[axis] }
      tensor.shape = UnsafeBufferPointer(start: shape, count: tensor.shape.count)
      if let owner { tensor.owner = owner }
      (outputs + position).initialize(to: tensor)
    }
    // Every allocation is made before the first owner is retained: a failure leaves nothing to undo.
    for position in 0..<tensors.count { _ = outputs[position].owner?.retain() }
    request.pointee.outputs = UnsafeMutableBufferPointer(start: outputs, count: tensors.count)
  }

  private func failForRoom(_ request: RequestPointer) {
    request.pointee.failure = .resourceExhausted(
      "no room for the outputs: the request holds \(request.pointee.arena.pointee.usedBytes) bytes; "
        + "the limit is \(request.pointee.arena.pointee.limitBytes)")
  }

  // MARK: - The end of a flight

  /// Ends what a request leads that has come back: those who wait for its answer get it, or go on without it.
  ///
  /// Before anything is made of the answer. If its caller was at fault, the next one takes the lead; else each is computed by
  /// itself, as without a cache, so that no failure is found out one after the other.
  func landFlight(of request: RequestPointer) {
    guard let cache, let flight = request.pointee.flight, let served = request.pointee.servedBy else { return }
    let target = Unmanaged<ServedTarget>.fromOpaque(served.toOpaque()).takeUnretainedValue()
    guard let failure = request.pointee.failure else { return share(request, at: target, flight, cache) }
    guard failure.code == .cancelled || failure.code == .deadlineExceeded else { return dissolveFlight(of: request) }
    request.pointee.flight = nil
    let now = Instant.now()
    var (leader, unwanted) = cache.passOn(flight.assumingMemoryBound(to: CacheEntry.self), at: now)
    if let leader {
      strayed.append(leader)
      hasCacheWork = true
    }
    while let request = unwanted.popFirst() { giveUp(request, at: target, now: now) }
  }

  /// Ends what a request leads that won't have an answer: whoever waits is computed by itself.
  func dissolveFlight(of request: RequestPointer) {
    guard let cache, let flight = request.pointee.flight else { return }
    request.pointee.flight = nil
    let waiting = cache.dissolve(flight.assumingMemoryBound(to: CacheEntry.self))
    guard !waiting.isEmpty else { return }
    strayed.append(contentsOf: waiting)
    hasCacheWork = true
  }

  private func share(
    _ leader: RequestPointer, at target: ServedTarget, _ flight: UnsafeMutableRawPointer, _ cache: ResponseCache
  ) {
    leader.pointee.flight = nil
    let start = Instant.now()
    var waiting = cache.land(flight.assumingMemoryBound(to: CacheEntry.self), leader.pointee.outputs)
    let now = Instant.now()
    let pool = target.deployment.pool
    pool.noteCacheInsertion(nanoseconds: now.nanoseconds(since: start))
    var replies = OutgoingReplies()
    while let request = waiting.popFirst() {
      // Names and version are the pool's, which the leader's answer keeps alive.
      request.pointee.answeredVersion = leader.pointee.answeredVersion
      request.pointee.answeredBy = leader.pointee.answeredBy?.retain()
      give(request, leader.pointee.outputs, ownedBy: nil)
      if request.pointee.failure == nil {
        pool.noteCacheHit(
          request, waited: now.nanoseconds(since: request.pointee.enqueued), lookup: request.pointee.ticket, at: now)
      }
      replies.post(request)
    }
    replies.wake()
  }

  // MARK: - Those who go on without a leader

  /// Has those go on who lost their leader, and posts this turn's hits. Before the pools are woken.
  func endCacheTurn() {
    // One that goes on may fail at once, and leave those who wait for it to go on.
    while let request = strayed.popFirst() { goOn(request) }
    var replies = OutgoingReplies()
    while let request = answered.popFirst() { replies.post(request) }
    replies.wake()
    hasCacheWork = false
  }

  private func goOn(_ request: RequestPointer) {
    guard let served = request.pointee.servedBy else {
      preconditionFailure("A request waited for an answer without its deployment. This is a bug.")
    }
    // Held here: it may be answered, and all its own references gone, before its pool is woken.
    let target = Unmanaged<ServedTarget>.fromOpaque(served.toOpaque()).takeUnretainedValue()
    let pool = target.deployment.pool
    let now = Instant.now()
    guard !request.pointee.isUnwanted(at: now) else { return giveUp(request, at: target, now: now) }
    pool.noteCacheMiss(lookup: request.pointee.ticket)
    switch pool.submit(request, now: now) {
    case .accepted(let needsWake):
      // Not at the end of the turn: the pool may be none of this door's snapshot.
      if needsWake { pool.wake() }
    case .refused(let error): fail(request, error, at: target)
    case .draining: placeAgain(request, after: target, now: now)
    }
  }

  /// Finds a request of a pool that drains another, as it would have been if it had come now.
  ///
  /// Its caller may be gone, and its header fields with it. So one that named its deployment names the old one's, and one
  /// with a routing key has its turn like any other.
  private func placeAgain(_ request: RequestPointer, after old: ServedTarget, now: Instant) {
    dissolveFlight(of: request)  // Those who wait were meant for the old deployment too.
    if request.pointee.pin.count > 0 { request.pointee.pin = old.deployment.versionBytes }
    request.pointee.routingKey = UnsafeRawBufferPointer(start: nil, count: 0)
    let kept = request.pointee.servedBy
    request.pointee.servedBy = nil
    if board.generation != generation { refresh() }
    let endpoint = routing._withUnsafeGuaranteedRef { $0.index(of: request.pointee.modelName) }
    let error =
      endpoint < 0 ? RoutingTable.unknown(request.pointee.modelName) : place(request, endpoint, now: now, isFirst: false)
    if let error {
      // As `enter` does; `finish` will not, without a deployment.
      old.endpoint?.limiter?.leave(connection: request.pointee.connection, after: nil)
      request.pointee.failure = error
      post(request)
    }
    kept?.release()
  }

  private func giveUp(_ request: RequestPointer, at target: ServedTarget, now: Instant) {
    target.deployment.pool.noteUnwanted(request, at: now)
    let microseconds = now.nanoseconds(since: request.pointee.enqueued) / 1000
    let isCancelled = request.pointee.deadline > now
    fail(
      request,
      isCancelled
        ? .cancelled("cancelled after \(microseconds) µs of waiting for the answer to an identical request")
        : .deadlineExceeded("the deadline passed after \(microseconds) µs of waiting for the answer to an identical request"),
      at: target)
  }

  private func fail(_ request: RequestPointer, _ error: InferenceError, at target: ServedTarget) {
    request.pointee.failure = error
    if request.pointee.flight != nil { landFlight(of: request) }
    post(request)
  }

  private func post(_ request: RequestPointer) {
    var replies = OutgoingReplies()
    replies.post(request)
    replies.wake()
  }
}
