internal import EventLoops
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// ModelInfer: decode, submit; encode, reply. The hot path's two ends on one event loop.
///
/// ```
/// handle ─▶ request in the call's arena ─▶ door.submit ─▶ pool … mailbox ─▶ complete ─▶ call.reply
/// ```
final class ModelInfer: UnaryMethod {
  private let grpc: GRPCLoop
  private let door: ServingDoor
  private let desk: VerificationDesk
  private let state: ServerState
  let receiver: ReplyReceiver
  private let mailbox: Unmanaged<ReplyMailbox>

  init(on grpc: GRPCLoop, door: ServingDoor, desk: VerificationDesk, state: ServerState) throws {
    self.grpc = grpc
    self.door = door
    self.desk = desk
    self.state = state
    // The receiver needs `complete`, and `complete` needs nothing of the receiver.
    let completion = Completion(grpc: grpc, door: door)
    receiver = try ReplyReceiver(on: grpc.eventLoop) { completion.complete($0) }
    mailbox = .passUnretained(receiver.mailbox)
  }

  func handle(_ call: UnaryCall) {
    guard let request = call.arena.pointee.allocate(InferenceRequest.self, count: 1) else {
      return call.fail(GRPCStatus(.resourceExhausted, "the call's arena has no room for a request"))
    }
    InferenceRequest.initialize(request, arena: call.arena, replyTo: mailbox)
    request.pointee.arrival = call.arrival
    request.pointee.deadline = call.deadline
    request.pointee.context = UnsafeMutableRawPointer(call.raw)
    call.context = UnsafeMutableRawPointer(request)
    call.readFields(into: request)
    do throws(InferenceError) {
      try decodeModelInferRequest(message: call.message, into: request)
    } catch {
      return refuse(call, request, error)
    }
    noteTensorOffset(call, request)
    submit(call, request, attempt: 0)
  }

  private func submit(_ call: UnaryCall, _ request: RequestPointer, attempt: Int) {
    switch door.submit(request, now: grpc.eventLoop.now) {
    case .accepted: call.shortenDeadline(to: request.pointee.deadline)
    case .refused(let error): refuse(call, request, error)
    case .needsVerification: verify(call, request, attempt: attempt)
    }
  }

  private func verify(_ call: UnaryCall, _ request: RequestPointer, attempt: Int) {
    let error = desk.verify(
      request.pointee.modelName, authorization: request.pointee.credential,
      certificate: request.pointee.certificate, isPrivate: request.pointee.isPrivate, attempt: attempt
    ) { [self] in
      // Its headers went with its stream.
      guard !call.isAbandoned else { return refuse(call, request, .cancelled("the caller is gone")) }
      submit(call, request, attempt: attempt + 1)
    }
    if let error { refuse(call, request, error) }
  }

  func cancelled(_ call: UnaryCall) {
    guard let request = call.context?.assumingMemoryBound(to: InferenceRequest.self) else { return }
    door.cancel(request)
  }

  private func refuse(_ call: UnaryCall, _ request: RequestPointer, _ error: InferenceError) {
    let retryAfter = request.pointee.retryAfterNanoseconds
    request.deinitialize(count: 1)
    call.context = nil
    call.fail(state.whileStarting(error), retryAfterNanoseconds: retryAfter)
  }

  /// So that the next message of this size is placed where its tensor is aligned.
  private func noteTensorOffset(_ call: UnaryCall, _ request: RequestPointer) {
    guard let message = call.message.baseAddress, let tensor = request.pointee.inputs.first?.bytes.baseAddress else {
      return
    }
    let offset = tensor - message
    if offset >= 0, offset < call.message.count { grpc.buffers.noteTensorOffset(offset) }
  }

  private final class Completion {
    private let grpc: GRPCLoop
    private let door: ServingDoor
    private let deploymentHeaders = DeploymentHeaders()

    init(grpc: GRPCLoop, door: ServingDoor) {
      self.grpc = grpc
      self.door = door
    }

    func complete(_ request: RequestPointer) {
      guard let raw = request.pointee.context?.assumingMemoryBound(to: Call.self) else { return }
      let call = UnaryCall(raw)
      if !call.isAbandoned { door.prepareAnswer(request) }
      let deployment = request.pointee.answeredDeployment
      if deployment.count > 0, let headers = deploymentHeaders.headers(for: deployment) {
        call.setAnswerHeaders(headers)
      }
      if call.isAbandoned {
        end(request)
        call.fail(GRPCStatus(.cancelled, "the caller is gone"))
      } else if let failure = request.pointee.failure {
        let retryAfter = request.pointee.retryAfterNanoseconds
        end(request)
        call.fail(failure, retryAfterNanoseconds: retryAfter)
      } else if let segments = encodeModelInferResponse(
        request, modelName: request.pointee.modelName, modelVersion: request.pointee.answeredVersion,
        headroom: MessagePrefix.byteCount)
      {
        end(request)
        call.reply(segments)
      } else {
        end(request)
        call.fail(GRPCStatus(.resourceExhausted, "the answer is over 2 GiB, or its shapes and names are over the call's memory limit"))
      }
    }

    private func end(_ request: RequestPointer) {
      door.finish(request, now: grpc.eventLoop.now)
      request.deinitialize(count: 1)
    }
  }
}
