internal import EventLoops
internal import HTTP2
internal import Inference

/// What a connection does when its clock says that it is time.
extension Connection {
  func armTimer() {
    let hasStreams = session.streamCount > 0
    transport.loop.timers.arm(
      timer, at: clock.nextDue(state: state, hasStreams: hasStreams, hasPendingOutput: !pending.isEmpty))
  }

  fileprivate func timerFired() {
    let hasStreams = session.streamCount > 0
    let verdict = clock.verdict(
      at: transport.loop.now, state: state, hasStreams: hasStreams, hasPendingOutput: !pending.isEmpty)
    switch verdict {
    case .nothing: break
    case .ping:
      session.ping()
      setNeedsFlush()
    case .drain: drain(grace: transport.limits.maxConnectionAgeGrace)
    case .refuseNewStreams:
      session.goAway(code: .noError)
      setNeedsFlush()
    case .close: return close(timeoutReason)
    }
    armTimer()
  }

  private var timeoutReason: CloseReason {
    switch state {
    case .connecting, .handshake, .preface: .connectTimeout
    case .open: pending.isEmpty ? .keepaliveTimeout : .stalled
    case .draining, .closed: .finished
    }
  }
}

func connectionTimerFired(_ context: UnsafeMutableRawPointer) {
  Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().timerFired()
}
