internal import GRPC
internal import Inference
internal import Wire

/// A unary RPC between two plain messages, quick enough for the event loop.
func messageMethod<Request: WireMessage, Response: WireMessage>(
  _ body: @escaping (Request) throws(InferenceError) -> Response
) -> FunctionMethod {
  FunctionMethod { bytes throws(GRPCStatus) in
    do throws(InferenceError) {
      return try body(try Request(decoding: bytes)).encoded()
    } catch {
      throw GRPCStatus(error)
    }
  }
}

/// The same for one whose answer depends on how the call came in.
func messageMethod<Request: WireMessage, Response: WireMessage>(
  _ body: @escaping (Request, UnaryCall) throws(InferenceError) -> Response
) -> MessageMethod {
  MessageMethod { call throws(InferenceError) in try body(try Request(decoding: call.message), call).encoded() }
}

final class MessageMethod: UnaryMethod {
  private let body: (UnaryCall) throws(InferenceError) -> [UInt8]

  init(_ body: @escaping (UnaryCall) throws(InferenceError) -> [UInt8]) { self.body = body }

  func handle(_ call: UnaryCall) {
    do throws(InferenceError) {
      call.reply(try body(call))
    } catch {
      call.fail(GRPCStatus(error))
    }
  }
}

/// A unary RPC between two plain messages that is answered later, from any thread.
func deferredMessageMethod<Request: WireMessage, Response: WireMessage>(
  _ body: @escaping (Request, _ answer: @escaping @Sendable (Result<Response, InferenceError>) -> Void) -> Void
) -> DeferredMethod {
  DeferredMethod { bytes, answer in
    do throws(InferenceError) {
      body(try Request(decoding: bytes)) { result in
        answer(result.map { $0.encoded() }.mapError { GRPCStatus($0) })
      }
    } catch {
      answer(.failure(GRPCStatus(error)))
    }
  }
}
