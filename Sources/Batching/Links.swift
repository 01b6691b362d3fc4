/// The ends of one linked list whose links lie in a `Links`. -1: empty.
struct Ends: Sendable {
  var first: Int32 = -1
  var last: Int32 = -1
  var isEmpty: Bool { first < 0 }
}

/// Links between numbered slots: any number of doubly linked lists, each slot in one of them at most.
///
/// Taking a slot out of the middle costs as little as taking the first, and nothing is allocated per slot.
struct Links: Sendable {
  private var previous: [Int32] = []
  private var next: [Int32] = []

  /// Room for one more slot, numbered as the last.
  mutating func addSlot() {
    previous.append(-1)
    next.append(-1)
  }

  func slot(after slot: Int32) -> Int32 { next[Int(slot)] }
  func slot(before slot: Int32) -> Int32 { previous[Int(slot)] }

  mutating func append(_ slot: Int32, to list: inout Ends) {
    previous[Int(slot)] = list.last
    next[Int(slot)] = -1
    if list.last >= 0 { next[Int(list.last)] = slot } else { list.first = slot }
    list.last = slot
  }

  /// - Parameter place: The slot before it, in the same list; -1: it becomes the first.
  mutating func insert(_ slot: Int32, after place: Int32, in list: inout Ends) {
    let following = place >= 0 ? next[Int(place)] : list.first
    guard following >= 0 else { return append(slot, to: &list) }
    previous[Int(slot)] = place
    next[Int(slot)] = following
    previous[Int(following)] = slot
    if place >= 0 { next[Int(place)] = slot } else { list.first = slot }
  }

  mutating func remove(_ slot: Int32, from list: inout Ends) {
    let (before, after) = (previous[Int(slot)], next[Int(slot)])
    if before >= 0 { next[Int(before)] = after } else { list.first = after }
    if after >= 0 { previous[Int(after)] = before } else { list.last = before }
  }
}
