import Batching
import Glibc
import Inference
import Testing

/// Fills a queue of thousands and empties it in batches, again and again. `BENCH_ROUNDS` makes the run long enough to read
/// the time.
@Test func `a queue gives out everything that was put in, in order`() {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 4096
  let depth = 4096
  var queue = BatchQueue(
    policy: BatchPolicy(maxBatchSize: 32, dynamicBatching: DynamicBatching(), queueLimit: depth))
  var batch = FormedBatch()
  let now = Instant(nanoseconds: 1)
  var expected: UInt = 1
  var next: UInt = 1
  var isOrdered = true
  let start = Instant.now()
  while next <= UInt(rounds) {
    for _ in 0..<depth {
      guard queue.append(next, rows: 1, shapeKey: 0, at: now) == .queued else { break }
      next += 1
    }
    while queue.form(at: now, isCancelled: { _ in false }, into: &batch) == .send {
      for token in batch.tokens {
        if token != expected { isOrdered = false }
        expected += 1
      }
    }
  }
  print("queue: \(Instant.now().nanoseconds(since: start) / UInt64(next - 1)) ns a request in and out")
  #expect(isOrdered)
  #expect(expected == next)
}
