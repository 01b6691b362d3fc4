internal import EventLoops
internal import GRPC
internal import Inference
internal import Serving
internal import Wire

/// ModelStreamInfer: any number of requests on one stream; answers leave in the order of the requests.
///
/// A request that fails is answered in-band and the stream goes on, unless the client asked for a real gRPC status with
/// the metadata `triton_grpc_error: true`. Source: Triton's stream semantics.
final class ModelStreamInfer: StreamMethod {
  fileprivate let grpc: GRPCLoop
  fileprivate let door: ServingDoor
  fileprivate let desk: VerificationDesk
  fileprivate let state: ServerState
  fileprivate let mailbox: Unmanaged<ReplyMailbox>
  let receiver: ReplyReceiver

  init(on grpc: GRPCLoop, door: ServingDoor, desk: VerificationDesk, state: ServerState) throws {
    self.grpc = grpc
    self.door = door
    self.desk = desk
    self.state = state
    receiver = try ReplyReceiver(on: grpc.eventLoop) { request in
      guard let context = request.pointee.context else { return }
      // Balances the count that was taken when the request was submitted.
      let streamed = Unmanaged<StreamedRequest>.fromOpaque(context).takeRetainedValue()
      door.prepareAnswer(request)
      streamed.isAnswered = true
      streamed.wasAccepted = true
      if let session = streamed.session, !session.isOver { session.answered() } else { streamed.end(door) }
    }
    mailbox = .passUnretained(receiver.mailbox)
  }

  func open(_ stream: ServerStream) -> any StreamHandler {
    let wantsStatus = stream.metadata("triton_grpc_error")?.elementsEqual("true".utf8) ?? false
    return StreamedSession(stream, method: self, endsAtError: wantsStatus)
  }
}

/// One open stream: the requests on their way, oldest first.
private final class StreamedSession: StreamHandler {
  /// Requests of one stream that may be on their way at once; the client is held back at more.
  private static let maxInFlight = 256

  private let stream: ServerStream
  private let method: ModelStreamInfer
  private let endsAtError: Bool
  private let fields: StreamFields
  private var requests: [StreamedRequest] = []
  private var clientIsDone = false
  /// The stream has ended; requests that are still on their way end as they come back.
  private(set) var isOver = false

  init(_ stream: ServerStream, method: ModelStreamInfer, endsAtError: Bool) {
    self.stream = stream
    self.method = method
    self.endsAtError = endsAtError
    fields = StreamFields(stream)
  }

  func receive(_ message: MessageBuffer) {
    let streamed = StreamedRequest(message, session: self, stream: stream, mailbox: method.mailbox)
    let request = streamed.request
    request.pointee.arrival = method.grpc.eventLoop.now
    request.pointee.deadline = stream.deadline
    requests.append(streamed)
    do throws(InferenceError) {
      try decodeModelInferRequest(message: UnsafeRawBufferPointer(message.bytes), into: request)
      fields.write(to: request)
      submit(streamed, attempt: 0)
    } catch { fail(streamed, error) }
    if requests.count >= Self.maxInFlight { stream.pause() }
  }

  private func submit(_ streamed: StreamedRequest, attempt: Int) {
    let request = streamed.request
    // The count goes with the request and comes back through the mailbox.
    request.pointee.context = Unmanaged.passRetained(streamed).toOpaque()
    let submission = method.door.submit(request, now: method.grpc.eventLoop.now)
    if submission == .accepted { return }
    Unmanaged.passUnretained(streamed).release()
    switch submission {
    case .accepted: return
    case .refused(let error): fail(streamed, error)
    case .needsVerification:
      let error = method.desk.verify(
        request.pointee.modelName, authorization: fields.credential, certificate: fields.certificate,
        isPrivate: fields.isPrivate, attempt: attempt
      ) { [self] in
        if !isOver { submit(streamed, attempt: attempt + 1) }
      }
      if let error { fail(streamed, error) }
    }
  }

