internal import CLinux
internal import EventLoops
internal import Glibc

/// Wakes an event loop when the next call is due, to some ten microseconds: the loop's own timers tick in milliseconds.
final class SendTimer: EventSource {
  private let descriptor: Int32
  private let armed: UnsafeMutablePointer<UInt64>  // 0: not armed

  /// - Throws: `SystemError` without descriptors.
  init(on loop: EventLoop) throws(SystemError) {
    descriptor = linux_timer_open()
    guard descriptor >= 0 else { throw .last("timerfd_create") }
    armed = .allocate(capacity: 1)
    armed.initialize(to: 0)
    _ = try loop.register(descriptor, for: .readable, self)
  }

  deinit {
    close(descriptor)
    armed.deallocate()
  }

  /// Ends a wait at `nanoseconds` of the monotonic clock; 0: not at all.
  func set(_ nanoseconds: UInt64) {
    if armed.pointee == nanoseconds { return }
    armed.pointee = nanoseconds
    linux_timer_set(descriptor, nanoseconds)
  }

  /// Nothing to do: calls that are due are sent at the end of every turn, which sets the timer anew.
  func handle(_ events: Readiness) { armed.pointee = .max }
}
