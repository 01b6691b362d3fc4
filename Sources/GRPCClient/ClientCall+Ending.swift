internal import EventLoops
internal import GRPC
internal import HTTP2
internal import Transport

extension ClientCallPointer {
  /// Ends the call: its stream is reset unless it is complete, and the observer hears of it. Only the first end counts.
  ///
  /// - Parameter mayHaveRun: Nil: if its headers have left.
  func end(_ status: GRPCStatus, _ origin: CallOutcome.Origin, mayHaveRun: Bool? = nil) {
    guard isOpen else { return }
    raw.pointee.isOpen = false
    raw.pointee.loop._withUnsafeGuaranteedRef { loop in
      loop.eventLoop.timers.disarm(raw.pointee.timer)
      loop.buffers.give(raw.pointee.message)
      raw.pointee.message = .none
      if let pause = raw.pointee.pause {
        for message in pause.messages[pause.nextMessage...] { loop.buffers.give(message) }
        pause.messages = []
        pause.nextMessage = 0
        returnWindow(of: pause)
      }
      var wasSent = true
      if let stream = raw.pointee.stream {
        wasSent = stream.pointee.wasSent
        raw.pointee.connection?._withUnsafeGuaranteedRef { $0.callEnded(on: stream) }
      }
      let outcome = CallOutcome(status: status, origin: origin, mayHaveRun: mayHaveRun ?? wasSent)
      let observer = raw.pointee.observer.take()
      raw.pointee.isEnding = true
      observer?.finished(self, outcome)
      raw.pointee.isEnding = false
      raw.pointee.serial &+= 1
      if raw.pointee.stream == nil { loop.give(raw) }
    }
  }

  /// The status that the answer ended with.
  var statusAtEnd: GRPCStatus {
    let found = GRPCStatus(in: trailers) ?? GRPCStatus(in: initialMetadata)
    guard let status = found else { return GRPCStatus(.unknown, "the answer ended without grpc-status") }
    let expectsOne = raw.pointee.template?._withUnsafeGuaranteedRef { $0.answer == .one } ?? false
    if expectsOne, status.code == .ok, raw.pointee.messageCount == 0 {
      return GRPCStatus(.internal, "the server reported success without a message")
    }
    return status
  }
}
