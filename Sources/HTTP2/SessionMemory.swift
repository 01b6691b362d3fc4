internal import CNghttp2
internal import Glibc

/// Memory for nghttp2's small objects, recycled by size: one an event loop, shared by its sessions.
///
/// nghttp2 allocates about ten times a request. A free list makes each of them a load and a store, where malloc takes
/// some hundred instructions. Blocks carry their size class in a header of 16 bytes:
///
/// ```
/// block ─▶ [ class | ……pad…… | what nghttp2 sees … ]
/// ```
///
/// A class, because nghttp2 keeps its address; it must outlive every session made with it. Belongs to one thread.
package final class SessionMemory {
  fileprivate static let headerBytes = 16
  fileprivate static let stepBytes = 32
  fileprivate static let classCount = 33  // 0 to 1 KiB, in steps
  /// Blocks that are kept of each size: enough for a thousand streams.
  private static let keep = 4096

  private struct FreeList {
    var first: UnsafeMutableRawPointer?
    var count = 0
  }

  private let lists: UnsafeMutablePointer<FreeList>

  package init() {
    lists = .allocate(capacity: Self.classCount)
    lists.initialize(repeating: FreeList(), count: Self.classCount)
  }

  deinit {
    for index in 0..<Self.classCount {
      while let block = lists[index].first {
        lists[index].first = block.load(fromByteOffset: Self.headerBytes, as: UnsafeMutableRawPointer?.self)
        Glibc.free(block)
      }
    }
    lists.deallocate()
  }

  /// What nghttp2 takes; it copies the struct, not what it points to.
  func withAllocator<R>(_ body: (UnsafeMutablePointer<nghttp2_mem>) -> R) -> R {
    var allocator = nghttp2_mem(
      mem_user_data: Unmanaged.passUnretained(self).toOpaque(), malloc: sessionMalloc, free: sessionFree,
      calloc: sessionCalloc, realloc: sessionRealloc)
    return body(&allocator)
  }

  fileprivate func allocate(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let sizeClass = max(byteCount &+ (Self.stepBytes - 1), Self.stepBytes) / Self.stepBytes
    let block: UnsafeMutableRawPointer
    if sizeClass < Self.classCount, let free = lists[sizeClass].first {
      lists[sizeClass].first = free.load(fromByteOffset: Self.headerBytes, as: UnsafeMutableRawPointer?.self)
      lists[sizeClass].count -= 1
      block = free
    } else {
      let room = sizeClass < Self.classCount ? sizeClass * Self.stepBytes : byteCount
      guard let fresh = Glibc.malloc(Self.headerBytes + room) else { return nil }
      block = fresh
    }
    block.storeBytes(of: sizeClass, as: Int.self)
    return block + Self.headerBytes
  }

  fileprivate func free(_ pointer: UnsafeMutableRawPointer) {
    let block = pointer - Self.headerBytes
    let sizeClass = block.load(as: Int.self)
    guard sizeClass < Self.classCount, lists[sizeClass].count < Self.keep else { return Glibc.free(block) }
    pointer.storeBytes(of: lists[sizeClass].first, as: UnsafeMutableRawPointer?.self)
    lists[sizeClass].first = block
    lists[sizeClass].count += 1
  }

  fileprivate func room(of pointer: UnsafeMutableRawPointer) -> Int? {
    let sizeClass = (pointer - Self.headerBytes).load(as: Int.self)
    return sizeClass < Self.classCount ? sizeClass * Self.stepBytes : nil
  }
}

private func memory(_ context: UnsafeMutableRawPointer?) -> Unmanaged<SessionMemory> {
  guard let context else { preconditionFailure("nghttp2 was given a context. This is a bug.") }
  return Unmanaged.fromOpaque(context)
}

private func sessionMalloc(_ byteCount: Int, _ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  memory(context)._withUnsafeGuaranteedRef { $0.allocate(byteCount) }
}

private func sessionFree(_ pointer: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?) {
  guard let pointer else { return }
  memory(context)._withUnsafeGuaranteedRef { $0.free(pointer) }
}

private func sessionCalloc(
  _ count: Int, _ size: Int, _ context: UnsafeMutableRawPointer?
) -> UnsafeMutableRawPointer? {
  let (byteCount, overflow) = count.multipliedReportingOverflow(by: size)
  guard !overflow, let pointer = sessionMalloc(byteCount, context) else { return nil }
  memset(pointer, 0, byteCount)
  return pointer
}

private func sessionRealloc(
  _ pointer: UnsafeMutableRawPointer?, _ byteCount: Int, _ context: UnsafeMutableRawPointer?
) -> UnsafeMutableRawPointer? {
  guard let pointer else { return sessionMalloc(byteCount, context) }
  let room = memory(context)._withUnsafeGuaranteedRef { $0.room(of: pointer) }
  guard let room else {
    // Larger than any class: the C library's own block, with our header in front.
    let header = SessionMemory.headerBytes
    guard let grown = Glibc.realloc(pointer - header, header + byteCount) else { return nil }
    return grown + header
  }
  guard byteCount > room else { return pointer }
  guard let larger = sessionMalloc(byteCount, context) else { return nil }
  memcpy(larger, pointer, room)
  sessionFree(pointer, context)
  return larger
}
