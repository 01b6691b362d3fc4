internal import GRPC
internal import Inference
internal import Synchronization
internal import Threads
internal import Wire

/// A received message in the memory that it was received into, which goes back to its event loop with the last user.
final class ReceivedMessage: @unchecked Sendable {  // the bytes are not written any more
  let bytes: UnsafeRawBufferPointer
  private let buffer: MessageBuffer
  private let returns: BufferReturns

  init(_ buffer: MessageBuffer, returns: BufferReturns) {
    self.buffer = buffer
    self.returns = returns
    bytes = UnsafeRawBufferPointer(buffer.bytes)
  }

  deinit { returns.give(buffer) }
}

/// Message buffers on their way back to the pool of the event loop whose they are.
final class BufferReturns: @unchecked Sendable {  // what waits is guarded by the lock; the pool is the loop's thread's
  private let lock = Lock()
  private var waiting: [MessageBuffer] = []
  private let hasWaiting = Atomic<Bool>(false)
  private let pool: MessageBufferPool
  private let executor: LoopExecutor

  init(pool: MessageBufferPool, executor: LoopExecutor) {
    self.pool = pool
    self.executor = executor
  }

  deinit {
    // Nobody else has the pool any more: the last buffer keeps this, and this keeps it.
    for buffer in waiting { pool.give(buffer) }
    lock.deallocate()
  }

  func give(_ buffer: MessageBuffer) {
    if executor.isCurrent { return pool.give(buffer) }
    lock.withLock { waiting.append(buffer) }
    hasWaiting.store(true, ordering: .releasing)
  }

  /// The loop's thread.
  func collect() {
    guard hasWaiting.load(ordering: .acquiring) else { return }
    hasWaiting.store(false, ordering: .relaxed)
    lock.withLock {
      for buffer in waiting { pool.give(buffer) }
      waiting.removeAll(keepingCapacity: true)
    }
  }
}
