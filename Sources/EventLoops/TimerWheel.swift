package import Inference

/// One pending or idle timer, embedded in whatever it times (a call, a connection) and linked in place.
///
/// It must not move or be freed while it is armed.
package struct TimerNode {
  /// Runs on the loop's thread when the time has come. Not a capturing closure: it gets `context`.
  package let fire: @Sendable (UnsafeMutableRawPointer) -> Void
  package let context: UnsafeMutableRawPointer
  package fileprivate(set) var deadline = Instant.never
  fileprivate var previous: UnsafeMutablePointer<TimerNode>?
  fileprivate var next: UnsafeMutablePointer<TimerNode>?
  fileprivate var slot: Int32 = -1

  package var isArmed: Bool { slot >= 0 }

  package init(context: UnsafeMutableRawPointer, fire: @escaping @Sendable (UnsafeMutableRawPointer) -> Void) {
    self.context = context
    self.fire = fire
  }
}

/// Timers of one event loop: arming and disarming cost a few loads and stores, whatever is pending.
///
/// A hashed timing wheel (Varghese and Lauck, 1987, scheme 6) of 4,096 slots of 1 ms. A timer fires never early, and
/// at most one tick plus the loop's own delay late. A timer further away than one turn stays in its slot and is looked
/// at once a turn, every 4 s. Holds no clock: time is passed in.
package struct TimerWheel: ~Copyable {
  private static let slotCount = 4096
  private static let tickNanoseconds: UInt64 = 1_000_000

  private let slots: UnsafeMutablePointer<UnsafeMutablePointer<TimerNode>?>
  private let occupied: UnsafeMutablePointer<UInt64>  // a bit a slot
  private let place: UnsafeMutablePointer<Place>
  package var count: Int { place.pointee.count }

  /// Behind a pointer, so that the wheel of a class needs no check for overlapping accesses.
  private struct Place {
    var currentTick: UInt64
    var count = 0
  }

  package init(now: Instant) {
    slots = .allocate(capacity: Self.slotCount)
    slots.initialize(repeating: nil, count: Self.slotCount)
    occupied = .allocate(capacity: Self.slotCount / 64)
    occupied.initialize(repeating: 0, count: Self.slotCount / 64)
    place = .allocate(capacity: 1)
    place.initialize(to: Place(currentTick: now.nanoseconds / Self.tickNanoseconds))
  }

  deinit {
    slots.deallocate()
    occupied.deallocate()
    place.deallocate()
  }

  /// Arms `node` for `deadline`; a node that is armed already is moved.
  package func arm(_ node: UnsafeMutablePointer<TimerNode>, at deadline: Instant) {
    disarm(node)
    guard deadline < .never else { return }
    // Rounded up, so that no timer fires early; at least the next tick, so that `takeDue` gets to it.
    let tick = max((deadline.nanoseconds &+ Self.tickNanoseconds &- 1) / Self.tickNanoseconds, place.pointee.currentTick &+ 1)
    let slot = Int(tick % UInt64(Self.slotCount))
    node.pointee.deadline = deadline
    node.pointee.slot = Int32(slot)
    node.pointee.previous = nil
    node.pointee.next = slots[slot]
    slots[slot]?.pointee.previous = node
    slots[slot] = node
    occupied[slot / 64] |= 1 << UInt64(slot % 64)
    place.pointee.count += 1
  }

  /// Takes `node` out, if it is in.
  package func disarm(_ node: UnsafeMutablePointer<TimerNode>) {
    guard node.pointee.isArmed else { return }
    let slot = Int(node.pointee.slot)
    if let previous = node.pointee.previous {
      previous.pointee.next = node.pointee.next
    } else {
      slots[slot] = node.pointee.next
      if slots[slot] == nil { occupied[slot / 64] &= ~(1 << UInt64(slot % 64)) }
    }
    node.pointee.next?.pointee.previous = node.pointee.previous
    node.pointee.previous = nil
    node.pointee.next = nil
    node.pointee.slot = -1
    node.pointee.deadline = .never
    place.pointee.count -= 1
  }

  /// Takes out one timer whose time has come, by the order of their ticks. Nil when there is none.
  ///
  /// One at a time, so that what the caller does with it may arm and disarm others: the wheel is nobody's meanwhile.
  package func takeDue(now: Instant) -> UnsafeMutablePointer<TimerNode>? {
    let target = now.nanoseconds / Self.tickNanoseconds
    guard count > 0 else {
      place.pointee.currentTick = max(place.pointee.currentTick, target)
      return nil
    }
    // More than a turn behind: each slot once is enough.
    if target > place.pointee.currentTick &+ UInt64(Self.slotCount) { place.pointee.currentTick = target &- UInt64(Self.slotCount) }
    while true {
      if let node = firstDue(in: Int(place.pointee.currentTick % UInt64(Self.slotCount)), now: now) {
        disarm(node)
        return node
      }
      guard place.pointee.currentTick < target else { return nil }
      place.pointee.currentTick &+= 1
    }
  }

  /// When `takeDue` should be asked next: no later than the first deadline's tick. Nil if nothing is pending.
  package func nextExpiry() -> Instant? {
    guard count > 0 else { return nil }
    let start = Int((place.pointee.currentTick &+ 1) % UInt64(Self.slotCount))
    var distance = 0
    while distance < Self.slotCount {
      let slot = (start + distance) % Self.slotCount
      let word = occupied[slot / 64] >> UInt64(slot % 64)
      if word != 0 {
        let ahead = UInt64(distance + word.trailingZeroBitCount)
        return Instant(nanoseconds: (place.pointee.currentTick &+ 1 &+ ahead) &* Self.tickNanoseconds)
      }
      distance += 64 - slot % 64
    }
    return nil
  }

  private func firstDue(in slot: Int, now: Instant) -> UnsafeMutablePointer<TimerNode>? {
    var node = slots[slot]
    while let candidate = node {
      if candidate.pointee.deadline <= now { return candidate }
      node = candidate.pointee.next
    }
    return nil
  }
}
