/// Memory of one instance that a batch's input is gathered into: 64-byte aligned, reused, grown as needed.
///
/// A block that one large batch made much larger than the rest need goes back to their size after a while.
struct AlignedBlock {
  static let alignment = 64
  private static let leastBytes = 16 << 10
  /// A block is far too large when less than an eighth of it was needed so many times in a row.
  private static let patience = 256

  private(set) var start: UnsafeMutableRawPointer?
  private(set) var capacity = 0
  private var idleUses = 0
  private var mostSinceIdle = 0

  /// Memory for so many bytes; what it held before may be gone.
  mutating func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
    if byteCount > capacity || start == nil {
      replace(with: max(byteCount + byteCount / 2, Self.leastBytes))
    } else if byteCount < capacity / 8, capacity > Self.leastBytes {
      idleUses += 1
      mostSinceIdle = max(mostSinceIdle, byteCount)
      if idleUses == Self.patience { replace(with: max(2 * mostSinceIdle, Self.leastBytes)) }
    } else {
      idleUses = 0
      mostSinceIdle = 0
    }
    return start!  // made above, if not earlier
  }

  mutating func deallocate() {
    start?.deallocate()
    start = nil
    capacity = 0
  }

  private mutating func replace(with byteCount: Int) {
    start?.deallocate()
    start = .allocate(byteCount: byteCount, alignment: Self.alignment)
    capacity = byteCount
    idleUses = 0
    mostSinceIdle = 0
  }
}
