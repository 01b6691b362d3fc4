internal import GRPC
internal import Inference
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

/// Message buffers on their way back to the event loop whose they are.
final class BufferReturns: @unchecked Sendable {  // guarded by the lock
  private let lock = Lock()
  private var waiting: [MessageBuffer] = []

  deinit {
    // Nobody takes them any more, so their memory is freed with a pool that ends at once.
    let pool = MessageBufferPool(keepBytes: 0)
    for buffer in waiting { pool.give(buffer) }
    lock.deallocate()
  }

  func give(_ buffer: MessageBuffer) { lock.withLock { waiting.append(buffer) } }

  /// The loop's thread.
  func collect(into pool: MessageBufferPool) {
    lock.withLock {
      for buffer in waiting { pool.give(buffer) }
      waiting.removeAll(keepingCapacity: true)
    }
  }
}
