import GRPC
import Testing

/// Reads `wire` in chunks of `size` and returns the messages, or what went wrong.
private func read(_ wire: [UInt8], chunks size: Int) -> (messages: [[UInt8]], flags: [Bool], isInside: Bool, bad: UInt8?) {
  var reader = MessageReader()
  var messages: [[UInt8]] = []
  var flags: [Bool] = []
  var room = UnsafeMutableRawBufferPointer.allocate(byteCount: 0, alignment: 1)
  defer { room.deallocate() }
  for start in stride(from: 0, to: wire.count, by: size) {
    let chunk = Array(wire[start..<min(start + size, wire.count)])
    let bad: UInt8? = chunk.withUnsafeBytes { chunk in
      var rest = chunk
      while true {
        switch reader.read(&rest) {
        case .needsMore:
          #expect(rest.isEmpty)
          return nil
        case .prefix(let isCompressed, let length):
          flags.append(isCompressed)
          room.deallocate()
          room = .allocate(byteCount: length, alignment: 1)
          reader.begin(into: room)
        case .complete:
          messages.append(Array(room))
          reader.finish()
        case .malformed(let flag): return flag
        }
      }
    }
    if let bad { return (messages, flags, true, bad) }
  }
  return (messages, flags, reader.isInside, nil)
}

private func wire(_ messages: [[UInt8]], compressed: Bool = false) -> [UInt8] {
  messages.flatMap { message in
    [compressed ? 1 : 0] + withUnsafeBytes(of: UInt32(message.count).bigEndian) { Array($0) } + message
  }
}

@Test func `messages are the same however their bytes are cut`() {
  let messages = [0, 1, 4, 5, 6, 0, 0, 300, 70_000].map { count in (0..<count).map { UInt8(truncatingIfNeeded: $0) } }
  let bytes = wire(messages)
  for size in Array(1...20) + [255, 256, 4096, bytes.count] {
    let result = read(bytes, chunks: size)
    #expect(result.messages == messages, "chunks of \(size)")
    #expect(!result.isInside && result.bad == nil)
  }
}

@Test func `a body cut anywhere within a message leaves the reader inside it`() {
  let bytes = wire([[1, 2, 3], [4]])
  let boundaries: Set = [0, 8, 14]
  for count in 0...bytes.count {
    #expect(read(Array(bytes[..<count]), chunks: 1).isInside == !boundaries.contains(count), "\(count) bytes")
  }
}

@Test func `the flag says compressed, and is nothing but 0 or 1`() {
  #expect(read(wire([[9]], compressed: true), chunks: 3).flags == [true])
  for flag in UInt8(2)...255 { #expect(read([flag, 0, 0, 0, 0], chunks: 5).bad == flag) }
}

@Test func `the longest length is read as it is`() {
  var reader = MessageReader()
  [0, 255, 255, 255, 255].withUnsafeBytes { (bytes: UnsafeRawBufferPointer) in
    var rest = UnsafeRawBufferPointer(rebasing: bytes[..<0])
    #expect(reader.read(&rest) == .needsMore)
  }
  let prefix: [UInt8] = [0, 255, 255, 255, 255]
  prefix.withUnsafeBytes { bytes in
    var rest = bytes
    let step = reader.read(&rest)
    #expect(step == .prefix(isCompressed: false, length: 4_294_967_295))
  }
}
