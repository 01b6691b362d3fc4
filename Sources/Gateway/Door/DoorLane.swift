internal import Access
internal import CLinux
internal import EventLoops
internal import Glibc
internal import Inference
internal import Serving
internal import Synchronization
internal import Threads

/// One thread of the gateway's door: an event loop, a front door that only this thread touches, and the mailbox that
/// answers come to.
///
/// `@unchecked Sendable`: the door and the requests in hand belong to the loop's thread; the count is behind a lock.
final class DoorLane: @unchecked Sendable {
  enum Submission {
    /// The request is back with its outputs or its failure; `finish` is still to be called.
    case answered
    case refused(InferenceError)
    /// Its credential is one that this lane does not know; nil: it has changed meanwhile, so just try again.
    case needsVerification(VerificationNeed?)
  }

  /// How long models may run on this thread at the end of one turn.
  private static let inlineNanoseconds: UInt64 = 1_000_000

  let mailbox: ReplyMailbox
  private let loop: EventLoop
  private let door: ServingDoor
  private let receiver: AnswerReceiver
  private let state = Locked(State())

  private struct State {
    /// Requests between `serve` and `finish`.
    var inHand = 0
    var isStopping = false
  }

  init(index: Int, door: ServingDoor) throws {
    self.door = door
    loop = try EventLoop(index: index)
    receiver = try AnswerReceiver(on: loop, door: door)
    mailbox = receiver.mailbox
    loop.atEndOfTurn { [loop, door, receiver] in
      guard door.hasWork else { return }
      receiver.expect()
      door.endOfTurn(until: Instant.now().advanced(byNanoseconds: Self.inlineNanoseconds))
      receiver.collect()
      if door.hasWork { loop.turnAgain() }
    }
    try OwnThread(name: "apus-gateway") { [loop] in loop.run() }.detach()
  }

  /// Submits a request and waits until it is answered.
  func serve(_ request: GatewayRequest) async -> Submission {
    let isOpen = state.withLock { state in
      if state.isStopping { return false }
      state.inHand += 1
      return true
    }
    guard isOpen else { return .refused(.unavailable("the server is stopping")) }
    let submission = await withCheckedContinuation { continuation in
      loop.execute { [self] in
        request.waiting = continuation
        submit(request)
      }
    }
    switch submission {
    case .answered: break
    case .refused, .needsVerification: leave()
    }
    return submission
  }

  private func submit(_ request: GatewayRequest) {
    // The count goes with the request and comes back through the mailbox.
    request.pointer.pointee.context = Unmanaged.passRetained(request).toOpaque()
    switch door.submit(request.pointer, now: loop.now) {
    case .accepted: break
    case .refused(let error):
      Unmanaged.passUnretained(request).release()
      request.resume(.refused(error))
    case .needsVerification:
      Unmanaged.passUnretained(request).release()
      request.resume(
        .needsVerification(
          door.verificationNeed(
            request.pointer.pointee.modelName, authorization: request.pointer.pointee.credential,
            certificate: request.pointer.pointee.certificate, isPrivate: request.pointer.pointee.isPrivate)))
    }
  }

  /// Whether a caller may look at an endpoint; nil if it may.
  func checkAccess(
    _ endpoint: String, authorization: String, certificate: String, isPrivate: Bool
  ) async -> Submission? {
    guard state.withLock({ !$0.isStopping }) else { return .refused(.unavailable("the server is stopping")) }
    return await withCheckedContinuation { continuation in
      loop.execute { [self] in
        // One text after the other in one piece of memory.
        let bytes = Array(endpoint.utf8) + Array(authorization.utf8) + Array(certificate.utf8)
        let closed = bytes.withUnsafeBytes { bytes -> Submission? in
          let endpoint = UnsafeRawBufferPointer(rebasing: bytes.prefix(endpoint.utf8.count))
          let certificate = UnsafeRawBufferPointer(rebasing: bytes.suffix(certificate.utf8.count))
          let authorization = UnsafeRawBufferPointer(
            rebasing: bytes.dropFirst(endpoint.count).dropLast(certificate.count))
          switch door.checkAccess(
            endpoint, authorization: authorization, certificate: certificate, isPrivate: isPrivate)
          {
          case nil, .accepted: return nil
          case .refused(let error): return .refused(error)
          case .needsVerification:
            return .needsVerification(
              door.verificationNeed(
                endpoint, authorization: authorization, certificate: certificate, isPrivate: isPrivate))
          }
        }
        continuation.resume(returning: closed)
      }
    }
  }

  /// Keeps what verification found, for all requests from now on.
  func remember(_ verdict: CredentialVerdict, for need: VerificationNeed) {
    loop.execute { [self] in door.remember(verdict, for: need) }
  }

  /// Tells whoever has the request that nobody waits for it. It comes back all the same.
  func cancel(_ request: GatewayRequest) {
    request.pointer.pointee.cancelled.store(true, ordering: .relaxed)
    loop.execute { [self] in
      if request.waiting != nil { door.cancel(request.pointer) }
    }
  }

  /// Ends the stay of an answered request.
  func finish(_ request: GatewayRequest) {
    loop.execute { [self] in
      door.finish(request.pointer)
      leave()
    }
  }

  func stateChanged() { loop.execute { [self] in door.refresh() } }

  func stop() {
    let isIdle = state.withLock { state in
      state.isStopping = true
      return state.inHand == 0
    }
    if isIdle { loop.stop() }
  }

  private func leave() {
    let isLast = state.withLock { state in
      state.inHand -= 1
      return state.isStopping && state.inHand == 0
    }
    if isLast { loop.stop() }
  }
}

/// The receiving end of a lane's mailbox: resumes the task of each answered request.
private final class AnswerReceiver: EventSource {
  let mailbox: ReplyMailbox
  private let descriptor: Int32
  private let door: ServingDoor

  init(on loop: EventLoop, door: ServingDoor) throws(SystemError) {
    descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    guard descriptor >= 0 else { throw .last("eventfd") }
    mailbox = ReplyMailbox(wakeDescriptor: descriptor)
    self.door = door
    _ = try loop.register(descriptor, for: .readable, self)
  }

  deinit { close(descriptor) }

  func handle(_ events: Readiness) {
    var count: UInt64 = 0
    _ = read(descriptor, &count, 8)
    collect()
  }

  /// Spares the senders the wake-up: `collect` is called soon.
  func expect() { mailbox.expectTake() }

  func collect() {
    var next = mailbox.take()
    while let pointer = next {
      next = pointer.pointee.next
      guard let context = pointer.pointee.context else { continue }
      // Balances the count that was taken when the request was submitted.
      let request = Unmanaged<GatewayRequest>.fromOpaque(context).takeRetainedValue()
      door.prepareAnswer(pointer)
      request.resume(.answered)
    }
  }
}
