/// Cuts a call's body into messages: a flag, a 4-byte big-endian length, and so many bytes, over and over.
///
/// Source: gRPC over HTTP2, "Requests", Length-Prefixed-Message. A value without memory of its own: the caller provides
/// room when the length is known, so nothing is held for a length that is refused.
package struct MessageReader {
  package init() {}

  package enum Step: Equatable {
    /// All bytes are used up; give more.
    case needsMore
    /// A prefix is complete: provide room with `begin`, or refuse.
    case prefix(isCompressed: Bool, length: Int)
    /// The message is complete; `finish` readies the reader for the next.
    case complete
    /// The flag is neither 0 nor 1.
    case malformed(flag: UInt8)
  }

  private var prefix: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
  private var prefixCount = 0
  private var target = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private var received = 0
  private var hasTarget = false

  /// Bytes of the message that are there, once it has room; nil before.
  package var receivedBytes: Int? { hasTarget ? received : nil }

  /// Whether a message has begun and is not complete.
  package var isInside: Bool { prefixCount > 0 }

  /// Takes what it can from the front of `bytes`.
  package mutating func read(_ bytes: inout UnsafeRawBufferPointer) -> Step {
    if !hasTarget {
      if prefixCount == 0, bytes.count >= 5 {
        withUnsafeMutableBytes(of: &prefix) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<5])) }
        prefixCount = 5
        bytes = UnsafeRawBufferPointer(rebasing: bytes[5...])
      }
      while prefixCount < 5 {
        guard let first = bytes.first else { return .needsMore }
        withUnsafeMutableBytes(of: &prefix) { $0[prefixCount] = first }
        prefixCount += 1
        bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
      }
      guard prefix.0 <= 1 else { return .malformed(flag: prefix.0) }
      let length = Int(prefix.1) << 24 | Int(prefix.2) << 16 | Int(prefix.3) << 8 | Int(prefix.4)
      return .prefix(isCompressed: prefix.0 == 1, length: length)
    }
    let taken = min(target.count - received, bytes.count)
    if taken > 0, let to = target.baseAddress, let from = bytes.baseAddress {
      (to + received).copyMemory(from: from, byteCount: taken)
      received += taken
      bytes = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(taken))
    }
    return received == target.count ? .complete : .needsMore
  }

  /// Provides room for the message whose prefix was read.
  package mutating func begin(into room: UnsafeMutableRawBufferPointer) {
    target = room
    received = 0
    hasTarget = true
  }

  package mutating func finish() { self = MessageReader() }
}
