package import EventLoops
package import GRPC
internal import HTTP2
internal import Inference
package import Transport

/// The client side of gRPC on one event loop: recycled calls, and buffers for received messages.
///
/// It must outlive its connections and their calls.
package final class GRPCClientLoop {
  package let transport: TransportLoop
  /// Where received messages go back when their observer is done with them.
  package let buffers: MessageBufferPool
  package var eventLoop: EventLoop { transport.loop }

  private let calls: UnsafeMutablePointer<Calls>

  /// Behind a pointer, because Swift checks each access to a class's own variables for overlaps.
  private struct Calls {
    var free: UnsafeMutablePointer<ClientCall>?
  }

  /// - Parameter transport: Flushed at the end of the loop's turns by whoever made it.
  package init(transport: TransportLoop) {
    self.transport = transport
    buffers = MessageBufferPool()
    calls = .allocate(capacity: 1)
    calls.initialize(to: Calls())
  }

  /// A client's side of `loop`, with a transport of its own that is flushed at the end of each turn.
  package convenience init(on loop: EventLoop) {
    let limits = ServerLimits()
    let transport = TransportLoop(loop: loop, limits: limits, memory: MemoryBudget(limitBytes: limits.memoryBytes))
    loop.atEndOfTurn { transport.flush() }
    self.init(transport: transport)
  }

  deinit {
    while let call = calls.pointee.free {
      calls.pointee.free = call.pointee.nextFree
      call.pointee.deallocate()
      call.deallocate()
    }
    calls.deallocate()
  }

  // MARK: Calls

  func takeCall() -> UnsafeMutablePointer<ClientCall> {
    if let call = calls.pointee.free {
      calls.pointee.free = call.pointee.nextFree
      return call
    }
    let call = UnsafeMutablePointer<ClientCall>.allocate(capacity: 1)
    let timer = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    timer.initialize(to: TimerNode(context: UnsafeMutableRawPointer(call), fire: callTimerFired))
    call.initialize(to: ClientCall(loop: .passUnretained(self), timer: timer))
    return call
  }

  /// Calls are kept for ever, so that an old `ClientCallPointer` can be told from a new one.
  func give(_ call: UnsafeMutablePointer<ClientCall>) {
    call.pointee.clear()
    call.pointee.nextFree = calls.pointee.free
    calls.pointee.free = call
  }
}

private func callTimerFired(_ context: UnsafeMutableRawPointer) {
  let call = context.assumingMemoryBound(to: ClientCall.self)
  ClientCallPointer(call).end(
    GRPCStatus(.deadlineExceeded, "the call's deadline passed before its answer was there"), .deadline)
}
