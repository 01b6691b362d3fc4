internal import Glibc

/// The bytes of one received message, in a block that is recycled.
///
/// `bytes` begins where the message does. The block begins up to 63 bytes earlier: see `MessageBufferPool.take`.
package struct MessageBuffer {
  package fileprivate(set) var bytes: UnsafeMutableRawBufferPointer
  fileprivate var block: UnsafeMutableRawPointer?
  fileprivate var sizeClass = 0
  /// What the message takes of the server's memory: small ones take more than they have.
  var blockBytes: Int { block == nil ? 0 : MessageBufferPool.blockBytes(forByteCount: bytes.count) }

  package static var none: MessageBuffer {
    MessageBuffer(bytes: UnsafeMutableRawBufferPointer(start: nil, count: 0), block: nil)
  }
}

/// Blocks for received messages, recycled by size: one an event loop.
///
/// Large blocks are kept on purpose. glibc hands memory over 128 KiB back to the kernel at `free`, and faulting the pages
/// in again for the next request can cost three times the request (docs/performance.md).
package final class MessageBufferPool {
  private static let smallest = 512
  private static let classCount = 14  // 512 B to 4 MiB
  private let keepBytes: Int

  private struct FreeList {
    var first: UnsafeMutableRawPointer?  // linked through each block's first word
  }

  /// Behind pointers, because Swift checks each access to a class's own variables for overlaps.
  private let lists: UnsafeMutablePointer<FreeList>
  /// Bytes of the blocks in the lists.
  private let keptBytes: UnsafeMutablePointer<Int>
  /// Where in a message the tensor bytes began last, modulo 64: clients send the same layout again and again.
  private let lastTensorOffset: UnsafeMutablePointer<Int>

  /// - Parameter keepBytes: Most bytes of blocks that wait to be used again.
  package init(keepBytes: Int = 64 << 20) {
    self.keepBytes = keepBytes
    keptBytes = .allocate(capacity: 1)
    keptBytes.initialize(to: 0)
    lists = .allocate(capacity: Self.classCount)
    lists.initialize(repeating: FreeList(), count: Self.classCount)
    lastTensorOffset = .allocate(capacity: 1)
    lastTensorOffset.initialize(to: 0)
  }

  deinit {
    for index in 0..<Self.classCount {
      while let block = lists[index].first {
        lists[index].first = block.load(as: UnsafeMutableRawPointer?.self)
        Self.free(block, Self.smallest << index)
      }
    }
    lists.deallocate()
    keptBytes.deallocate()
    lastTensorOffset.deallocate()
  }

  /// Room for a message. It is placed so that, if its tensor begins where the last message's did, the tensor is aligned
  /// to 64 bytes and can be handed to a model without a copy.
  ///
  /// A large block takes no memory before bytes are written to it, only addresses. Nil if there are none left.
  package func take(byteCount: Int) -> MessageBuffer? {
    let needed = byteCount + 64
    let sizeClass = Self.sizeClass(of: needed)
    let block: UnsafeMutableRawPointer
    if sizeClass < Self.classCount, let free = lists[sizeClass].first {
      lists[sizeClass].first = free.load(as: UnsafeMutableRawPointer?.self)
      keptBytes.pointee -= Self.smallest << sizeClass
      block = free
    } else {
      guard let fresh = Self.allocate(Self.blockBytes(forByteCount: byteCount)) else { return nil }
      block = fresh
    }
    let start = (64 - lastTensorOffset.pointee) % 64
    return MessageBuffer(
      bytes: UnsafeMutableRawBufferPointer(start: block + start, count: byteCount), block: block, sizeClass: sizeClass)
  }

  package func give(_ buffer: MessageBuffer) {
    guard let block = buffer.block else { return }
    let sizeClass = buffer.sizeClass
    guard sizeClass < Self.classCount, keptBytes.pointee + Self.smallest << sizeClass <= keepBytes else {
      return Self.free(block, buffer.blockBytes)
    }
    block.storeBytes(of: lists[sizeClass].first, as: UnsafeMutableRawPointer?.self)
    lists[sizeClass].first = block
    keptBytes.pointee += Self.smallest << sizeClass
  }

  /// Remembers where the first tensor of a message began.
  package func noteTensorOffset(_ offset: Int) { lastTensorOffset.pointee = offset & 63 }

  /// Bytes of the block that `take` finds for a message.
  package static func blockBytes(forByteCount byteCount: Int) -> Int {
    let sizeClass = sizeClass(of: byteCount + 64)
    return sizeClass < classCount ? smallest << sizeClass : byteCount + 64
  }

  /// Blocks from here on are mapped by themselves, so that giving one up gives its memory back at once: the C library
  /// keeps what it is given back for longer than a bound on memory allows.
  private static let mappedBytes = 256 << 10

  private static func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard byteCount >= mappedBytes else { return aligned_alloc(64, (byteCount + 63) & ~63) }
    let mapped = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    return mapped == MAP_FAILED ? nil : mapped
  }

  private static func free(_ block: UnsafeMutableRawPointer, _ byteCount: Int) {
    if byteCount >= mappedBytes { munmap(block, byteCount) } else { Glibc.free(block) }
  }

  private static func sizeClass(of byteCount: Int) -> Int {
    guard byteCount > smallest else { return 0 }
    return Int.bitWidth - (byteCount - 1).leadingZeroBitCount - smallest.trailingZeroBitCount
  }
}
