internal import Inference

extension BatchQueue {
  /// Has batches leave by other numbers from now on. What waits stays in its order.
  ///
  /// It costs a step for each that waits, and more with a delay: for the now and then of a changing load.
  ///
  /// - Parameters:
  ///   - rows: Most rows of requests that leave together; kept within `1...maxBatchRows`.
  ///   - delayNanoseconds: How long the oldest waits for company; 0 where requests don't join.
  package mutating func retune(rows: Int, delayNanoseconds: UInt64) {
    policy.joinedRows = min(max(rows, 1), policy.maxBatchRows)
    policy.preferredRows = [policy.joinedRows]
    policy.maxQueueDelayNanoseconds = policy.joinsRequests ? delayNanoseconds : 0
    // Who waits for company has the instants noted at which somebody must be taken out, and the lines that need not wait.
    timeouts = TimeoutHeap()
    for slot in entries.indices where entries[slot].line >= 0 {
      let entry = entries[slot]
      let end = entry.isDelayed ? entry.deadline : min(entry.timeout, entry.deadline)
      guard keepsTimeouts, end != .never else { continue }
      timeouts.insert(.init(instant: end, slot: Int32(slot), generation: entry.generation))
    }
    for line in lines.indices where !lines[line].isEmpty {
      if waitsForCompany { refreshReadiness(of: Int32(line)) } else { unmarkReady(Int32(line)) }
    }
  }
}
