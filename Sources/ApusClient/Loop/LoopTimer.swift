internal import EventLoops
internal import Inference

/// A timer of an event loop with a closure, for what is rare: closing, connecting again, waiting to retry.
final class LoopTimer {
  private let node: UnsafeMutablePointer<TimerNode>
  private let loop: EventLoop
  private let action: () -> Void

  init(loop: EventLoop, _ action: @escaping () -> Void) {
    self.loop = loop
    self.action = action
    node = .allocate(capacity: 1)
    node.initialize(to: TimerNode(context: Unmanaged.passUnretained(self).toOpaque(), fire: loopTimerFired))
  }

  deinit {
    loop.timers.disarm(node)
    node.deallocate()
  }

  func arm(at instant: Instant) { loop.timers.arm(node, at: instant) }
  func disarm() { loop.timers.disarm(node) }

  fileprivate func fire() { action() }
}

private func loopTimerFired(_ context: UnsafeMutableRawPointer) {
  Unmanaged<LoopTimer>.fromOpaque(context).takeUnretainedValue().fire()
}
