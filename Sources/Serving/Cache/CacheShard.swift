internal import Access
internal import Inference
internal import Threads

/// What the cache knows of one kind of request: the answer to it, or who computes it and who waits for that.
///
/// ```
///                 land: the answer is kept
/// (none) ─find─▶ in flight ────────────────▶ kept ──evicted──▶ (none)
///                   │  └─ dissolve, or the answer is not kept ──────▶ (none)
///                   └─ pass on: the next of those who wait leads
/// ```
struct CacheEntry {
  let tag: HashTag
  /// The next one of its bucket.
  var nextInBucket: EntryPointer?
  /// Nil while it is in flight.
  var answer: Unmanaged<KeptAnswer>?
  /// What the answer takes of the cache.
  var byteCount = 0
  // Neighbours in the order of use; of kept answers only.
  var newer: EntryPointer?
  var older: EntryPointer?
  /// Identical requests that wait for the answer, in the order in which they came.
  var waiting = RequestList()

  init(tag: HashTag) { self.tag = tag }
}

typealias EntryPointer = UnsafeMutablePointer<CacheEntry>

/// A part of the cache with a lock of its own: a hash table of fixed size, and its kept answers in the order of use.
///
/// Everything but `lock` is looked at and changed with the lock held.
struct CacheShard {
  let lock = Lock()
  private let buckets: UnsafeMutablePointer<EntryPointer?>
  private let mask: Int
  private var newest: EntryPointer?
  private var oldest: EntryPointer?

  /// - Parameter bucketCount: A power of two.
  init(bucketCount: Int) {
    buckets = .allocate(capacity: bucketCount)
    buckets.initialize(repeating: nil, count: bucketCount)
    mask = bucketCount - 1
  }

  /// Frees all of it. No request may be in flight any more.
  mutating func deallocate() {
    while let entry = popOldest() {
      entry.pointee.answer?.release()
      entry.deallocate()
    }
    buckets.deallocate()
    lock.deallocate()
  }

  func entry(_ tag: HashTag) -> EntryPointer? {
    var next = buckets[bucket(of: tag)]
    while let entry = next {
      if entry.pointee.tag == tag { return entry }
      next = entry.pointee.nextInBucket
    }
    return nil
  }

  func insert(_ entry: EntryPointer) {
    let bucket = bucket(of: entry.pointee.tag)
    entry.pointee.nextInBucket = buckets[bucket]
    buckets[bucket] = entry
  }

  /// Takes an entry out of the table. A kept answer stays in the order of use.
  func remove(_ entry: EntryPointer) {
    let bucket = bucket(of: entry.pointee.tag)
    if buckets[bucket] == entry {
      buckets[bucket] = entry.pointee.nextInBucket
      return
    }
    var previous = buckets[bucket]
    while let before = previous {
      if before.pointee.nextInBucket == entry {
        before.pointee.nextInBucket = entry.pointee.nextInBucket
        return
      }
      previous = before.pointee.nextInBucket
    }
  }

  // MARK: - The order of use

  /// A kept answer is the one used last.
  mutating func pushNewest(_ entry: EntryPointer) {
    entry.pointee.newer = nil
    entry.pointee.older = newest
    if let newest { newest.pointee.newer = entry } else { oldest = entry }
    newest = entry
  }

  /// A kept answer was used again.
  mutating func noteUse(of entry: EntryPointer) {
    guard newest != entry else { return }
    unlink(entry)
    pushNewest(entry)
  }

  /// Takes out the kept answer whose last use is longest ago.
  mutating func popOldest() -> EntryPointer? {
    guard let entry = oldest else { return nil }
    unlink(entry)
    remove(entry)
    return entry
  }

  private mutating func unlink(_ entry: EntryPointer) {
    let (newer, older) = (entry.pointee.newer, entry.pointee.older)
    if let newer { newer.pointee.older = older } else { newest = older }
    if let older { older.pointee.newer = newer } else { oldest = newer }
  }

  private func bucket(of tag: HashTag) -> Int { Int(truncatingIfNeeded: tag.low) & mask }
}
