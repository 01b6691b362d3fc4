internal import Inference

/// An answer's tensors, copied into one block of memory that stays as long as the cache or an answer refers to it.
///
/// ```
/// memory ─▶ [ tensor, tensor, … | shape | name | bytes | shape | name | bytes | … ]
/// ```
///
/// `@unchecked Sendable`: its memory is written in `init` and only read after it.
final class KeptAnswer: @unchecked Sendable {
  /// As the model gave them, in the order in which they were asked for. They have no owners: the answer is it.
  let tensors: UnsafeMutableBufferPointer<Tensor>
  private let memory: UnsafeMutableRawPointer

  init(copying outputs: UnsafeMutableBufferPointer<Tensor>) {
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(KeptAnswer.blockBytes(of: outputs), 16), alignment: 16)
    var end = memory
    func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
      guard let source = bytes.baseAddress, bytes.count > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
      let start = end
      start.copyMemory(from: source, byteCount: bytes.count)
      end += KeptAnswer.rounded(bytes.count)
      return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }
    let copies = memory.bindMemory(to: Tensor.self, capacity: outputs.count)
    end += KeptAnswer.rounded(outputs.count * MemoryLayout<Tensor>.stride)
    for index in 0..<outputs.count {
      let output = outputs[index]
      let shape = copy(UnsafeRawBufferPointer(output.shape))
      (copies + index).initialize(
        to: Tensor(
          name: copy(output.name), datatype: output.datatype,
          shape: UnsafeBufferPointer(
            start: shape.baseAddress?.assumingMemoryBound(to: Int64.self), count: output.shape.count),
          bytes: copy(output.bytes)))
    }
    self.memory = memory
    tensors = UnsafeMutableBufferPointer(start: copies, count: outputs.count)
  }

  deinit { memory.deallocate() }

  /// What keeping these outputs takes: the block, the object, the cache's entry, and what the C library adds to each.
  static func byteCount(of outputs: UnsafeMutableBufferPointer<Tensor>) -> Int {
    blockBytes(of: outputs) + 64 + MemoryLayout<CacheEntry>.stride + 3 * 16
  }

  private static func blockBytes(of outputs: UnsafeMutableBufferPointer<Tensor>) -> Int {
    var total = rounded(outputs.count * MemoryLayout<Tensor>.stride)
    for index in 0..<outputs.count {
      let output = outputs[index]
      total += rounded(8 * output.shape.count) + rounded(output.name.count) + rounded(output.bytes.count)
    }
    return total
  }

  private static func rounded(_ count: Int) -> Int { (count + 15) & ~15 }
}
