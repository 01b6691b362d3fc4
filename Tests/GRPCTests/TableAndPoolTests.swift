import GRPC
import Testing

private func index(_ table: MethodTable, _ path: String) -> Int? {
  Array(path.utf8).withUnsafeBytes { table.index(of: $0) }
}

@Test func `every method of a large table is found, and nothing else is`() {
  var table = MethodTable()
  for number in 0..<300 { table.add("p.S\(number % 7)", "M\(number)", FunctionMethod { _ in [] }) }
  for number in 0..<300 { #expect(index(table, "/p.S\(number % 7)/M\(number)") == number) }
  for path in ["", "/", "/p.S0/M1", "/p.S0/M", "p.S0/M0", "/p.S0/M0/", "/p.S0/m0"] { #expect(index(table, path) == nil) }
}

@Test func `an unknown method of a known service is told from an unknown service`() {
  var table = MethodTable()
  table.add("p.S", "M", FunctionMethod { _ in [] })
  #expect(table.unknown("/p.S/X").message == "service p.S has no method 'X'")
  #expect(table.unknown("/p.T/X").message == "unknown service or method '/p.T/X'")
  #expect(table.unknown("nonsense").code == .unimplemented)
}

@Test func `a block is reused, and large ones are not kept`() {
  let pool = MessageBufferPool()
  for byteCount in [0, 1, 448, 449, 100_000, 4 << 20] {
    let first = pool.take(byteCount: byteCount)!
    #expect(first.bytes.count == byteCount)
    let address = first.bytes.baseAddress
    pool.give(first)
    let second = pool.take(byteCount: byteCount)!
    if byteCount < 4 << 20 { #expect(second.bytes.baseAddress == address) }
    pool.give(second)
  }
}

@Test func `a message is placed so that its tensor is aligned where the last one's was`() {
  let pool = MessageBufferPool()
  for offset in [0, 1, 17, 63, 64, 1000] {
    pool.noteTensorOffset(offset)
    let message = pool.take(byteCount: 5000)!
    #expect((UInt(bitPattern: message.bytes.baseAddress!) + UInt(offset)) % 64 == 0)
    pool.give(message)
  }
}

/// What the memory budget counts is what the block takes: 60 bytes of room more than the message, in powers of two.
@Test func `a message counts as much as its block`() {
  for (byteCount, expected) in [(0, 512), (448, 512), (449, 1024), (4 << 20, (4 << 20) + 64)] {
    #expect(MessageBufferPool.blockBytes(forByteCount: byteCount) == expected)
  }
}
