internal import Inference

/// The instants at which waiting requests time out, earliest first: a binary heap.
///
/// A request that leaves otherwise stays in the heap until it comes to the top or `compact` drops it; the generation
/// tells its slot's later tenants apart.
struct TimeoutHeap: Sendable {
  struct Timeout: Sendable {
    var instant: Instant
    var slot: Int32
    var generation: UInt32
  }

  private var heap: [Timeout] = []

  var count: Int { heap.count }
  var earliest: Timeout? { heap.first }

  mutating func insert(_ timeout: Timeout) {
    heap.append(timeout)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].instant < heap[parent].instant else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func removeEarliest() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    sink(from: 0)
  }

  /// Drops what `isCurrent` denies.
  mutating func compact(isCurrent: (Timeout) -> Bool) {
    heap.removeAll { !isCurrent($0) }
    for parent in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(from: parent) }
  }

  private mutating func sink(from start: Int) {
    var parent = start
    while true {
      var least = parent
      for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count {
        if heap[child].instant < heap[least].instant { least = child }
      }
      guard least != parent else { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
