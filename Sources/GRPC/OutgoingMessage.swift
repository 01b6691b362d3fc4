/// A message with room for its prefix, alive until it is sent.
final class OutgoingMessage {
  let bytes: UnsafeRawBufferPointer

  init(_ message: [UInt8]) {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: message.count + MessagePrefix.byteCount, alignment: 16)
    UnsafeMutableRawBufferPointer(rebasing: memory[MessagePrefix.byteCount...]).copyBytes(from: message)
    bytes = UnsafeRawBufferPointer(memory)
  }

  deinit { bytes.deallocate() }
}

/// A compressed message with its prefix, alive until it is sent.
final class CompressedMessage {
  private let storage: [UInt8]
  let bytes: UnsafeRawBufferPointer
  private let memory: UnsafeMutableRawBufferPointer

  init(_ parts: [UnsafeRawBufferPointer], encoding: MessageEncoding) {
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