  private func fail(_ streamed: StreamedRequest, _ error: InferenceError) {
    streamed.request.pointee.failure = method.state.whileStarting(error)
    streamed.isAnswered = true
    answered()
  }

  func receiveEnd() {
    clientIsDone = true
    answered()
  }

  func cancelled() {
    isOver = true
    for streamed in requests where !streamed.isAnswered { method.door.cancel(streamed.request) }
    for streamed in requests where streamed.isAnswered { streamed.end(method.door) }
    requests = []
  }

  func drained() { resumeIfPossible() }

  /// Sends the answers that are next in order.
  func answered() {
    var sent = 0
    while !isOver, sent < requests.count, requests[sent].isAnswered {
      send(requests[sent])
      sent += 1
    }
    if isOver {
      // A stream that ended in between: what was answered since is let go here.
      for streamed in requests where streamed.isAnswered { streamed.end(method.door) }
      requests.removeAll { $0.isAnswered }
      return
    }
    requests.removeFirst(sent)
    resumeIfPossible()
    if clientIsDone, requests.isEmpty {
      isOver = true
      stream.finish()
    }
  }

  private func resumeIfPossible() {
    if stream.isCongested {
      stream.pause()
    } else if requests.count < Self.maxInFlight {
      stream.resume()
    }
  }

  private func send(_ streamed: StreamedRequest) {
    let request = streamed.request
    if let failure = request.pointee.failure, endsAtError {
      isOver = true
      let retryAfter = request.pointee.retryAfterNanoseconds
      streamed.end(method.door)
      for waiting in requests where !waiting.isAnswered { method.door.cancel(waiting.request) }
      return stream.finish(GRPCStatus(failure, retryAfterNanoseconds: retryAfter))
    }
    let name = request.pointee.modelName
    let headroom = MessagePrefix.byteCount
    let segments: UnsafeMutableBufferPointer<Segment>?
    if let failure = request.pointee.failure {
      segments = encodeModelStreamInferError(
        request, failure, modelName: name, modelVersion: request.pointee.modelVersion, isFinal: true, headroom: headroom)
    } else {
      segments = encodeModelStreamInferResponse(
        request, modelName: name, modelVersion: request.pointee.answeredVersion, isFinal: true, headroom: headroom)
    }
    guard let segments else {
      isOver = true
      streamed.end(method.door)
      return stream.finish(GRPCStatus(.resourceExhausted, "an answer's shapes and names are over the memory limit"))
    }
    // The arena must outlive what was packed into it: each segment without an owner keeps the request.
    for index in segments.indices where segments[index].owner == nil {
      segments[index].owner = .passRetained(streamed)
    }
    stream.send(segments)
    streamed.end(method.door)
  }
}

/// One request of a stream with the memory it lives in. Kept by its session, by the pool while it is on its way, and by
/// the segments of its answer.
private final class StreamedRequest {
  let request: RequestPointer
  private(set) weak var session: StreamedSession?
  var isAnswered = false
  /// Whether the door took it, and must hear of its end.
  var wasAccepted = false
  private let arena: UnsafeMutablePointer<Arena>
  private let message: MessageBuffer
  private let stream: ServerStream
  private var isEnded = false

  init(
    _ message: MessageBuffer, session: StreamedSession, stream: ServerStream, mailbox: Unmanaged<ReplyMailbox>
  ) {
    self.message = message
    self.session = session
    self.stream = stream
    arena = .allocate(capacity: 1)
    arena.initialize(to: Arena(keepBytes: 2048, limitBytes: 8 << 20))
    request = .allocate(capacity: 1)
    InferenceRequest.initialize(request, arena: arena, replyTo: mailbox)
  }

  /// The answer is encoded, or not wanted any more.
  func end(_ door: ServingDoor) {
    guard !isEnded else { return }
    isEnded = true
    if wasAccepted { door.finish(request) } else { request.pointee.failure = nil }
  }

  deinit {
    stream.recycle(message)
    request.deinitialize(count: 1)
    request.deallocate()
    arena.deinitialize(count: 1)
    arena.deallocate()
  }
}
