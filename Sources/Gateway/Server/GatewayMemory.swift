internal import Inference
internal import Synchronization

/// The bytes that bodies and tensors of all requests hold together.
final class GatewayMemory: Sendable {
  private let limit: Int
  private let used = Atomic<Int>(0)

  init(limit: Int) { self.limit = limit }

  /// - Throws: `.resourceExhausted` past the limit.
  func reserve(_ byteCount: Int) throws(InferenceError) {
    let before = used.wrappingAdd(byteCount, ordering: .relaxed).oldValue
    guard before <= limit - byteCount else {
      used.wrappingSubtract(byteCount, ordering: .relaxed)
      throw .resourceExhausted(
        "\(before) bytes of requests are in hand, and \(byteCount) more came; the limit is \(limit)")
    }
  }

  func release(_ byteCount: Int) { used.wrappingSubtract(byteCount, ordering: .relaxed) }
}

/// What one request has taken of it; given back when the request is gone.
final class CallMemory: Sendable {
  private let memory: GatewayMemory
  private let held = Atomic<Int>(0)

  init(_ memory: GatewayMemory) { self.memory = memory }

  deinit { memory.release(held.load(ordering: .relaxed)) }

  func reserve(_ byteCount: Int) throws(InferenceError) {
    try memory.reserve(byteCount)
    held.wrappingAdd(byteCount, ordering: .relaxed)
  }
}
