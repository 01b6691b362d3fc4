internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// A unary RPC about one endpoint, quick enough for the event loop, for those who may score it.
final class EndpointMethod<Request: WireMessage, Response: WireMessage>: UnaryMethod {
  private let door: ServingDoor
  private let desk: VerificationDesk
  private let state: ServerState
  private let name: (Request) -> String
  private let body: (Request, UnaryCall) throws(InferenceError) -> Response

  /// - Parameter name: The endpoint that is meant. Empty: no one in particular, and `body` sees to what it shows.
  init(
    _ door: ServingDoor, _ desk: VerificationDesk, _ state: ServerState, of name: @escaping (Request) -> String,
    _ body: @escaping (Request, UnaryCall) throws(InferenceError) -> Response
  ) {
    self.door = door
    self.desk = desk
    self.state = state
    self.name = name
    self.body = body
  }

  func handle(_ call: UnaryCall) {
    do throws(InferenceError) {
      answer(call, try Request(decoding: call.message), attempt: 0)
    } catch {
      call.fail(GRPCStatus(error))
    }
  }

  private func answer(_ call: UnaryCall, _ request: Request, attempt: Int) {
    do throws(InferenceError) {
      guard !call.isAbandoned else { throw .cancelled("the caller is gone") }
      var endpoint = name(request)
      let closed = endpoint.isEmpty ? nil : endpoint.withUTF8 {
        door.checkAccess(
          UnsafeRawBufferPointer($0), authorization: call.authorization, certificate: call.certificate,
          isPrivate: call.isPrivate)
      }
      switch closed {
      case nil, .accepted: call.reply(try body(request, call).encoded())
      case .refused(let error): throw error
      case .needsVerification:
        let error = endpoint.withUTF8 { endpoint in
          desk.verify(
            UnsafeRawBufferPointer(endpoint), authorization: call.authorization, certificate: call.certificate,
            isPrivate: call.isPrivate, attempt: attempt
          ) { [self] in answer(call, request, attempt: attempt + 1) }
        }
        if let error { throw error }
      }
    } catch {
      call.fail(GRPCStatus(state.whileStarting(error)))
    }
  }
}
