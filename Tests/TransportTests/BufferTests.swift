import Glibc
import HTTP2
import Testing
import Transport

/// Bytes that count how often they were freed.
private final class Owner {
  let bytes: UnsafeMutableRawBufferPointer
  private let freed: () -> Void

  init(_ values: some Collection<UInt8>, freed: @escaping () -> Void) {
    bytes = .allocate(byteCount: values.count, alignment: 16)
    bytes.copyBytes(from: values)
    self.freed = freed
  }

  deinit {
    bytes.deallocate()
    freed()
  }
}

private func read(_ pending: borrowing PendingOutput, vectorCount: Int) -> [UInt8] {
  withUnsafeTemporaryAllocation(of: iovec.self, capacity: vectorCount) { vectors in
    vectors[..<pending.fill(vectors)].flatMap { vector in
      Array(UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len))
    }
  }
}

/// A copied, a referenced and again a copied piece; every split between what was written and what waits, then dropped in
/// every step size.
@Test func `what the socket did not take waits in order, and its owners go once it is written`() {
  let expected = (0..<24).map { UInt8($0) }
  for written in 0..<24 {
    for step in [1, 2, 5, 24] {
      var freed = 0
      do {
        let buffer = OutputBuffer()
        expected[0..<8].withUnsafeBytes { buffer.append(copying: $0) }
        let owner = Owner(expected[8..<16]) { freed += 1 }
        buffer.append(referencing: UnsafeRawBufferPointer(owner.bytes), owner: .passRetained(owner))
        expected[16..<24].withUnsafeBytes { buffer.append(copying: $0) }
        var pending = PendingOutput()
        pending.take(from: buffer, after: written)
        #expect(buffer.isEmpty)
        // The buffer is the next connection's; what waits must not lie in it.
        Array(repeating: UInt8(99), count: 24).withUnsafeBytes { buffer.append(copying: $0) }
        var seen: [UInt8] = []
        while !pending.isEmpty {
          let count = min(step, pending.byteCount)
          seen += read(pending, vectorCount: 3).prefix(count)
          pending.drop(count)
        }
        #expect(seen == Array(expected[written...]))
        #expect(read(pending, vectorCount: 3) == [])
      }
      #expect(freed == 1)
    }
  }
}

@Test func `output that is never written lets its owners go with the connection`() {
  var freed = 0
  do {
    let buffer = OutputBuffer()
    let owner = Owner([1, 2, 3]) { freed += 1 }
    buffer.append(referencing: UnsafeRawBufferPointer(owner.bytes), owner: .passRetained(owner))
    var pending = PendingOutput()
    pending.take(from: buffer, after: 1)
    #expect(pending.byteCount == 2)
  }
  #expect(freed == 1)
}

@Test func `copied bytes one behind the other are one piece, and a reference is its own`() {
  let buffer = OutputBuffer()
  let bytes: [UInt8] = [1, 2, 3]
  var freed = 0
  bytes.withUnsafeBytes {
    buffer.append(copying: $0)
    buffer.append(copying: $0)
  }
  #expect(buffer.pieceCount == 1)
  let owner = Owner([4]) { freed += 1 }
  buffer.append(referencing: UnsafeRawBufferPointer(owner.bytes), owner: .passRetained(owner))
  bytes.withUnsafeBytes { buffer.append(copying: $0) }
  #expect(buffer.pieceCount == 3 && buffer.byteCount == 10)
  #expect(buffer.pieces.flatMap { Array($0.bytes) } == [1, 2, 3, 1, 2, 3, 4, 1, 2, 3])
  buffer.reset()
  #expect(buffer.isEmpty && buffer.byteCount == 0)
}

@Test func `a budget refuses what does not fit and takes what must be`() {
  let budget = MemoryBudget(limitBytes: 100)
  #expect(budget.reserve(60))
  #expect(!budget.reserve(41))
  #expect(budget.usedBytes == 60)
  #expect(budget.reserve(40))
  budget.take(50)
  #expect(budget.usedBytes == 150)
  budget.release(60)
  #expect(!budget.reserve(11))
  #expect(budget.reserve(10))
  budget.release(100)
  #expect(budget.usedBytes == 0)
}
