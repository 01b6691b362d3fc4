internal import Synchronization

/// One event loop's share of the metrics: written by its thread alone, read by any.
///
/// Counting is a load and a store, since nobody else writes; no locked instruction is needed.
final class LoopCounters: Sendable {
  enum Counter: Int, CaseIterable {
    case started, retries, hedges, bytesSent, bytesReceived, openConnections, failedConnections
  }

  private let cells: Cells
  private static let statusBase = Counter.allCases.count
  private static let latencyBase = statusBase + StatusCode.allCases.count
  private static let cellCount = latencyBase + LatencyHistogram.bucketCount

  /// `@unchecked`: a pointer to atomics that live as long as this.
  private final class Cells: @unchecked Sendable {
    let start: UnsafeMutablePointer<Atomic<UInt64>>

    init(count: Int) {
      start = .allocate(capacity: count)
      for index in 0..<count { (start + index).initialize(to: Atomic(0)) }
    }

    deinit { start.deallocate() }
  }

  init() { cells = Cells(count: Self.cellCount) }

  /// The loop's thread only.
  func add(_ amount: Int, to counter: Counter) { add(UInt64(bitPattern: Int64(amount)), at: counter.rawValue) }

  func finished(_ code: StatusCode, nanoseconds: UInt64) {
    add(1, at: Self.statusBase + code.rawValue)
    if code == .ok { add(1, at: Self.latencyBase + LatencyHistogram.bucket(ofNanoseconds: nanoseconds)) }
  }

  private func add(_ amount: UInt64, at index: Int) {
    let cell = cells.start + index
    cell.pointee.store(cell.pointee.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  private func value(_ index: Int) -> UInt64 { cells.start[index].load(ordering: .relaxed) }

  /// Adds this loop's share. Calls that end meanwhile may be in one number and not yet in another.
  func add(to metrics: inout ClientMetrics) {
    // Finished first, so that more have started than finished.
    for code in StatusCode.allCases {
      let count = value(Self.statusBase + code.rawValue)
      if count > 0 { metrics.callsFinished[code, default: 0] += count }
    }
    metrics.callsStarted += value(Counter.started.rawValue)
    metrics.retries += value(Counter.retries.rawValue)
    metrics.hedges += value(Counter.hedges.rawValue)
    metrics.bytesSent += value(Counter.bytesSent.rawValue)
    metrics.bytesReceived += value(Counter.bytesReceived.rawValue)
    metrics.openConnections += Int(truncatingIfNeeded: value(Counter.openConnections.rawValue))
    metrics.failedConnections += value(Counter.failedConnections.rawValue)
    for bucket in 0..<LatencyHistogram.bucketCount {
      metrics.latency.counts[bucket] += value(Self.latencyBase + bucket)
    }
  }
}
