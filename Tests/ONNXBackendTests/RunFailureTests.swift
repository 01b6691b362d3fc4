import Backends
import Glibc
import Inference
import Synchronization
import Testing

struct RunFailureTests {
  @Test func `what the caller's values cause is the caller's error, and the next run works`() throws {
    let instance = try load("fails").makeInstance(index: 0)
    let failure = try #require(throws: InferenceError.self) {
      _ = try instance.run([Contents(.int64, [2], of: [Int64(0), 9])])
    }
    #expect(failure.code == .invalidArgument)
    #expect(failure.message.contains("out of data bounds"))
    #expect(
      try instance.run([Contents(.int64, [1], of: [Int64(2)])]) == [Contents(.fp32, [1, 2], of: [Float(4), 5])])
  }

  @Test func `a wrong shape is refused by the input's name`() throws {
    let instance = try load("simple").makeInstance(index: 0)
    let right = Contents(.int32, [1, 16], of: [Int32](repeating: 1, count: 16))
    let wrong = Contents(.int32, [1, 15], of: [Int32](repeating: 1, count: 15))
    let failure = try #require(throws: InferenceError.self) { _ = try instance.run([right, wrong], outputs: 2) }
    #expect(failure.code == .invalidArgument)
    #expect(failure.message.contains("INPUT1") && failure.message.contains("16"))
  }

  @Test func `fewer bytes than the shape needs are refused`() throws {
    let instance = try load("identity_fp32").makeInstance(index: 0)
    let failure = try #require(throws: InferenceError.self) {
      _ = try instance.run([Contents(.fp32, [2, 2], of: [Float(1)])])
    }
    #expect(failure.code == .invalidArgument)
  }

  @Test func `a failure inside the model is the server's`() throws {
    let instance = try load("reshapes").makeInstance(index: 0)
    let failure = try #require(throws: InferenceError.self) {
      _ = try instance.run([Contents(.fp32, [1, 4], of: [Float](repeating: 1, count: 4))])
    }
    #expect(failure.code == .internal)
    #expect(failure.message.contains("Reshape"))
  }

  @Test func `an interruption before a run stops it, and a reset forgets the interruption`() throws {
    let instance = try load("sequence").makeInstance(index: 0)
    let interruption = try #require(instance.interruption)
    let input = Contents(.fp32, [1, 1], of: [Float(1)])
    interruption.reset()
    interruption.interrupt()
    let failure = try #require(throws: InferenceError.self) { _ = try instance.run([input]) }
    #expect(failure.code == .cancelled)
    interruption.reset()
    #expect(try instance.run([input]) == [Contents(.fp32, [1, 1], of: [Float(2)])])
  }

  /// The run is in its middle when its thread has used a tenth of a second of CPU; it needs a second or two to end.
  ///
  /// ```
  /// runner  ── clock known ── run ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓ .cancelled
  /// other         └─ watches its clock … 0.1 s ─ interrupt
  /// ```
  @Test func `an interruption from another thread stops a run in its middle`() throws {
    struct Shared {
      var clock: clockid_t?
      var interruption: (any Interruption)?
      var outcome: InferenceError?
      var isOver = false
    }
    let model = try load("slow")
    let shared = Shareable(Mutex(Shared()))
    onThreads(2) { thread in
      if thread == 0 {
        do {
          let instance = try model.makeInstance(index: 0)
          var clock = clockid_t()
          pthread_getcpuclockid(pthread_self(), &clock)
          shared.value.withLock { ($0.clock, $0.interruption) = (clock, instance.interruption) }
          _ = try instance.run([Contents(.fp32, [1, 4], of: [Float](repeating: 1, count: 4))])
        } catch {
          shared.value.withLock { $0.outcome = error as? InferenceError }
        }
        shared.value.withLock { $0.isOver = true }
        // The clock is the thread's: it must not end before the other has done with it.
        while shared.value.withLock({ $0.clock != nil }) { sched_yield() }
      } else {
        while true {
          let (clock, interruption, isOver) = shared.value.withLock { ($0.clock, $0.interruption, $0.isOver) }
          if isOver { break }
          var used = timespec()
          if let clock, clock_gettime(clock, &used) == 0, used.tv_sec > 0 || used.tv_nsec > 100_000_000 {
            interruption?.interrupt()
            break
          }
          sched_yield()
        }
        shared.value.withLock { $0.clock = nil }
      }
    }
    #expect(shared.value.withLock { $0.outcome?.code } == .cancelled)
  }
}

/// A noncopyable value that closures can share.
private final class Shareable<Value: ~Copyable & Sendable>: Sendable {
  let value: Value
  init(_ value: consuming Value) { self.value = value }
}
