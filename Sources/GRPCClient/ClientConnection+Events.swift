internal import GRPC
package import HTTP2
package import Transport

/// What the transport says of the connection and its streams.
extension ClientConnection: ConnectionHandler {
  package func handle(_ event: HTTP2Event, on connection: Connection) {
    guard let stream = event.stream else { return }
    guard let raw = stream.pointee.context?.assumingMemoryBound(to: ClientCall.self), raw.pointee.isOpen else {
      return handleUnwatched(event, stream, connection)
    }
    let call = ClientCallPointer(raw)
    switch event.kind {
    case .headers: call.receiveHeaders(stream, limitBytes: options.http2.maxHeaderListBytes)
    case .data: call.receive(event.bytes, stream, connection, maxMessageBytes: options.maxMessageBytes)
    case .endOfStream: call.receiveEnd()
    case .drained: raw.pointee.observer?.drained(call)
    case .closed: streamClosed(call, stream, code: event.code, connection)
    case .trailers, .pingAcknowledged, .pingReceived, .goAway: break
    }
  }

  /// The call is over, and its stream is not quite.
  private func handleUnwatched(_ event: HTTP2Event, _ stream: StreamPointer, _ connection: Connection) {
    switch event.kind {
    case .data: connection.consume(event.bytes.count, of: stream)
    case .closed: forget(stream)
    default: break
    }
  }

  /// The call's memory may be used again, if the call is over.
  private func forget(_ stream: StreamPointer) {
    guard let raw = stream.pointee.context?.assumingMemoryBound(to: ClientCall.self) else { return }
    stream.pointee.context = nil
    raw.pointee.stream = nil
    raw.pointee.connection = nil
    if !raw.pointee.isOpen, !raw.pointee.isEnding { loop.give(raw) }
  }

  private func streamClosed(_ call: ClientCallPointer, _ stream: StreamPointer, code: UInt32, _ connection: Connection) {
    if let pause = call.raw.pointee.pause, pause.hasEnded {
      // The answer is complete and waits to be read: the call goes on without its stream.
      pause.headers.append(contentsOf: stream.pointee.headers)
      pause.trailers.append(contentsOf: stream.pointee.trailers)
      call.returnWindow(of: pause)
      core.pointee.openCalls -= 1
      return forget(stream)
    }
    if connection.state == .closed {
      call.end(lossStatus(connection), .connection)
    } else {
      let isRefused = code == HTTP2ErrorCode.refusedStream.rawValue
      let text =
        isRefused ? "the server did not take the call" : "the server reset the call (HTTP/2 error \(code))"
      call.end(
        GRPCStatus(GRPCStatus.Code(resetCode: code), text), isRefused && state == .draining ? .connection : .server,
        mayHaveRun: isRefused ? false : nil)
    }
    forget(stream)
  }

  private func lossStatus(_ connection: Connection) -> GRPCStatus {
    if lossStatus.code == .ok {
      lossStatus = GRPCStatus(.unavailable, "the connection to \(address) is lost: \(connection.closeReason)")
    }
    return lossStatus
  }

  package func opened(_ connection: Connection) {
    guard state == .connecting else { return }
    state = .ready
    core.pointee.limit = connection.session.peerMaxConcurrentStreams
    observer?.connectionIsReady(self)
  }

  package func goingAway(_ connection: Connection, code: UInt32) { beginDraining() }

  package func settled(_ connection: Connection) {
    guard state == .ready || state == .draining, connection.state != .closed else { return }
    core.pointee.limit = connection.session.peerMaxConcurrentStreams
    let count = connection.session.streamCount
    if state == .draining, count == 0 { return connection.close(.finished) }
    if count >= core.pointee.limit {
      core.pointee.isFull = true
    } else if core.pointee.isFull {
      core.pointee.isFull = false
      observer?.connectionMayStartCalls(self)
    }
  }

  package func pingAnswered(_ connection: Connection) { observer?.connectionAnsweredPing(self) }

  package func closed(_ connection: Connection, reason: CloseReason) { closed(reason) }
}
