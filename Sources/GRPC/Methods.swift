internal import EventLoops

/// Answers one RPC that takes one message and gives one. One object an event loop, so it may keep state without locks.
package protocol UnaryMethod: AnyObject {
  /// Takes the call and will `reply` or `fail`, once.
  func handle(_ call: UnaryCall)

  /// Nobody waits for the answer any more. The handler may stop working on it, and still replies or fails.
  func cancelled(_ call: UnaryCall)
}

extension UnaryMethod {
  package func cancelled(_ call: UnaryCall) {}
}

/// Answers one RPC with a stream on either side, or both.
package protocol StreamMethod: AnyObject {
  func open(_ stream: ServerStream) -> any StreamHandler
}

/// The server's half of one streaming call. Called on the loop's thread.
package protocol StreamHandler: AnyObject {
  /// One message of the client's. The handler gives the buffer back with `stream.recycle` when it is done with it.
  func receive(_ message: MessageBuffer)

  /// The client has sent all it will. The handler calls `stream.finish` when it has sent all too.
  func receiveEnd()

  /// The stream is gone: reset, lost, or past its deadline. Nothing can be sent, and nothing more is called but `drained`.
  func cancelled()

  /// Everything sent so far has left, after `stream.isCongested` was true.
  func drained()
}

extension StreamHandler {
  package func drained() {}
}

/// A unary RPC that is a plain function of its message, quick enough for the event loop.
package final class FunctionMethod: UnaryMethod {
  private let body: (UnsafeRawBufferPointer) throws(GRPCStatus) -> [UInt8]

  package init(_ body: @escaping (UnsafeRawBufferPointer) throws(GRPCStatus) -> [UInt8]) { self.body = body }

  package func handle(_ call: UnaryCall) {
    do throws(GRPCStatus) {
      call.reply(try body(call.message))
    } catch {
      call.fail(error)
    }
  }
}

/// A unary RPC that takes its time: its function gets a copy of the message and a way to answer from any thread.
package final class DeferredMethod: UnaryMethod {
  package typealias Answer = @Sendable (Result<[UInt8], GRPCStatus>) -> Void
  private let body: ([UInt8], @escaping Answer) -> Void

  package init(_ body: @escaping ([UInt8], @escaping Answer) -> Void) { self.body = body }

  package func handle(_ call: UnaryCall) {
    let waiting = WaitingCall(call: call)
    body(Array(call.message)) { result in waiting.answer(result) }
  }

  /// Carries the call to another thread and back to its own.
  private struct WaitingCall: @unchecked Sendable {  // touched on the loop's thread only
    let call: UnaryCall

    func answer(_ result: Result<[UInt8], GRPCStatus>) {
      let loop = call.raw.pointee.loop.takeUnretainedValue().eventLoop
      loop.execute {
        switch result {
        case .success(let message): call.reply(message)
        case .failure(let status): call.fail(status)
        }
      }
    }
  }
}
