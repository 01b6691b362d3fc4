package import Inference
internal import Synchronization

/// What has become of one deployment's requests, and how long they took: counters that event loops add to without a lock.
///
/// Each loop has a shard of its own, so that they do not take each other's cache lines; reading adds the shards up. A
/// record is two or three relaxed additions. Copies of live requests are counted apart from requests that somebody waits
/// for. Memory is fixed: about 3.5 KiB a shard.
///
/// `@unchecked Sendable`: the memory holds atomics, and is freed with the object.
package final class DeploymentMeter: @unchecked Sendable {
  package enum Traffic: Int, Sendable, CaseIterable {
    case live
    /// Copies of live requests that a shadow got.
    case mirrored
  }

  private typealias Word = Atomic<UInt64>
  private static let wordsInShard = RequestOutcome.count + 1 + LatencyBuckets.count
  /// Whole cache lines, and two more than none in common.
  private static let shardStride = (wordsInShard * 8 + 255) / 128 * 128

  private let shardCount: Int
  private let memory: UnsafeMutableRawPointer

  /// - Parameter shards: As many as there are event loops, 1 to 64, inclusive; loops past it share.
  package init(shards: Int = 8) {
    shardCount = min(max(shards, 1), 64)
    // One more: copies come from one thread.
    memory = .allocate(byteCount: (shardCount + 1) * Self.shardStride, alignment: 128)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: (shardCount + 1) * Self.shardStride)
  }

  deinit { memory.deallocate() }

  /// Counts one request that is over.
  package func record(
    _ outcome: RequestOutcome, nanoseconds: UInt64, traffic: Traffic = .live, shard: Int = 0
  ) {
    let words = shardWords(traffic == .live ? shard % shardCount : shardCount)
    words[outcome.rawValue].wrappingAdd(1, ordering: .relaxed)
    guard outcome.wasWorkedOn else { return }
    words[RequestOutcome.count].wrappingAdd(nanoseconds, ordering: .relaxed)
    words[RequestOutcome.count + 1 + LatencyBuckets.index(of: nanoseconds)].wrappingAdd(1, ordering: .relaxed)
  }

  /// What was counted until now. Requests that end meanwhile may be in some of the numbers and not in others.
  package func snapshot(_ traffic: Traffic = .live) -> MeterSnapshot {
    var snapshot = MeterSnapshot()
    for shard in traffic == .live ? 0..<shardCount : shardCount..<(shardCount + 1) {
      let words = shardWords(shard)
      for index in 0..<RequestOutcome.count { snapshot.counts[index] &+= words[index].load(ordering: .relaxed) }
      snapshot.totalNanoseconds &+= words[RequestOutcome.count].load(ordering: .relaxed)
      for index in 0..<LatencyBuckets.count {
        snapshot.buckets[index] &+= words[RequestOutcome.count + 1 + index].load(ordering: .relaxed)
      }
    }
    return snapshot
  }

  private func shardWords(_ shard: Int) -> UnsafeMutablePointer<Word> {
    (memory + shard * Self.shardStride).assumingMemoryBound(to: Word.self)
  }
}

/// How a request ended, as far as somebody who watches a deployment wants to tell apart.
package enum RequestOutcome: Int, Sendable, CaseIterable {
  case succeeded
  /// The caller's fault: it can never succeed as it is.
  case invalid
  /// Refused for want of room: limits, a full queue.
  case exhausted
  /// Its deadline passed.
  case late
  /// The caller went away.
  case cancelled
  /// The model or the server failed.
  case failed
  /// Nobody was there to answer.
  case unavailable

  static let count = allCases.count

  package init(_ failure: InferenceError?) {
    guard let failure else {
      self = .succeeded
      return
    }
    self =
      switch failure.code {
      case .invalidArgument, .notFound, .unimplemented, .alreadyExists, .failedPrecondition, .aborted, .unauthenticated,
        .permissionDenied:
        .invalid
      case .resourceExhausted: .exhausted
      case .deadlineExceeded: .late
      case .cancelled: .cancelled
      case .internal: .failed
      case .unavailable: .unavailable
      }
  }

  /// Whether its time says something of the deployment: refusals are quick, and callers go away when they like.
  var wasWorkedOn: Bool {
    switch self {
    case .succeeded, .failed, .late: true
    case .invalid, .exhausted, .cancelled, .unavailable: false
    }
  }
}
