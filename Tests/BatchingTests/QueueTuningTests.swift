import Batching
import Inference
import Testing

private func at(_ microseconds: UInt64) -> Instant { Instant(nanoseconds: 1_000_000 + microseconds * 1000) }

private func queue(rows: Int = 8) -> BatchQueue {
  BatchQueue(policy: BatchPolicy(maxBatchSize: rows, dynamicBatching: DynamicBatching(), queueLimit: 100))
}

extension BatchQueue {
  fileprivate mutating func add(_ tokens: ClosedRange<UInt>, rows: Int = 1, shape: UInt64 = 0, at now: Instant, timeout: Instant = .never) {
    for token in tokens { _ = append(token, rows: rows, shapeKey: shape, at: now, timeout: timeout) }
  }

  /// The sizes of all batches that leave at an instant, and what comes after.
  fileprivate mutating func batches(at now: Instant) -> (tokens: [[UInt]], rest: BatchVerdict) {
    var batch = FormedBatch()
    var found: [[UInt]] = []
    while true {
      let verdict = form(at: now, isCancelled: { _ in false }, into: &batch)
      guard verdict == .send else { return (found, verdict) }
      found.append(batch.tokens)
    }
  }
}

@Test func `from a change on batches are no larger than it says, and those that wait keep their order`() {
  var queue = queue()
  queue.add(1...5, at: at(0))
  queue.retune(rows: 2, delayNanoseconds: 0)
  #expect(queue.batches(at: at(1)).tokens == [[1, 2], [3, 4], [5]])
  queue.retune(rows: 100, delayNanoseconds: 0)
  queue.add(6...20, at: at(2))
  #expect(queue.batches(at: at(2)).tokens.map(\.count) == [8, 7])
}

@Test func `a request with more rows than leave together leaves alone`() {
  var queue = queue()
  queue.retune(rows: 2, delayNanoseconds: 0)
  queue.add(1...1, rows: 1, at: at(0))
  queue.add(2...2, rows: 5, at: at(0))
  queue.add(3...4, rows: 1, at: at(0))
  #expect(queue.batches(at: at(1)).tokens == [[1], [2], [3, 4]])
}

@Test func `a delay holds for those who wait already, and its end sets them free`() {
  var queue = queue()
  queue.add(1...2, at: at(0))
  queue.retune(rows: 4, delayNanoseconds: 500_000)
  #expect(queue.batches(at: at(100)).rest == .wait(until: at(500)))
  queue.add(3...4, shape: 7, at: at(150))
  let isReady = queue.hasReadyBatch
  #expect(!isReady)
  queue.retune(rows: 4, delayNanoseconds: 0)
  let isReadyNow = queue.hasReadyBatch
  #expect(isReadyNow)
  #expect(queue.batches(at: at(200)).tokens == [[1, 2], [3, 4]])
}

@Test func `a full batch leaves at once under a new delay, however it came to be`() {
  var queue = queue()
  queue.add(1...5, at: at(0))
  queue.retune(rows: 4, delayNanoseconds: 500_000)
  let (tokens, rest) = queue.batches(at: at(1))
  #expect(tokens == [[1, 2, 3, 4]] && rest == .wait(until: at(500)))
  #expect(queue.batches(at: at(500)).tokens == [[5]])
}

@Test func `who came before a delay times out under it, without being looked for`() {
  var queue = queue()
  queue.add(1...2, at: at(0), timeout: at(100))
  queue.add(3...3, at: at(0))
  queue.retune(rows: 8, delayNanoseconds: 1_000_000)
  var batch = FormedBatch()
  #expect(queue.form(at: at(50), isCancelled: { _ in false }, into: &batch) == .wait(until: at(100)))
  #expect(queue.form(at: at(100), isCancelled: { _ in false }, into: &batch) == .wait(until: at(1000)))
  #expect(batch.removed.map(\.token) == [1, 2] && batch.removed.allSatisfy { $0.reason == .timeout })
}

@Test func `a model whose requests don't join is not made to wait`() {
  var queue = BatchQueue(policy: BatchPolicy(maxBatchSize: 8, dynamicBatching: nil, queueLimit: 100))
  queue.retune(rows: 4, delayNanoseconds: 1_000_000)
  queue.add(1...2, at: at(0))
  #expect(queue.batches(at: at(0)).tokens == [[1], [2]])
}
