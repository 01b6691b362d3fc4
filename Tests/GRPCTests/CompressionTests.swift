import GRPC
import Testing

private func decompress(_ bytes: [UInt8], _ encoding: MessageEncoding, limit: Int) throws -> [UInt8] {
  try bytes.withUnsafeBytes { bytes throws in try encoding.decompress(bytes, limit: limit) }
}

private func compress(_ bytes: [UInt8], _ encoding: MessageEncoding) -> [UInt8] {
  bytes.withUnsafeBytes { bytes in
    // In two parts, as an answer with a tensor has.
    let cut = bytes.count / 3
    return encoding.compress([
      UnsafeRawBufferPointer(rebasing: bytes[..<cut]), UnsafeRawBufferPointer(rebasing: bytes[cut...]),
    ]) ?? []
  }
}

@Test(arguments: [MessageEncoding.gzip, .deflate], [0, 1, 1000, 300_000])
func `a message survives compression, up to exactly the limit`(encoding: MessageEncoding, count: Int) throws {
  var state: UInt32 = 1
  let plain = (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
  let packed = compress(plain, encoding)
  #expect(try decompress(packed, encoding, limit: count) == plain)
  #expect(try decompress(packed, encoding, limit: count + 1) == plain)
  if count > 0 {
    #expect(throws: MessageEncoding.DecompressionError.tooLarge) { try decompress(packed, encoding, limit: count - 1) }
  }
}

@Test func `a bomb is cut off at the limit`() {
  let bomb = compress([UInt8](repeating: 0, count: 64 << 20), .gzip)
  #expect(bomb.count < 1 << 20)
  #expect(throws: MessageEncoding.DecompressionError.tooLarge) { try decompress(bomb, .gzip, limit: 1 << 20) }
}

@Test func `what is cut short, garbled or of another encoding is corrupt`() {
  let packed = compress(Array(0..<200), .gzip)
  for count in [0, 1, 5, packed.count / 2, packed.count - 1] {
    #expect(throws: MessageEncoding.DecompressionError.corrupt, "\(count) bytes") {
      try decompress(Array(packed[..<count]), .gzip, limit: 1000)
    }
  }
  #expect(throws: MessageEncoding.DecompressionError.corrupt) { try decompress(packed, .deflate, limit: 1000) }
  var wrong = packed
  wrong[packed.count - 6] ^= 1  // the checksum (RFC 1952 §2.3.1)
  #expect(throws: MessageEncoding.DecompressionError.corrupt) { try decompress(wrong, .gzip, limit: 1000) }
}

@Test func `an encoding has the name that gRPC gives it`() {
  for encoding in [MessageEncoding.identity, .gzip, .deflate] {
    let name = Array("\(encoding.name)".utf8)
    #expect(name.withUnsafeBytes { MessageEncoding(name: $0) } == encoding)
  }
  #expect(Array("br".utf8).withUnsafeBytes { MessageEncoding(name: $0) } == nil)
  for (list, accepts) in [("gzip", true), ("identity, gzip", true), ("identity,deflate,gzip", true), ("gzipped", false), ("", false)] {
    #expect(Array(list.utf8).withUnsafeBytes { MessageEncoding.gzip.isAccepted(by: $0) } == accepts, "\(list)")
  }
}
