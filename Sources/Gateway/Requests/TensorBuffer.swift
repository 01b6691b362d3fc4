/// Memory that grows while a tensor is read from text: 64-byte aligned, as backends like it.
///
/// Not owned by anybody until it is given to a request: `GatewayRequest.adopt` or `deallocate`.
struct TensorBuffer {
  static let alignment = 64

  private(set) var start: UnsafeMutableRawPointer?
  private(set) var count = 0
  private var capacity = 0

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

  func deallocate() { start?.deallocate() }

  @inline(__always)
  mutating func append<Value: BitwiseCopyable>(_ value: Value) {
    reserve(MemoryLayout<Value>.size)
    (start! + count).storeBytes(of: value, as: Value.self)
    count &+= MemoryLayout<Value>.size
  }

  /// Makes room for so many bytes past the end.
  @inline(__always)
  mutating func reserve(_ byteCount: Int) {
    if capacity &- count < byteCount { grow(byteCount) }
  }

  /// Adds what `body` writes at the place that it is given, in room for `limit` bytes.
  mutating func append(limit: Int, _ body: (UnsafeMutableRawPointer) -> Int) {
    reserve(limit)
    count += body(start! + count)
  }

  @inline(never)
  private mutating func grow(_ byteCount: Int) {
    let larger = max(2 * capacity, count + byteCount, 256)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: TensorBuffer.alignment)
    if let start {
      memory.copyMemory(from: start, byteCount: count)
      start.deallocate()
    }
    start = memory
    capacity = larger
  }
}
