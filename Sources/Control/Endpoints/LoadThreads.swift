internal import Inference
internal import Threads

/// Where work runs that blocks: each piece on a thread of its own, one at a time for each key, and only so many at once.
internal final class LoadThreads: Sendable {
  private let queue: Locked<OperationQueue<@Sendable () -> Void>>

  init(maxParallelLoads: Int) { queue = Locked(OperationQueue(maxParallelLoads: maxParallelLoads)) }

  /// Runs `work` when its turn comes, and returns what it returns.
  func run<Value: Sendable>(key: String, _ work: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      queue.withLock {
        $0.enqueue(.init(model: key, kind: .load, work: { continuation.resume(returning: work()) }))
      }
      startWhatMayRun()
    }
  }

  private func startWhatMayRun() {
    while let operation = queue.withLock({ $0.next() }) {
      let run: @Sendable () -> Void = { [self] in
        operation.work()
        queue.withLock { $0.finish(operation.model) }
        startWhatMayRun()
      }
      // Without a thread the caller's does the work; that is slow, and still right.
      do { try OwnThread(name: "apus-load", run).detach() } catch { run() }
    }
  }
}

/// Runs what blocks on a thread of its own, so that it holds up no task.
internal func onOwnThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
  await withCheckedContinuation { continuation in
    let run: @Sendable () -> Void = { continuation.resume(returning: work()) }
    do throws(InferenceError) { try OwnThread(name: "apus-control", run).detach() } catch { run() }
  }
}
