/// The ends of one sorted list whose links lie in a `SortedLinks`, level by level.
struct SortedEnds: Sendable {
  var levels = [5 of Ends](repeating: Ends())
  var first: Int32 { levels[0].first }
  var last: Int32 { levels[0].last }
  var isEmpty: Bool { levels[0].isEmpty }
}

/// Links between numbered slots that are kept in order: skip lists.
///
/// ```
/// level 2   a ─────────────────────▶ f            every slot is linked at level 0, one in eight at level 1 too,
/// level 1   a ───────▶ c ──────────▶ f ─▶ g       one in sixty-four at level 2, …
/// level 0   a ─▶ b ─▶ c ─▶ d ─▶ e ─▶ f ─▶ g
/// ```
///
/// What comes in order, or nearly, costs constant time, like a plain list; what does not, a time logarithmic in the
/// list's length. Taking a slot out costs constant time wherever it is. Source: Pugh, "Skip lists" (1990).
struct SortedLinks: Sendable {
  static let levelCount = 5  // as in the array types here and above
  /// So many slots from the end are looked at before the search from the front: threads that send in turn are a little
  /// out of order.
  private static let nearEnd = 8

  private var levels = [5 of Links](repeating: Links())
  /// How many levels each slot is linked at.
  private var heights: [UInt8] = []
  private var keys: [UInt64] = []
  private var tosses: UInt64 = 0

  /// Room for one more slot, numbered as the last.
  mutating func addSlot() {
    for level in 0..<Self.levelCount { levels[level].addSlot() }
    keys.append(0)
    tosses &+= 0x9E37_79B9_7F4A_7C15  // SplitMix64: the heights need to be irregular, not secret
    var mixed = (tosses ^ (tosses >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    heights.append(UInt8(min(1 + (mixed ^ (mixed >> 31)).trailingZeroBitCount / 3, Self.levelCount)))
  }

  func slot(after slot: Int32) -> Int32 { levels[0].slot(after: slot) }

  /// Puts a slot behind all whose key is not greater.
  ///
  /// - Returns: Whether it is the last.
  @discardableResult
  mutating func insert(_ slot: Int32, key: UInt64, into list: inout SortedEnds) -> Bool {
    let height = Int(heights[Int(slot)])
    keys[Int(slot)] = key
    if list.isEmpty || keys[Int(list.last)] <= key {
      for level in 0..<height { levels[level].append(slot, to: &list.levels[level]) }
      return true
    }
    if height == 1 {
      var place = list.last
      for _ in 0..<Self.nearEnd where place >= 0 && keys[Int(place)] > key { place = levels[0].slot(before: place) }
      if place < 0 || keys[Int(place)] <= key {
        levels[0].insert(slot, after: place, in: &list.levels[0])
        return false
      }
    }
    var place: Int32 = -1
    for level in (0..<Self.levelCount).reversed() {
      var next = place >= 0 ? levels[level].slot(after: place) : list.levels[level].first
      while next >= 0, keys[Int(next)] <= key {
        place = next
        next = levels[level].slot(after: next)
      }
      if level < height { levels[level].insert(slot, after: place, in: &list.levels[level]) }
    }
    return false
  }

  mutating func remove(_ slot: Int32, from list: inout SortedEnds) {
    for level in 0..<Int(heights[Int(slot)]) { levels[level].remove(slot, from: &list.levels[level]) }
  }
}
