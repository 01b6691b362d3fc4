/// A message with room for its prefix, alive until it is sent.
package final class OutgoingMessage {
  package let bytes: UnsafeRawBufferPointer

  package convenience init(_ message: [UInt8]) { self.init(message.count) { $0.copyBytes(from: message) } }

  package init(_ byteCount: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: byteCount + MessagePrefix.byteCount, alignment: 16)
    fill(UnsafeMutableRawBufferPointer(rebasing: memory[MessagePrefix.byteCount...]))
    bytes = UnsafeRawBufferPointer(memory)
  }

  deinit { bytes.deallocate() }
}

/// A compressed message with its prefix, alive until it is sent.
package final class CompressedMessage {
  private let storage: [UInt8]
  package let bytes: UnsafeRawBufferPointer
  private let memory: UnsafeMutableRawBufferPointer

  package init(_ parts: [UnsafeRawBufferPointer], encoding: MessageEncoding) {
    let compressed = encoding.compress(parts)
    storage = compressed ?? parts.flatMap { Array($0) }
    memory = .allocate(byteCount: storage.count + MessagePrefix.byteCount, alignment: 16)
    if let start = memory.baseAddress {
      MessagePrefix.write(to: start, isCompressed: compressed != nil, length: storage.count)
    }
    UnsafeMutableRawBufferPointer(rebasing: memory[MessagePrefix.byteCount...]).copyBytes(from: storage)
    bytes = UnsafeRawBufferPointer(memory)
  }

  deinit { memory.deallocate() }
}
