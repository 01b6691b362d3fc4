/// The bytes of a request's body in one piece, kept until nothing points into them any more.
///
/// `@unchecked Sendable`: written by one task while it receives, and only read afterwards.
package final class ReceivedBody: @unchecked Sendable {
  /// Aligned to 64 bytes at its start.
  package private(set) var bytes: UnsafeRawBufferPointer
  private var memory: UnsafeMutableRawPointer
  private var capacity: Int

  /// - Parameter expected: How many bytes will probably come.
  package init(expecting expected: Int = 0) {
    capacity = max(expected, 1024)
    memory = .allocate(byteCount: capacity, alignment: TensorBuffer.alignment)
    bytes = UnsafeRawBufferPointer(start: memory, count: 0)
  }

  package convenience init(_ bytes: some Collection<UInt8>) {
    self.init(expecting: bytes.count)
    var count = 0
    for byte in bytes {
      memory.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
      count += 1
    }
    self.bytes = UnsafeRawBufferPointer(start: memory, count: count)
  }

  deinit { memory.deallocate() }

  package func append(_ part: UnsafeRawBufferPointer) {
    guard let base = part.baseAddress, part.count > 0 else { return }
    let count = bytes.count
    if capacity - count < part.count {
      let larger = max(2 * capacity, count + part.count)
      let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: TensorBuffer.alignment)
      moved.copyMemory(from: memory, byteCount: count)
      memory.deallocate()
      memory = moved
      capacity = larger
    }
    (memory + count).copyMemory(from: base, byteCount: part.count)
    bytes = UnsafeRawBufferPointer(start: memory, count: count + part.count)
  }
}
