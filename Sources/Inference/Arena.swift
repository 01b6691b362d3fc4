/// Bump-allocated memory of one call: everything made while answering it lies here, and one reset frees it all.
///
/// The first chunk is kept over resets, so a call of ordinary size allocates nothing. There is no `free`: what protobuf-c
/// or a half-finished parse leaves behind costs nothing and can't be freed twice. Not thread-safe: it belongs to whoever
/// holds the call, and is handed over with it.
///
/// ```
/// keep ──▶ [ header | ####used#### |      free      ]
///            next ──▶ [ header | ##used## | free    ]     larger chunks, freed at reset
/// ```
package struct Arena: ~Copyable {
  /// Most bytes that one call may take; past it `allocate` answers nil.
  package let limitBytes: Int
  /// Bytes handed out since the last reset, rounding included.
  package private(set) var usedBytes = 0

  private var cursor: UnsafeMutableRawPointer
  private var end: UnsafeMutableRawPointer
  private let keep: UnsafeMutableRawPointer
  private let keepBytes: Int
  private var overflow: UnsafeMutableRawPointer?  // head of a list linked through each chunk's first word

  package init(keepBytes: Int = 4096, limitBytes: Int = .max) {
    self.keepBytes = keepBytes
    self.limitBytes = limitBytes
    keep = UnsafeMutableRawPointer.allocate(byteCount: keepBytes, alignment: 16)
    cursor = keep
    end = keep + keepBytes
  }

  deinit {
    Arena.free(overflow)
    keep.deallocate()
  }

  /// Uninitialised memory aligned to 16 bytes, or nil when the call has reached its limit.
  package mutating func allocate(byteCount: Int) -> UnsafeMutableRawPointer? {
    let rounded = (byteCount &+ 15) & ~15
    guard byteCount >= 0, rounded >= byteCount, rounded <= limitBytes &- usedBytes else { return nil }
    usedBytes &+= rounded
    if end - cursor >= rounded {
      let start = cursor
      cursor += rounded
      return start
    }
    return allocateInNewChunk(rounded)
  }

  /// Uninitialised memory for `count` values, or nil when the call has reached its limit.
  package mutating func allocate<T: ~Copyable>(_: T.Type, count: Int) -> UnsafeMutablePointer<T>? {
    let (bytes, tooMany) = count.multipliedReportingOverflow(by: MemoryLayout<T>.stride)
    guard !tooMany else { return nil }
    return allocate(byteCount: bytes)?.bindMemory(to: T.self, capacity: count)
  }

  /// Forgets everything that was allocated. Nothing is deinitialised: keep only trivial values here.
  package mutating func reset() {
    Arena.free(overflow)
    overflow = nil
    cursor = keep
    end = keep + keepBytes
    usedBytes = 0
  }

  @inline(never)
  private mutating func allocateInNewChunk(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let header = 16
    let size = max(byteCount + header, min(2 * usedBytes, 1 << 20), 2 * keepBytes)
    let chunk = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    chunk.storeBytes(of: overflow, as: UnsafeMutableRawPointer?.self)
    overflow = chunk
    cursor = chunk + header + byteCount
    end = chunk + size
    return chunk + header
  }

  private static func free(_ list: UnsafeMutableRawPointer?) {
    var next = list
    while let chunk = next {
      next = chunk.load(as: UnsafeMutableRawPointer?.self)
      chunk.deallocate()
    }
  }
}
