import EventLoops
import GRPC
import Inference
import Wire

/// StreamingInputCall: adds up the payloads.
final class InputStream: StreamHandler {
  private let stream: ServerStream
  private var total: Int32 = 0

  init(_ stream: ServerStream) { self.stream = stream }

  func receive(_ message: MessageBuffer) {
    defer { stream.recycle(message) }
    do throws(InteropFailure) {
      let request: Interop.StreamingInputCallRequest = try TestService.decode(UnsafeRawBufferPointer(message.bytes))
      if let expected = request.expectCompressed, expected != stream.lastMessageWasCompressed {
        throw InteropFailure(GRPCStatus(.invalidArgument, "the request was expected to be compressed: \(expected)"))
      }
      total += Int32(request.payload?.count ?? 0)
    } catch {
      stream.finish(error.status)
    }
  }

  func receiveEnd() {
    stream.send(Interop.StreamingInputCallResponse(aggregatedPayloadSize: total).encoded())
    stream.finish()
  }

  func cancelled() {}
}

/// StreamingOutputCall, FullDuplexCall and HalfDuplexCall: answers each request with the sizes and pauses it asks for.
final class OutputStream: StreamHandler {
  private let stream: ServerStream
  private let loop: GRPCLoop
  private let sendsAtOnce: Bool
  private var waiting: [Interop.ResponseParameters] = []
  private var next = 0
  private var isEnding = false
  private var isStarted = false
  private var timer: UnsafeMutablePointer<TimerNode>?

  init(_ stream: ServerStream, _ loop: GRPCLoop, sendsAtOnce: Bool) {
    self.stream = stream
    self.loop = loop
    self.sendsAtOnce = sendsAtOnce
  }

  func receive(_ message: MessageBuffer) {
    defer { stream.recycle(message) }
    do throws(InteropFailure) {
      let request: Interop.StreamingOutputCallRequest = try TestService.decode(UnsafeRawBufferPointer(message.bytes))
      if let status = request.responseStatus, status.code != 0 { throw InteropFailure(status) }
      waiting += request.responseParameters
      if sendsAtOnce { sendNext() }
    } catch {
      end(error.status)
    }
  }

  func receiveEnd() {
    isEnding = true
    sendNext()
  }

  func cancelled() { dropTimer() }

  private func sendNext() {
    while timer == nil, next < waiting.count {
      let parameters = waiting[next]
      if parameters.intervalMicroseconds > 0, !isStarted { return wait(microseconds: parameters.intervalMicroseconds) }
      isStarted = false
      next += 1
      let message = Interop.StreamingOutputCallResponse(payload: TestService.zeros(parameters.size)).encoded()
      stream.send(message, compressed: parameters.compressed == true ? .gzip : .identity)
    }
    if timer == nil, isEnding { end(.ok) }
  }

  private func wait(microseconds: Int32) {
    // Released when the timer fires or is dropped.
    let context = Unmanaged.passRetained(self).toOpaque()
    let node = UnsafeMutablePointer<TimerNode>.allocate(capacity: 1)
    node.initialize(to: TimerNode(context: context, fire: pauseEnded))
    timer = node
    loop.eventLoop.timers.arm(
      node, at: loop.eventLoop.now.advanced(byNanoseconds: UInt64(microseconds) * 1000))
  }

  fileprivate func resume() {
    dropTimer()
    isStarted = true
    sendNext()
  }

  private func end(_ status: GRPCStatus) {
    dropTimer()
    stream.finish(status)
  }

  private func dropTimer() {
    guard let node = timer else { return }
    timer = nil
    loop.eventLoop.timers.disarm(node)
    node.deallocate()
    Unmanaged.passUnretained(self).release()
  }
}

private func pauseEnded(_ context: UnsafeMutableRawPointer) {
  Unmanaged<OutputStream>.fromOpaque(context).takeUnretainedValue().resume()
}
