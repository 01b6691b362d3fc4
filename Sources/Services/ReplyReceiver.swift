internal import CLinux
internal import EventLoops
internal import Glibc
internal import Inference

/// The receiving end of a mailbox on an event loop: hands over each completed request.
final class ReplyReceiver: EventSource {
  let mailbox: ReplyMailbox
  private let descriptor: Int32
  private let receive: (RequestPointer) -> Void

  /// - Parameter receive: Called on the loop's thread with each request, which is then the callee's.
  init(on loop: EventLoop, receive: @escaping (RequestPointer) -> Void) throws(SystemError) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { throw .last("eventfd") }
    mailbox = ReplyMailbox(wakeDescriptor: descriptor)
    self.receive = receive
    _ = try loop.register(descriptor, for: .readable, self)
  }

  deinit { close(descriptor) }

  func handle(_ events: Readiness) {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    collect()
  }

  /// Spares the senders the wake-up: `collect` is called soon.
  func expect() { mailbox.expectTake() }

  /// Hands over what is in the mailbox.
  func collect() {
    var next = mailbox.take()
    while let request = next {
      next = request.pointee.next
      receive(request)
    }
  }
}
