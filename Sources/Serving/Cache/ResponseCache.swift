package import Access
internal import Inference
internal import Synchronization
internal import Threads

/// Answers that are given again to identical requests, and identical requests that are computed once.
///
/// Which requests are identical, a 128-bit hash under a secret seed says (`tag(of:deployment:)`). The first request of its
/// kind **leads**: it goes to its pool as ever. Those that come until its answer is there **wait** here for it. The answer
/// is copied once, and whoever asks from then on gets tensors that point into the copy. What was used longest ago goes first
/// when there is no room.
///
/// ```
/// find ─┬─ kept ────▶ answered at once
///       ├─ waits ───▶ answered with the leader's outputs; goes on by itself if that failed
///       └─ leads ───▶ pool ─▶ land ─▶ kept, within `limitBytes`
/// ```
///
/// Any thread. The table is in parts with a lock each, picked by the hash, so that event loops seldom meet. Memory is
/// bounded: kept answers, with all that goes with them, by `limitBytes`; flights by the requests that the server admits.
/// An answer that has been evicted stays in memory until those who send it are done.
///
/// `@unchecked Sendable`: a shard is reached with its lock; the rest is constant or atomic.
package final class ResponseCache: @unchecked Sendable {
  /// What `find` says of a request.
  enum Finding {
    /// There is an answer, retained for the caller.
    case kept(Unmanaged<KeptAnswer>)
    /// It waits for the answer to the one that leads: from now on it is the cache's.
    case waits
    /// It leads: the caller's still, with `flight` set, to end with `land`, `passOn` or `dissolve`.
    case leads
    /// As many wait already as may. The caller's still, and nothing to do with the cache any more.
    case crowded
  }

  /// Hashing the inputs and copying the outputs are an event loop's work, and its other calls wait meanwhile. What is larger
  /// than this is computed anew each time.
  static let mostInputBytes = 16 << 20
  private static let mostAnswerBytes = 16 << 20

  private static let shardStride = 128  // two cache lines, so that no two shards have one in common

  /// What kept answers may take, with the table.
  package let limitBytes: Int
  /// Most requests that wait for one: past it they are computed by themselves.
  package let mostWaiting: Int
  let seed: HashSeed
  /// What is left of the limit beside the table.
  private let roomBytes: Int
  /// An answer that takes more is not kept: a few of its kind would leave no room for any other.
  private let largestAnswer: Int
  private let shardCount: Int
  private let shards: UnsafeMutableRawPointer
  private let held = Atomic<Int>(0)
  private let evictionTurn = Atomic<UInt>(0)

  /// - Parameter limitBytes: Over 0.
  package init(limitBytes: Int, mostWaiting: Int = 1024, seed: HashSeed = .random()) {
    self.limitBytes = limitBytes
    self.mostWaiting = mostWaiting
    self.seed = seed
    // A shard for each 4 MiB, and a bucket for each 2 KiB.
    shardCount = ResponseCache.powerOfTwo(atMost: limitBytes >> 22, in: 1...16)
    let bucketCount = ResponseCache.powerOfTwo(atMost: (limitBytes / shardCount) >> 11, in: 16...1 << 20)
    roomBytes = limitBytes - shardCount * (ResponseCache.shardStride + 8 * bucketCount)
    largestAnswer = min(limitBytes / 4, ResponseCache.mostAnswerBytes)
    shards = .allocate(byteCount: shardCount * ResponseCache.shardStride, alignment: ResponseCache.shardStride)
    for index in 0..<shardCount {
      (shards + index * ResponseCache.shardStride).initializeMemory(
        as: CacheShard.self, to: CacheShard(bucketCount: bucketCount))
    }
  }

  deinit {
    for index in 0..<shardCount { shard(index).pointee.deallocate() }
    shards.deallocate()
  }

  private static func powerOfTwo(atMost count: Int, in range: ClosedRange<Int>) -> Int {
    var power = range.lowerBound
    while power < range.upperBound, 2 * power <= count { power *= 2 }
    return power
  }

  /// What kept answers take now.
  package var heldBytes: Int { held.load(ordering: .relaxed) }

  // MARK: - Before the run

  /// Looks a valid request up. One short lock.
  func find(_ tag: HashTag, for request: RequestPointer) -> Finding {
    let shard = shard(of: tag)
    shard.pointee.lock.lock()
    defer { shard.pointee.lock.unlock() }
    guard let entry = shard.pointee.entry(tag) else {
      let flight = EntryPointer.allocate(capacity: 1)
      flight.initialize(to: CacheEntry(tag: tag))
      shard.pointee.insert(flight)
      request.pointee.flight = UnsafeMutableRawPointer(flight)
      return .leads
    }
    if let answer = entry.pointee.answer {
      shard.pointee.noteUse(of: entry)
      return .kept(answer.retain())
    }
    guard entry.pointee.waiting.count < mostWaiting else { return .crowded }
    entry.pointee.waiting.append(request)
    return .waits
  }

  // MARK: - After it

  /// Ends a flight with the leader's answer, which is kept if it is not too large.
  ///
  /// - Returns: Who waited for it: the caller's now.
  func land(_ entry: EntryPointer, _ outputs: UnsafeMutableBufferPointer<Tensor>) -> RequestList {
    let byteCount = KeptAnswer.byteCount(of: outputs)
    guard byteCount <= largestAnswer, makeRoom(for: byteCount) else { return dissolve(entry) }
    let answer = KeptAnswer(copying: outputs)
    let shard = shard(of: entry.pointee.tag)
    shard.pointee.lock.lock()
    defer { shard.pointee.lock.unlock() }
    entry.pointee.answer = .passRetained(answer)  // released when it is evicted
    entry.pointee.byteCount = byteCount
    shard.pointee.pushNewest(entry)
    return entry.pointee.waiting.take()
  }

  /// Ends the leader's part in a flight without an answer: the first of those who wait and are still waited for leads.
  ///
  /// - Returns: The new leader, nil if there is none and the flight is over; and those before it whom nobody waits for any
  ///   more. All are the caller's now.
  func passOn(_ entry: EntryPointer, at now: Instant) -> (leader: RequestPointer?, unwanted: RequestList) {
    let shard = shard(of: entry.pointee.tag)
    var unwanted = RequestList()
    shard.pointee.lock.lock()
    while let request = entry.pointee.waiting.popFirst() {
      guard request.pointee.isUnwanted(at: now) else {
        request.pointee.flight = UnsafeMutableRawPointer(entry)
        shard.pointee.lock.unlock()
        return (request, unwanted)
      }
      unwanted.append(request)
    }
    shard.pointee.remove(entry)
    shard.pointee.lock.unlock()
    entry.deallocate()
    return (nil, unwanted)
  }

  /// Ends a flight without an answer that is kept.
  ///
  /// - Returns: Who waited: the caller's now.
  func dissolve(_ entry: EntryPointer) -> RequestList {
    let shard = shard(of: entry.pointee.tag)
    shard.pointee.lock.lock()
    shard.pointee.remove(entry)
    let waiting = entry.pointee.waiting
    shard.pointee.lock.unlock()
    entry.deallocate()
    return waiting
  }

  // MARK: - Room

  /// Takes bytes of the limit, and evicts what is in the way: of each shard in turn what was used longest ago.
  ///
  /// - Returns: False, with nothing taken, if nothing more can be evicted: others are taking all the room just now.
  private func makeRoom(for byteCount: Int) -> Bool {
    var taken = held.wrappingAdd(byteCount, ordering: .relaxed).newValue
    var emptyShards = 0
    while taken > roomBytes {
      let turn = evictionTurn.wrappingAdd(1, ordering: .relaxed).oldValue
      let freed = evictOldest(of: Int(truncatingIfNeeded: turn) & (shardCount - 1))
      emptyShards = freed == 0 ? emptyShards + 1 : 0
      guard emptyShards <= shardCount else {
        held.wrappingSubtract(byteCount, ordering: .relaxed)
        return false
      }
      taken = held.load(ordering: .relaxed)
    }
    return true
  }

  /// - Returns: How many bytes are free now that were not; 0: the shard is empty.
  private func evictOldest(of index: Int) -> Int {
    let shard = shard(index)
    let evicted = shard.pointee.lock.withLock { shard.pointee.popOldest() }
    guard let entry = evicted else { return 0 }
    let freed = entry.pointee.byteCount
    entry.pointee.answer?.release()
    entry.deallocate()
    held.wrappingSubtract(freed, ordering: .relaxed)
    return freed
  }

  private func shard(of tag: HashTag) -> UnsafeMutablePointer<CacheShard> {
    shard(Int(truncatingIfNeeded: tag.high) & (shardCount - 1))
  }

  private func shard(_ index: Int) -> UnsafeMutablePointer<CacheShard> {
    (shards + index * ResponseCache.shardStride).assumingMemoryBound(to: CacheShard.self)
  }
}

extension InferenceRequest {
  /// Whether nobody waits for the answer any more.
  func isUnwanted(at now: Instant) -> Bool { cancelled.load(ordering: .relaxed) || deadline <= now }
}
